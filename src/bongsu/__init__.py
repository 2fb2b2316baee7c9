"""Bongsu: a messenger that keeps talking when a data centre burns."""

from importlib.metadata import version

__version__ = version("bongsu")
