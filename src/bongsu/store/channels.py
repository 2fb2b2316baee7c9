"""Channels, who works for them, their posts and official marks, who follows, blocks and reports them. Times in ms.

Whatever changes a channel locks its row first; whatever changes what a person agreed to takes the person's ledger first
(`lock_person`), and a channel's row after it. Then come the rows by which somebody may do what is done (their role, a
program's key), what it is done to (conversations in the order of their ids, an endpoint, a broadcast), and the
channel's audit. What programs are told is put last, as a removed endpoint waits for it.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.channels import Agreed, Opening, Role
from bongsu.core.json import encode
from bongsu.core.paging import Page
from bongsu.store.database import Connection, end_when_silent
from bongsu.store.patterns import containing
from bongsu.store.people import set_field
from bongsu.store.rooms import Reads


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """account: the user id in whose name it speaks. avatar: mxc. closed_by: the user id of who closed it.

    offered_to: who may take it over until offered_until.
    """

    channel_id: str
    account: str
    owner: str
    name: str
    skeleton: str
    about: str = ""
    avatar: str | None = None
    hours: list[Opening] = []
    followers: int = 0
    created_ts: int
    closed_ts: int | None = None
    closed_by: str | None = None
    offered_to: str | None = None
    offered_until: int | None = None

    def is_offered(self, user_id: str, now_ms: int) -> bool:
        return self.offered_to == user_id and now_ms < (self.offered_until or 0)


class Staff(msgspec.Struct, frozen=True):
    user_id: str
    role: Role
    since_ts: int


class Mark(msgspec.Struct, frozen=True):
    """What the operator signed, and the signature, in base64 (core/marks.py)."""

    channel_id: str
    name: str
    account: str
    valid_from: int
    valid_until: int
    key_id: str
    signature: str


class ChannelPost(msgspec.Struct, frozen=True):
    post_id: str
    channel_id: str
    author: str
    title: str
    body: str
    picture: str | None
    made_ts: int
    edited_ts: int | None = None


class Follower(msgspec.Struct, frozen=True):
    user_id: str
    since_ts: int
    advertising: bool
    advertising_at_night: bool


class Complaint(msgspec.Struct, frozen=True):
    report_id: str
    channel_id: str
    user_id: str
    reason: str
    made_ts: int


_CHANNEL: Final = ", ".join(f"c.{name}" for name in Channel.__struct_fields__)
_POST: Final = ", ".join(ChannelPost.__struct_fields__)
_MARK: Final = ", ".join(Mark.__struct_fields__)


def _channels(rows: Sequence[Any]) -> list[Channel]:
    return [_channel(dict(row)) for row in rows]


def _channel(row: dict[str, Any]) -> Channel:
    fields = {name: row[name] for name in Channel.__struct_fields__}
    return Channel(**{**fields, "hours": msgspec.json.decode(row["hours"], type=list[Opening])})


# --- channels ---


async def lock_names(connection: Connection) -> None:
    """For whoever gives a name or certifies one, until the transaction ends."""
    await end_when_silent(connection)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('channel names', 25))")


async def owned_counts(connection: Connection, user_id: str) -> tuple[int, int]:
    """(of those that are open, of all)"""
    row = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE closed_ts IS NULL) AS open, count(*) AS ever FROM channels WHERE owner = $1",
        user_id,
    )
    assert row is not None
    return row["open"], row["ever"]


async def add(connection: Connection, channel: Channel) -> None:
    """The channel and its owner; the account is put by store.notices.put_speaker."""
    values = {**msgspec.structs.asdict(channel), "hours": encode(msgspec.to_builtins(channel.hours))}
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await connection.execute(f"INSERT INTO channels ({', '.join(values)}) VALUES ({places})", *values.values())
    await set_role(connection, channel.channel_id, Staff(channel.owner, Role.OWNER, channel.created_ts))
    await _show(connection, channel)


async def _show(connection: Connection, channel: Channel) -> None:
    """Rooms that are made from now on show it so."""
    await set_field(connection, channel.account, "displayname", encode(channel.name))
    avatar = None if channel.avatar is None else encode(channel.avatar)
    await set_field(connection, channel.account, "avatar_url", avatar)


async def channel_of(reads: Reads, channel_id: str) -> Channel | None:
    rows = await reads.fetch(f"SELECT {_CHANNEL} FROM channels c WHERE channel_id = $1", channel_id)
    return _channels(rows)[0] if rows else None


async def lock_channel(connection: Connection, channel_id: str) -> Channel | None:
    """Nobody else changes it before the transaction ends."""
    await end_when_silent(connection)
    rows = await connection.fetch(
        f"SELECT {_CHANNEL} FROM channels c WHERE channel_id = $1 FOR NO KEY UPDATE", channel_id
    )  # what refers to it may be written meanwhile
    return _channels(rows)[0] if rows else None


async def by_account(reads: Reads, account: str) -> Channel | None:
    rows = await reads.fetch(f"SELECT {_CHANNEL} FROM channels c WHERE account = $1", account)
    return _channels(rows)[0] if rows else None


async def set_channel(connection: Connection, channel: Channel, now_ms: int) -> None:
    """Its name, text, picture and hours, as they are given."""
    await connection.execute(
        "UPDATE channels SET name = $2, skeleton = $3, about = $4, avatar = $5, hours = $6, shown_ts = CASE WHEN"
        " (name, avatar) IS DISTINCT FROM ($2, $5) THEN $7 ELSE shown_ts END WHERE channel_id = $1",
        *(channel.channel_id, channel.name, channel.skeleton, channel.about, channel.avatar),
        *(encode(msgspec.to_builtins(channel.hours)), now_ms),
    )
    await _show(connection, channel)


async def close(connection: Connection, channel_id: str, closed_by: str, now_ms: int) -> None:
    await connection.execute(
        "UPDATE channels SET closed_ts = $2, closed_by = $3 WHERE channel_id = $1", channel_id, now_ms, closed_by
    )


_POPULAR: Final = "(followers < $1 OR (followers = $1 AND c.channel_id > $2)) ORDER BY followers DESC, c.channel_id"


async def search(reads: Reads, text: str, bones: str, page: Page) -> list[Channel]:
    """Those whose names hold the text or look as if they did, the most followed first. text "": all."""
    rows = await reads.fetch(
        f"SELECT {_CHANNEL} FROM channels c WHERE closed_ts IS NULL"
        f" AND (name ILIKE $3 OR ($4 <> '' AND skeleton LIKE $4)) AND {_POPULAR} LIMIT $5",
        *(page.after or (limits.INTEGER_MAX, "")),
        *(containing(text), containing(bones) if bones else "", page.count),
    )
    return _channels(rows)


async def mine(reads: Reads, user_id: str) -> list[tuple[Channel, Role]]:
    """For which this person works, by name; a closed one is there for its owner.

    Of too many one's own come first, open ones before: whom others appoint is not asked.
    """
    rows = await reads.fetch(
        f"SELECT * FROM (SELECT {_CHANNEL}, s.role FROM channel_staff s JOIN channels c USING (channel_id)"
        " WHERE s.user_id = $1 AND (closed_ts IS NULL OR s.role = 'owner')"
        " ORDER BY s.role <> 'owner', closed_ts IS NOT NULL, s.since_ts LIMIT $2) AS found ORDER BY name, channel_id",
        *(user_id, limits.CHANNELS_MINE_SHOWN_MAX),
    )
    return [(_channel(dict(row)), Role(row["role"])) for row in rows]


# --- who works for it ---


async def role_of(reads: Reads, channel_id: str, user_id: str) -> Role | None:
    rows = await reads.fetch(
        "SELECT role FROM channel_staff WHERE channel_id = $1 AND user_id = $2", channel_id, user_id
    )
    return Role(rows[0]["role"]) if rows else None


# Whoever locks the rows of more than one does it at once, in the order of their user ids.


async def hold_roles(connection: Connection, channel_id: str, *user_ids: str) -> None:
    """Who takes one of these roles away, or closes the channel, waits for the caller's transaction."""
    await connection.fetch(
        "SELECT FROM channel_staff WHERE channel_id = $1 AND user_id = ANY($2) ORDER BY user_id FOR SHARE",
        *(channel_id, user_ids),
    )


