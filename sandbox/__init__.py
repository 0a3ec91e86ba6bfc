"""The sandbox without Docker: the service, a FHIR server with the example patients, the workbench.

`python -m sandbox` (or `make sandbox`) starts it. Not part of the installed package.
"""
