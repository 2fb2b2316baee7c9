"""The client-server API, one file per endpoint family, each headed by its routes."""
