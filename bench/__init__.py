"""Bongsu beside Synapse: the same load, PostgreSQL settings and machine, in one run. See `python -m bench --help`."""
