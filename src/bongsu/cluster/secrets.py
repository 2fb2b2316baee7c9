"""What the parts of three sites know each other by. Every cluster has its own."""

from collections.abc import Callable
from pathlib import Path

import msgspec


class Secrets(msgspec.Struct, frozen=True):
    """superuser, replication, rewind: PostgreSQL's roles for Patroni; application: Bongsu's own role;
    patroni: for those who may change a site through Patroni's address; peer: what Bongsu's sites show each other.
    """

    superuser: str
    replication: str
    rewind: str
    application: str
    patroni: str
    peer: str


def make(token: Callable[[], str]) -> Secrets:
    """Six different ones. token: gives a new unguessable text that may stand in a URL."""
    return Secrets(*(token() for _ in msgspec.structs.fields(Secrets)))


def write(secrets: Secrets, path: Path) -> None:
    """For its owner's eyes alone, from the first byte on."""
    path.touch(mode=0o600)
    path.write_bytes(msgspec.json.encode(secrets))


def read(path: Path) -> Secrets:
    return msgspec.json.decode(path.read_bytes(), type=Secrets)
