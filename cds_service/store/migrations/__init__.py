"""What Alembic runs: `env.py` on the connection it is given, and one module per schema."""