async def lock_staff(connection: Connection, channel_id: str, *user_ids: str) -> None:
    """Waits for whatever is under way in the name of these, or of all its staff, and holds up what comes."""
    await connection.fetch(
        "SELECT FROM channel_staff WHERE channel_id = $1 AND (user_id = ANY($2) OR cardinality($2::text[]) = 0)"
        " ORDER BY user_id FOR NO KEY UPDATE",
        *(channel_id, user_ids),
    )


async def staff(reads: Reads, channel_id: str) -> list[Staff]:
    rows = await reads.fetch(
        "SELECT user_id, role, since_ts FROM channel_staff WHERE channel_id = $1 ORDER BY since_ts, user_id LIMIT $2",
        *(channel_id, limits.CHANNEL_STAFF_MAX),
    )
    return [Staff(row["user_id"], Role(row["role"]), row["since_ts"]) for row in rows]


async def set_role(connection: Connection, channel_id: str, staff: Staff) -> None:
    await connection.execute(
        "INSERT INTO channel_staff VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (channel_id, user_id) DO UPDATE SET role = excluded.role",
        *(channel_id, staff.user_id, staff.role.value, staff.since_ts),
    )


async def remove_role(connection: Connection, channel_id: str, user_id: str) -> None:
    await connection.execute("DELETE FROM channel_staff WHERE channel_id = $1 AND user_id = $2", channel_id, user_id)


