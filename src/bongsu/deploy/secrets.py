"""Passwords of the three sites: made once, kept in the output folder, the same on all hosts."""

import secrets
from pathlib import Path
from typing import Final

import msgspec

_FILE: Final = "secrets.json"


def _new() -> str:
    return secrets.token_urlsafe(32)  # letters, digits, - and _: they stand in addresses without escapes


class Secrets(msgspec.Struct, frozen=True):
    """One password for each that has to show one."""

    postgres: str = msgspec.field(default_factory=_new)
    replicator: str = msgspec.field(default_factory=_new)
    rewind: str = msgspec.field(default_factory=_new)
    bongsu: str = msgspec.field(default_factory=_new)
    backup: str = msgspec.field(default_factory=_new)
    patroni: str = msgspec.field(default_factory=_new)
    peer: str = msgspec.field(default_factory=_new)
    registration: str = msgspec.field(default_factory=_new)
    etcd_token: str = msgspec.field(default_factory=_new)


def keep(folder: Path) -> Secrets:
    """The ones of before; a new one for each that there was none of yet."""
    path = folder / _FILE
    found = msgspec.json.decode(path.read_bytes(), type=Secrets) if path.exists() else Secrets()
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found)))
    return found
