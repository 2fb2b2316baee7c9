"""Which pages there are to go on to."""

import re
from typing import Final

AUTHORIZE: Final = "/oauth2/authorize"
ACCOUNT: Final = "/account"
_PAGES: Final = (f"{AUTHORIZE}?", f"{ACCOUNT}/", f"{ACCOUNT}?")
_BYTES_MAX: Final = 8_192
_PLAIN: Final = re.compile(r"[\x21-\x5b\x5d-\x7e]+")  # no backslash either, which browsers take for a slash


def page_or_none(path: str | None) -> str | None:
    """A page of ours to go on to, if it is one: nobody is sent elsewhere by what stands in an address."""
    if path is None or len(path) > _BYTES_MAX or not _PLAIN.fullmatch(path):
        return None
    return path if path == ACCOUNT or path.startswith(_PAGES) else None