async def put_left(connection: Connection, user_id: str, kind: str) -> None:
    """A timer of this kind, due at once, for each channel for which this person works."""
    await connection.execute(
        "INSERT INTO timers (timer_id, kind, due_at, payload) SELECT $2 || '/' || channel_id || '/' || user_id, $2, 0,"
        " convert_to(json_build_object('channel_id', channel_id, 'user_id', user_id)::text, 'utf8')"
        " FROM channel_staff WHERE user_id = $1 ON CONFLICT DO NOTHING",
        *(user_id, kind),
    )


async def works_for_count(reads: Reads, user_id: str) -> int:
    """Channels that are open."""
    rows = await reads.fetch(
        "SELECT count(*) FROM channel_staff JOIN channels USING (channel_id) WHERE user_id = $1 AND closed_ts IS NULL",
        user_id,
    )
    return int(rows[0][0])


async def can_work(reads: Reads, user_id: str) -> bool:
    """Is this somebody with an account of their own, which has not ended?"""
    sql = "SELECT FROM users WHERE user_id = $1 AND deactivated_at IS NULL AND NOT is_guest"
    return bool(await reads.fetch(sql, user_id))


async def offer(connection: Connection, channel_id: str, user_id: str | None, until_ms: int | None) -> None:
    """Whoever is named may take it over; None: nobody."""
    await connection.execute(
        "UPDATE channels SET offered_to = $2, offered_until = $3 WHERE channel_id = $1", channel_id, user_id, until_ms
    )


async def hand_over(connection: Connection, channel: Channel, user_id: str, now_ms: int) -> None:
    """To another owner; who was it becomes an editor."""
    await offer(connection, channel.channel_id, None, None)
    await lock_staff(connection, channel.channel_id, channel.owner, user_id)
    await set_role(connection, channel.channel_id, Staff(channel.owner, Role.EDITOR, now_ms))
    await set_role(connection, channel.channel_id, Staff(user_id, Role.OWNER, now_ms))
    await connection.execute("UPDATE channels SET owner = $2 WHERE channel_id = $1", channel.channel_id, user_id)


# --- the official mark ---


async def mark_of(reads: Reads, channel_id: str) -> Mark | None:
    rows = await reads.fetch(f"SELECT {_MARK} FROM channel_marks WHERE channel_id = $1", channel_id)
    return Mark(**dict(rows[0])) if rows else None


async def marks_of(reads: Reads, channel_ids: Sequence[str]) -> dict[str, Mark]:
    rows = await reads.fetch(f"SELECT {_MARK} FROM channel_marks WHERE channel_id = ANY($1)", list(channel_ids))
    return {row["channel_id"]: Mark(**dict(row)) for row in rows}


async def marks(reads: Reads) -> list[Mark]:
    """All, by name."""
    return [Mark(**dict(row)) for row in await reads.fetch(f"SELECT {_MARK} FROM channel_marks ORDER BY name")]


