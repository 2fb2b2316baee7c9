"""Mail addresses: which are ones, in which form they are compared, and where a link in a mail may lead."""

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param

EMAIL: Final = "email"
_ADDRESS: Final = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*"
)
_OPAQUE: Final = re.compile(r"[0-9a-zA-Z.=_-]{1,255}")


def canonical(address: str) -> str:
    """The form that is compared: what few servers tell apart (capitals) are one address here. Or M_INVALID_PARAM.

    An address with the mark of encoded words (RFC 2047) would be another one to some mail programs.
    """
    lower = address.strip().lower() if address.isascii() else ""
    if len(lower) > limits.MAIL_ADDRESS_BYTES_MAX or not _ADDRESS.fullmatch(lower) or "=?" in lower:
        raise invalid_param("that is no mail address; one looks like name@example.org")
    return lower


def canonical_or_none(address: str) -> str | None:
    try:
        return canonical(address)
    except Refusal:
        return None


def is_opaque(value: str) -> bool:
    """The grammar of client_secret and sid."""
    return _OPAQUE.fullmatch(value) is not None


def check_opaque(value: str, name: str) -> str:
    if not is_opaque(value):
        raise invalid_param(f"{name} is made of 0-9, a-z, A-Z and . = _ -, at most 255 of them")
    return value


def allowed_link(link: str | None, hosts: Collection[str]) -> str | None:
    """The link if it leads to one of these hosts by https (or http to this machine), else None: a mail of this server
    must not send people just anywhere.
    """
    if link is None or len(link) > limits.MAIL_LINK_CHARACTERS_MAX or not link.isascii() or not link.isprintable():
        return None
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return None
    if "\\" in link or " " in link or host is None or host not in hosts or parts.username is not None:
        return None
    return link if parts.scheme == "https" or (parts.scheme == "http" and host == "localhost") else None
