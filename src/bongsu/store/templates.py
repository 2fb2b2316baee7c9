"""Approved texts of channels in SQL. That one which was submitted is never changed is a rule of the table."""

from typing import Final

import msgspec

from bongsu.core.paging import Page
from bongsu.core.templates import State, Template
from bongsu.store.database import Connection, Record
from bongsu.store.rooms import Reads


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a template. why: it was refused."""

    template_id: str
    version: int
    channel_id: str
    text: Template
    state: State
    author: str
    made_ts: int
    why: str = ""
    decided_by: str | None = None
    decided_ts: int | None = None


_COLUMNS: Final = "template_id, version, channel_id, text, state, author, made_ts, why, decided_by, decided_ts"


def _version(row: Record) -> Version:
    return Version(
        template_id=row["template_id"],
        version=row["version"],
        channel_id=row["channel_id"],
        text=msgspec.json.decode(row["text"], type=Template),
        state=State(row["state"]),
        author=row["author"],
        made_ts=row["made_ts"],
        why=row["why"],
        decided_by=row["decided_by"],
        decided_ts=row["decided_ts"],
    )


async def _some(reads: Reads, condition: str, *values: object) -> list[Version]:
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM channel_templates WHERE {condition}", *values)
    return [_version(row) for row in rows]


async def newest(reads: Reads, channel_id: str, template_id: str) -> Version | None:
    condition = "channel_id = $1 AND template_id = $2 ORDER BY version DESC LIMIT 1"
    return next(iter(await _some(reads, condition, channel_id, template_id)), None)


async def lock_newest(connection: Connection, channel_id: str, template_id: str) -> Version | None:
    condition = "channel_id = $1 AND template_id = $2 ORDER BY version DESC LIMIT 1 FOR UPDATE"
    return next(iter(await _some(connection, condition, channel_id, template_id)), None)


async def lock_version(connection: Connection, template_id: str, version: int) -> Version | None:
    condition = "template_id = $1 AND version = $2 FOR UPDATE"
    return next(iter(await _some(connection, condition, template_id, version)), None)


async def sendable(reads: Reads, channel_id: str, template_id: str, version: int | None) -> Version | None:
    """The newest approved one, or the one that is named if it is approved."""
    condition = (
        "channel_id = $1 AND template_id = $2 AND state = 'approved' AND ($3::integer IS NULL OR version = $3)"
        " ORDER BY version DESC LIMIT 1"
    )
    return next(iter(await _some(reads, condition, channel_id, template_id, version)), None)


async def versions(reads: Reads, channel_id: str, template_id: str) -> list[Version]:
    """The newest first."""
    condition = "channel_id = $1 AND template_id = $2 ORDER BY version DESC LIMIT 100"
    return await _some(reads, condition, channel_id, template_id)


async def of_channel(reads: Reads, channel_id: str, page: Page) -> list[Version]:
    """The newest version of each."""
    after = page.after or (0, "")
    condition = (
        "channel_id = $1 AND template_id > $2 AND version = (SELECT max(version) FROM channel_templates n"
        " WHERE n.template_id = channel_templates.template_id) ORDER BY template_id LIMIT $3"
    )
    return await _some(reads, condition, channel_id, after[1], page.count)


async def submitted(reads: Reads, page: Page) -> list[Version]:
    """For the operator: who waits longest first."""
    after = page.after or (-1, "")
    condition = "state = 'submitted' AND (made_ts, template_id) > ($1, $2) ORDER BY made_ts, template_id LIMIT $3"
    return await _some(reads, condition, *after, page.count)


async def count(connection: Connection, channel_id: str) -> int:
    sql = "SELECT count(DISTINCT template_id) FROM channel_templates WHERE channel_id = $1"
    return int(await connection.fetchval(sql, channel_id))


async def add(connection: Connection, new: Version) -> None:
    await connection.execute(
        "INSERT INTO channel_templates (template_id, version, channel_id, text, state, author, made_ts)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        *(new.template_id, new.version, new.channel_id, msgspec.json.encode(new.text)),
        *(new.state.value, new.author, new.made_ts),
    )


async def rewrite(connection: Connection, draft: Version) -> None:
    """The text of a draft."""
    await connection.execute(
        "UPDATE channel_templates SET text = $3, author = $4, made_ts = $5 WHERE template_id = $1 AND version = $2",
        *(draft.template_id, draft.version, msgspec.json.encode(draft.text), draft.author, draft.made_ts),
    )


async def set_state(connection: Connection, changed: Version) -> None:
    await connection.execute(
        "UPDATE channel_templates SET state = $3, why = $4, decided_by = $5, decided_ts = $6, made_ts = $7"
        " WHERE template_id = $1 AND version = $2",
        *(changed.template_id, changed.version, changed.state.value, changed.why),
        *(changed.decided_by, changed.decided_ts, changed.made_ts),
    )


async def withdraw(connection: Connection, draft: Version) -> None:
    """A draft again, under the next number. draft: under that of before."""
    await connection.execute(
        "UPDATE channel_templates SET version = version + 1, state = 'draft', made_ts = $3"
        " WHERE template_id = $1 AND version = $2",
        *(draft.template_id, draft.version, draft.made_ts),
    )