async def put_mark(connection: Connection, mark: Mark, bones: str) -> None:
    values = msgspec.structs.asdict(mark)
    columns = ", ".join(f"{name} = excluded.{name}" for name in (*values, "skeleton"))
    await connection.execute(
        f"INSERT INTO channel_marks ({_MARK}, skeleton) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        f" ON CONFLICT (channel_id) DO UPDATE SET {columns}",
        *(*values.values(), bones),
    )


async def drop_mark(connection: Connection, channel_id: str) -> bool:
    """False: it had none."""
    return await connection.execute("DELETE FROM channel_marks WHERE channel_id = $1", channel_id) == "DELETE 1"


# Two that differ in one letter begin or end with the same half (core/channels.py, resembles).
_CERTIFIED: Final = f"""
SELECT {_MARK}, skeleton FROM channel_marks
WHERE channel_id <> $1 AND valid_until > $2 AND (position(skeleton IN $3) > 0
    OR (abs(length(skeleton) - length($3)) <= 1 AND (left(skeleton, $4) = left($3, $4)
        OR right(skeleton, $4) = right($3, $4))))
ORDER BY skeleton <> $3, position(skeleton IN $3) = 0, length(skeleton) DESC, skeleton LIMIT $5
"""


async def certified(reads: Reads, channel: Channel, now_ms: int) -> dict[str, Mark]:
    """The marks that hold, of other channels, which this one's name may be near to, by their skeletons.

    The one that looks the same is among them.
    """
    half = max(1, (len(channel.skeleton) - 1) // 2)
    rows = await reads.fetch(
        _CERTIFIED,
        *(channel.channel_id, now_ms, channel.skeleton, half, limits.CHANNELS_CERTIFIED_READ_MAX),
    )
    return {row["skeleton"]: Mark(*list(row.values())[:-1]) for row in rows}


async def drop_stale_marks(connection: Connection, now_ms: int) -> None:
    """Those that hold no longer keep no name from others."""
    await connection.execute("DELETE FROM channel_marks WHERE valid_until <= $1", now_ms)


# --- posts ---


async def posts(reads: Reads, channel_id: str, page: Page) -> list[ChannelPost]:
    """The newest first."""
    rows = await reads.fetch(
        f"SELECT {_POST} FROM channel_posts WHERE channel_id = $1 AND (made_ts, post_id) < ($2, $3)"
        " ORDER BY made_ts DESC, post_id DESC LIMIT $4",
        *(channel_id, *(page.after or (limits.INTEGER_MAX, "")), page.count),
    )
    return [ChannelPost(**dict(row)) for row in rows]


async def post_of(reads: Reads, channel_id: str, post_id: str) -> ChannelPost | None:
    rows = await reads.fetch(
        f"SELECT {_POST} FROM channel_posts WHERE channel_id = $1 AND post_id = $2", channel_id, post_id
    )
    return ChannelPost(**dict(rows[0])) if rows else None


async def posts_count(connection: Connection, channel_id: str) -> int:
    found: int = await connection.fetchval("SELECT count(*) FROM channel_posts WHERE channel_id = $1", channel_id)
    return found


async def put_post(connection: Connection, post: ChannelPost) -> None:
    await connection.execute(
        f"INSERT INTO channel_posts ({_POST}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (post_id) DO UPDATE"
        " SET title = excluded.title, body = excluded.body, picture = excluded.picture, edited_ts = excluded.edited_ts",
        *msgspec.structs.astuple(post),
    )


async def remove_post(connection: Connection, post_id: str) -> None:
    await connection.execute("DELETE FROM channel_posts WHERE post_id = $1", post_id)


# --- who follows ---


def ledger_of(user_id: str) -> str:
    """The subject in the audit under which stands what a person agreed to."""
    return f"consent/{user_id}"


async def lock_person(connection: Connection, user_id: str) -> None:
    """What this person agreed to is changed by nobody else before the transaction ends. It is the audit's lock."""
    await end_when_silent(connection)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 22))", ledger_of(user_id))


async def agreed(reads: Reads, channel_id: str, user_id: str) -> Agreed:
    rows = await reads.fetch(
        "SELECT advertising, advertising_at_night FROM channel_followers WHERE channel_id = $1 AND user_id = $2",
        *(channel_id, user_id),
    )
    return Agreed(True, *rows[0].values()) if rows else Agreed()


