"""A channel's desk in SQL: conversations, notes, canned replies, and the figures (migration 0044 says how)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bongsu.core import limits
from bongsu.core.boards import Distribution
from bongsu.core.desk import State, Talk
from bongsu.core.json import encode
from bongsu.core.paging import Page, Place
from bongsu.store.database import Connection, Record
from bongsu.store.patterns import containing
from bongsu.store.rooms import Reads


class Settings(msgspec.Struct, frozen=True):
    """What a desk does by itself. away_until: closed until then, whatever the hours say. Texts: "" for none.

    calls: agents are told when somebody waits.
    """

    greeting: str = ""
    away_text: str = ""
    away_until: int = 0
    bot_first: bool = False
    changed_ts: int = 0
    calls: bool = True


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """talk: its state; cases: how often it was begun; heard_pos: up to where its customer was heard.

    away_told_ts: when it was said last that the desk is closed; unread_told: that sealed messages cannot be read.
    """

    conversation_id: str
    channel_id: str
    customer: str
    room_id: str
    talk: Talk
    newest_ts: int
    heard_pos: int = 0
    cases: int = 0
    away_told_ts: int = 0
    unread_told: bool = False
    place: int = 0

    @property
    def at(self) -> Place:
        """Its place in a list."""
        return self.place, self.conversation_id


class Note(msgspec.Struct, frozen=True):
    note_id: str
    author: str
    body: str
    made_ts: int


class Reply(msgspec.Struct, frozen=True):
    """A canned one."""

    reply_id: str
    name: str
    body: str
    changed_by: str
    changed_ts: int


# --- settings ---


async def settings_of(reads: Reads, channel_id: str) -> Settings:
    rows = await reads.fetch(
        "SELECT greeting, away_text, away_until, bot_first, changed_ts, calls FROM desk_settings WHERE channel_id = $1",
        channel_id,
    )
    return Settings(*rows[0].values()) if rows else Settings()


async def put_settings(connection: Connection, channel_id: str, settings: Settings) -> None:
    await connection.execute(
        "INSERT INTO desk_settings (channel_id, greeting, away_text, away_until, bot_first, changed_ts, calls)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (channel_id) DO UPDATE SET greeting = excluded.greeting,"
        " away_text = excluded.away_text, away_until = excluded.away_until, bot_first = excluded.bot_first,"
        " changed_ts = excluded.changed_ts, calls = excluded.calls",
        *(channel_id, *msgspec.structs.astuple(settings)),
    )


# --- conversations ---

_COLUMNS: Final = (
    "conversation_id, channel_id, customer, room_id, state, agent, since_ts, newest_ts, heard_pos, cases,"
    " away_told_ts, unread_told, place"
)


def _conversation(row: Record) -> Conversation:
    return Conversation(
        conversation_id=row["conversation_id"],
        channel_id=row["channel_id"],
        customer=row["customer"],
        room_id=row["room_id"],
        talk=Talk(State(row["state"]), row["agent"], row["since_ts"]),
        newest_ts=row["newest_ts"],
        heard_pos=row["heard_pos"],
        cases=row["cases"],
        away_told_ts=row["away_told_ts"],
        unread_told=row["unread_told"],
        place=row["place"],
    )


async def conversation(reads: Reads, channel_id: str, conversation_id: str) -> Conversation | None:
    return await _one(reads, "channel_id = $1 AND conversation_id = $2", channel_id, conversation_id)


async def lock(connection: Connection, channel_id: str, conversation_id: str) -> Conversation | None:
    """Nobody else changes it until the transaction ends."""
    return await _one(connection, "channel_id = $1 AND conversation_id = $2 FOR UPDATE", channel_id, conversation_id)


async def lock_with(connection: Connection, channel_id: str, customer: str) -> Conversation | None:
    return await _one(connection, "channel_id = $1 AND customer = $2 FOR UPDATE", channel_id, customer)


async def lock_all_with(connection: Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """pairs: (channel id, customer). In the order of their ids, as everybody does who locks more than one."""
    await connection.fetch(
        "SELECT FROM desk_conversations d JOIN unnest($1::text[], $2::text[]) AS w (channel_id, customer)"
        " USING (channel_id, customer) ORDER BY d.conversation_id FOR UPDATE OF d",
        *([channel_id for channel_id, _ in pairs], [customer for _, customer in pairs]),
    )


async def _one(reads: Reads, condition: str, *values: object) -> Conversation | None:
    rows = await reads.fetch(f"SELECT {_COLUMNS} FROM desk_conversations WHERE {condition}", *values)
    return _conversation(rows[0]) if rows else None


async def begin(connection: Connection, new: Conversation) -> Conversation:
    """The one of this channel and customer, locked: this new one, unless somebody was quicker."""
    await connection.execute(
        "INSERT INTO desk_conversations (conversation_id, channel_id, customer, room_id, newest_ts)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (channel_id, customer) DO NOTHING",
        *(new.conversation_id, new.channel_id, new.customer, new.room_id, new.newest_ts),
    )
    found = await lock_with(connection, new.channel_id, new.customer)
    assert found is not None
    return found


async def keep(connection: Connection, changed: Conversation) -> None:
    """Stores what may change. The caller has it locked."""
    await connection.execute(
        "UPDATE desk_conversations SET room_id = $2, state = $3, agent = $4, since_ts = $5, newest_ts = $6,"
        " heard_pos = $7, cases = $8, away_told_ts = $9, unread_told = $10 WHERE conversation_id = $1",
        *(changed.conversation_id, changed.room_id, changed.talk.state.value, changed.talk.agent),
        *(changed.talk.since_ms, changed.newest_ts, changed.heard_pos, changed.cases),
        *(changed.away_told_ts, changed.unread_told),
    )


async def move_to(connection: Connection, channel_id: str, customer: str, room_id: str) -> None:
    """The two speak in another room now."""
    await connection.execute(
        "UPDATE desk_conversations SET room_id = $3 WHERE channel_id = $1 AND customer = $2",
        *(channel_id, customer, room_id),
    )


class Wanted(msgspec.Struct, frozen=True):
    """Which conversations. states: none for all; agent: who has it; search: what the customer's name or id holds."""

    states: tuple[State, ...] = ()
    agent: str | None = None
    customer: str | None = None
    only_unanswered: bool = False
    search: str | None = None


