"""Texts as LIKE compares them."""

import re


def containing(text: str) -> str:
    """The pattern of everything that holds this text as it stands."""
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