async def set_agreed(connection: Connection, channel_id: str, user_id: str, agreed: Agreed, now_ms: int) -> None:
    """And how many follow. The person is locked."""
    if agreed.follow:
        made = await connection.fetchval(
            "INSERT INTO channel_followers VALUES ($1, $2, $3, $4, $5) ON CONFLICT (channel_id, user_id) DO UPDATE"
            " SET advertising = excluded.advertising, advertising_at_night = excluded.advertising_at_night"
            " RETURNING xmax = 0",
            *(channel_id, user_id, now_ms, agreed.advertising, agreed.advertising_at_night),
        )
        change = 1 if made else 0
    else:
        gone = await connection.execute(
            "DELETE FROM channel_followers WHERE channel_id = $1 AND user_id = $2", channel_id, user_id
        )
        change = -1 if gone == "DELETE 1" else 0
    if change:
        await connection.execute(
            "UPDATE channels SET followers = followers + $2 WHERE channel_id = $1", channel_id, change
        )


async def followed_count(connection: Connection, user_id: str) -> int:
    found: int = await connection.fetchval("SELECT count(*) FROM channel_followers WHERE user_id = $1", user_id)
    return found


async def followers(reads: Reads, channel_id: str, page: Page) -> list[Follower]:
    """By user id."""
    rows = await reads.fetch(
        "SELECT user_id, since_ts, advertising, advertising_at_night FROM channel_followers"
        " WHERE channel_id = $1 AND user_id > $2 ORDER BY user_id LIMIT $3",
        *(channel_id, (page.after or (0, ""))[1], page.count),
    )
    return [Follower(*row.values()) for row in rows]


async def followed(reads: Reads, user_id: str, page: Page) -> list[tuple[Channel, Agreed]]:
    """What a person follows, by channel id."""
    rows = await reads.fetch(
        f"SELECT {_CHANNEL}, f.advertising, f.advertising_at_night FROM channel_followers f"
        " JOIN channels c USING (channel_id) WHERE f.user_id = $1 AND c.channel_id > $2 ORDER BY c.channel_id LIMIT $3",
        *(user_id, (page.after or (0, ""))[1], page.count),
    )
    return [(_channel(dict(row)), Agreed(True, row["advertising"], row["advertising_at_night"])) for row in rows]


# --- who wants to hear nothing of it ---


async def is_blocked(reads: Reads, channel_id: str, user_id: str) -> bool:
    rows = await reads.fetch("SELECT FROM channel_blocks WHERE channel_id = $1 AND user_id = $2", channel_id, user_id)
    return bool(rows)


async def block(connection: Connection, channel_id: str, user_id: str, now_ms: int) -> None:
    await connection.execute(
        "INSERT INTO channel_blocks VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", channel_id, user_id, now_ms
    )


async def unblock(connection: Connection, channel_id: str, user_id: str) -> None:
    await connection.execute("DELETE FROM channel_blocks WHERE channel_id = $1 AND user_id = $2", channel_id, user_id)


async def blocked(reads: Reads, user_id: str, page: Page) -> list[Channel]:
    """By channel id."""
    rows = await reads.fetch(
        f"SELECT {_CHANNEL} FROM channel_blocks b JOIN channels c USING (channel_id) WHERE b.user_id = $1"
        " AND c.channel_id > $2 ORDER BY c.channel_id LIMIT $3",
        *(user_id, (page.after or (0, ""))[1], page.count),
    )
    return _channels(rows)


async def report(connection: Connection, complaint: Complaint) -> None:
    """One of a person and channel; a later one takes its place."""
    await connection.execute(
        "INSERT INTO channel_reports VALUES ($1, $2, $3, $4, $5) ON CONFLICT (channel_id, user_id) DO UPDATE"
        " SET report_id = excluded.report_id, reason = excluded.reason, made_ts = excluded.made_ts",
        *msgspec.structs.astuple(complaint),
    )


async def reports(reads: Reads, page: Page) -> list[Complaint]:
    """The newest first."""
    rows = await reads.fetch(
        "SELECT report_id, channel_id, user_id, reason, made_ts FROM channel_reports WHERE (made_ts, report_id)"
        " < ($1, $2) ORDER BY made_ts DESC, report_id DESC LIMIT $3",
        *(*(page.after or (limits.INTEGER_MAX, "")), page.count),
    )
    return [Complaint(*row.values()) for row in rows]