# Names are kept as JSON.
_NAMED: Final = (
    "EXISTS (SELECT FROM profiles p WHERE p.user_id = customer AND p.key_name = 'displayname'"
    " AND convert_from(p.value, 'UTF8') ILIKE {0})"
)


def _conditions(wanted: Wanted) -> dict[str, object]:
    """Those alone that are asked for, with the value of each: a plan for all that may be asked is none for anything."""
    pattern = containing(encode(wanted.search).decode()[1:-1]) if wanted.search else None
    asked = {
        "state = ANY({0})": [state.value for state in wanted.states] or None,
        "agent = {0}": wanted.agent,
        "customer = {0}": wanted.customer,
        f"(customer ILIKE {{0}} OR {_NAMED})": pattern,
    }
    return {condition: value for condition, value in asked.items() if value is not None}


async def conversations(reads: Reads, channel_id: str, wanted: Wanted, page: Page) -> list[Conversation]:
    """Who waits longest first, then what is newest."""
    known = [channel_id, *(page.after or (-1, "")), page.count]
    asked = _conditions(wanted)
    where = "".join(f" AND {each.format(f'${number}')}" for number, each in enumerate(asked, len(known) + 1))
    unanswered = " AND since_ts IS NOT NULL" if wanted.only_unanswered else ""
    rows = await reads.fetch(
        f"SELECT {_COLUMNS} FROM desk_conversations WHERE channel_id = $1 AND (place, conversation_id) > ($2, $3)"
        f"{where}{unanswered} ORDER BY place, conversation_id LIMIT $4",
        *(*known, *asked.values()),
    )
    return [_conversation(row) for row in rows]


