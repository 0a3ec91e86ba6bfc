"""One module per schema, `vNNNN_what.py`; each only adds to the one before."""
