"""The demo's accounts: who may be tried, and how to sign in. Made anew for each installation, never the same twice.

They are kept in the data folder, for its owner's eyes alone. The demo writes them; the start page shows them, where
nobody else can see it.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

FILE_NAME: Final = "demo-accounts.json"


class DemoAccount(msgspec.Struct, frozen=True):
    """user_id and password, as they are typed; name: as it is shown; about: a line by language."""

    user_id: str
    password: str
    name: str
    about: dict[str, str]


def read(data: Path) -> list[DemoAccount]:
    """The demo's accounts; none where there is no demo, or its file cannot be read."""
    try:
        return msgspec.json.decode((data / FILE_NAME).read_bytes(), type=list[DemoAccount])
    except (OSError, msgspec.MsgspecError):
        return []


def write(data: Path, accounts: Sequence[DemoAccount]) -> None:
    """Replaces the file in one step. It is on the disk when this returns, so no password in use is ever lost."""
    path = data / FILE_NAME
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(accounts), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