async def locked_of_agent(connection: Connection, channel_id: str, agent: str, count: int) -> list[Conversation]:
    """Some of those that an agent has, for somebody who takes them back."""
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM desk_conversations WHERE channel_id = $1 AND agent = $2"
        " ORDER BY conversation_id LIMIT $3 FOR UPDATE",
        *(channel_id, agent, count),
    )
    return [_conversation(row) for row in rows]


async def locked_with_bot(connection: Connection, channel_id: str, count: int) -> list[Conversation]:
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} FROM desk_conversations WHERE channel_id = $1 AND state = 'bot'"
        " ORDER BY conversation_id LIMIT $2 FOR UPDATE",
        *(channel_id, count),
    )
    return [_conversation(row) for row in rows]


async def others_wait(reads: Reads, channel_id: str, but: str) -> bool:
    """Is somebody else waiting for an agent to take them?"""
    rows = await reads.fetch(
        "SELECT FROM desk_conversations WHERE channel_id = $1 AND state = 'waiting' AND conversation_id <> $2 LIMIT 1",
        *(channel_id, but),
    )
    return bool(rows)


async def counts(reads: Reads, channel_id: str) -> dict[str, int]:
    """How many conversations are in each state but closed."""
    rows = await reads.fetch(
        "SELECT state, count(*) AS number FROM desk_conversations WHERE channel_id = $1"
        " AND state IN ('bot', 'waiting', 'open') GROUP BY state",
        channel_id,
    )
    return {row["state"]: row["number"] for row in rows}


# --- cases, and how long people waited ---


async def begin_case(connection: Connection, conversation: Conversation, now_ms: int) -> None:
    await connection.execute(
        "INSERT INTO desk_cases (conversation_id, number, channel_id, opened_ts) VALUES ($1, $2, $3, $4)",
        *(conversation.conversation_id, conversation.cases, conversation.channel_id, now_ms),
    )


async def answered_case(connection: Connection, conversation: Conversation, now_ms: int, *, by_person: bool) -> None:
    """The first answer is noted, and the first of a person."""
    await connection.execute(
        "UPDATE desk_cases SET answered_ts = coalesce(answered_ts, $3),"
        " by_person_ts = CASE WHEN $4 THEN coalesce(by_person_ts, $3) ELSE by_person_ts END"
        " WHERE conversation_id = $1 AND number = $2 AND closed_ts IS NULL"
        " AND (answered_ts IS NULL OR ($4 AND by_person_ts IS NULL))",
        *(conversation.conversation_id, conversation.cases, now_ms, by_person),
    )


async def is_case_open(reads: Reads, conversation: Conversation) -> bool:
    rows = await reads.fetch(
        "SELECT FROM desk_cases WHERE conversation_id = $1 AND number = $2 AND closed_ts IS NULL",
        *(conversation.conversation_id, conversation.cases),
    )
    return bool(rows)


async def close_case(connection: Connection, conversation: Conversation, now_ms: int) -> None:
    await connection.execute(
        "UPDATE desk_cases SET closed_ts = $3 WHERE conversation_id = $1 AND number = $2 AND closed_ts IS NULL",
        *(conversation.conversation_id, conversation.cases, now_ms),
    )


def _spread(column: str) -> str:
    """By nearest rank, as core.boards.distribution counts."""
    ranks = f"percentile_disc(ARRAY[0.5, 0.9, 0.99]) WITHIN GROUP (ORDER BY {column})"
    return f"count({column}) AS {column}_count, {ranks} AS {column}_ranks, max({column}) AS {column}_max"


def _distribution(row: Record, column: str) -> Distribution:
    median, p90, p99 = row[f"{column}_ranks"] or (None, None, None)
    return Distribution(row[f"{column}_count"], median, p90, p99, row[f"{column}_max"])


