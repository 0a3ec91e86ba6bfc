"""`python -m cds_service` is the command `cds-service`."""

from cds_service.cli import main

if __name__ == "__main__":
    main()