_FIRST_ANSWERS: Final = f"""
SELECT {_spread("answered")}, {_spread("by_person")} FROM (
    SELECT answered_ts - opened_ts AS answered, by_person_ts - opened_ts AS by_person FROM desk_cases
    WHERE channel_id = $1 AND opened_ts >= $2 AND answered_ts IS NOT NULL ORDER BY opened_ts DESC LIMIT $3) AS newest
"""
_WAITING: Final = f"""
SELECT {_spread("waiting")} FROM (
    SELECT $2 - since_ts AS waiting FROM desk_conversations WHERE channel_id = $1 AND since_ts IS NOT NULL
    ORDER BY since_ts LIMIT $3) AS longest
"""


async def first_answers(reads: Reads, channel_id: str, since_ts: int) -> tuple[Distribution, Distribution]:
    """(until anything, until a person answered), of the newest cases that began since then."""
    [row] = await reads.fetch(_FIRST_ANSWERS, channel_id, since_ts, limits.DESK_STATS_MAX)
    return _distribution(row, "answered"), _distribution(row, "by_person")


async def waiting(reads: Reads, channel_id: str, now_ms: int) -> Distribution:
    """How long every customer waits for an answer who does so now, at most so many."""
    [row] = await reads.fetch(_WAITING, channel_id, now_ms, limits.DESK_STATS_MAX)
    return _distribution(row, "waiting")


class Assignment(msgspec.Struct, frozen=True):
    agent: str
    from_ts: int
    until_ts: int | None


async def assignments(reads: Reads, conversation_id: str, count: int) -> list[Assignment]:
    """The newest of them, in order."""
    rows = await reads.fetch(
        "SELECT agent, from_ts, until_ts FROM desk_assignments WHERE conversation_id = $1"
        " ORDER BY from_ts DESC, until_ts DESC NULLS FIRST LIMIT $2",
        *(conversation_id, count),
    )
    return [Assignment(*row.values()) for row in reversed(rows)]


# --- notes ---


async def add_note(connection: Connection, conversation_id: str, note: Note) -> None:
    await connection.execute(
        "INSERT INTO desk_notes (note_id, conversation_id, author, body, made_ts) VALUES ($1, $2, $3, $4, $5)",
        *(note.note_id, conversation_id, note.author, note.body, note.made_ts),
    )


async def notes(reads: Reads, conversation_id: str, page: Page) -> list[Note]:
    after = page.after or (-1, "")
    rows = await reads.fetch(
        "SELECT note_id, author, body, made_ts FROM desk_notes WHERE conversation_id = $1"
        " AND (made_ts, note_id) > ($2, $3) ORDER BY made_ts, note_id LIMIT $4",
        *(conversation_id, *after, page.count),
    )
    return [Note(*row.values()) for row in rows]


async def notes_count(connection: Connection, conversation_id: str) -> int:
    found = await connection.fetchval("SELECT count(*) FROM desk_notes WHERE conversation_id = $1", conversation_id)
    return int(found)


# --- canned replies ---


async def put_reply(connection: Connection, channel_id: str, reply: Reply) -> None:
    """A new one, or the one of this id anew."""
    await connection.execute(
        "INSERT INTO desk_replies (reply_id, channel_id, name, body, changed_by, changed_ts)"
        " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (reply_id) DO UPDATE SET name = excluded.name,"
        " body = excluded.body, changed_by = excluded.changed_by, changed_ts = excluded.changed_ts"
        " WHERE desk_replies.channel_id = excluded.channel_id",
        *(reply.reply_id, channel_id, reply.name, reply.body, reply.changed_by, reply.changed_ts),
    )


async def drop_reply(connection: Connection, channel_id: str, reply_id: str) -> bool:
    """False: there was none."""
    sql = "DELETE FROM desk_replies WHERE channel_id = $1 AND reply_id = $2 RETURNING 1"
    return bool(await connection.fetch(sql, channel_id, reply_id))


async def replies(reads: Reads, channel_id: str) -> Sequence[Reply]:
    rows = await reads.fetch(
        "SELECT reply_id, name, body, changed_by, changed_ts FROM desk_replies WHERE channel_id = $1"
        " ORDER BY name LIMIT $2",
        *(channel_id, limits.DESK_REPLIES_MAX),
    )
    return [Reply(*row.values()) for row in rows]
