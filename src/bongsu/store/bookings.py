"""Offers, bookings and who wants to hear of what. Times in ms since the epoch.

Whatever changes the bookings of an offer locks the offer first, so that its counts are the truth. Should that ever be
forgotten, the database still refuses a place too many, and a second booking of a person.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from bongsu.core import limits
from bongsu.core.bookings import State, Stock, promoted_until
from bongsu.core.json import decode
from bongsu.core.paging import Page
from bongsu.store.database import Connection, end_when_silent
from bongsu.store.rooms import Reads


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """room_id: whose members alone may book. opens_at: until then all who come wait."""

    offer_id: str
    provider: str
    title: str
    place: str
    area: str
    starts_at: int
    ends_at: int
    opens_at: int
    capacity: int
    hold_seconds: int
    room_id: str | None
    state: str = "announced"
    taken: int = 0
    arrivals: int = 0
    made_at: int


class Booking(msgspec.Struct, frozen=True):
    """arrival: the order in which people came. until: a held place is theirs. would_wait: they chose to wait."""

    booking_id: str
    offer_id: str
    user_id: str
    state: State
    arrival: int
    made_at: int
    until: int | None = None
    would_wait: bool = True


class Subscription(msgspec.Struct, frozen=True):
    """area "": anywhere. Of offers that begin between the two times."""

    subscription_id: str
    user_id: str
    area: str
    not_before: int
    not_after: int


class Wanted(msgspec.Struct, frozen=True):
    """Offers of an area (None: of any) that begin between the two times."""

    area: str | None = None
    not_before: int = 0
    not_after: int = limits.INTEGER_MAX


_OFFER: Final = ", ".join(Offer.__struct_fields__)
_BOOKING: Final = ", ".join(Booking.__struct_fields__)
_VISIBLE: Final = """(room_id IS NULL OR provider = $1 OR EXISTS (SELECT 1 FROM members m
    WHERE m.room_id = o.room_id AND m.user_id = $1 AND m.membership = 'join') OR EXISTS (SELECT 1 FROM bookings b
    WHERE b.offer_id = o.offer_id AND b.user_id = $1 AND b.state NOT IN ('cancelled', 'expired')))"""


def _offers(rows: Sequence[Any]) -> list[Offer]:
    return [Offer(**dict(row)) for row in rows]


def _bookings(rows: Sequence[Any]) -> list[Booking]:
    return [Booking(**{**dict(row), "state": State(row["state"])}) for row in rows]


# --- offers ---


async def add_offer(connection: Connection, offer: Offer) -> bool:
    """False: this provider has as many as one may have."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 23))", offer.provider)
    count = await connection.fetchval(
        "SELECT count(*) FROM booking_offers WHERE provider = $1 AND state <> 'closed'", offer.provider
    )
    if count >= limits.BOOKING_OFFERS_MAX:
        return False
    places = ", ".join(f"${number}" for number in range(1, len(Offer.__struct_fields__) + 1))
    sql = f"INSERT INTO booking_offers ({_OFFER}) VALUES ({places})"
    await connection.execute(sql, *msgspec.structs.astuple(offer))
    return True


async def lock_offer(connection: Connection, offer_id: str) -> Offer | None:
    """Nobody else changes it, or its bookings, before the transaction ends."""
    await end_when_silent(connection)
    rows = await connection.fetch(f"SELECT {_OFFER} FROM booking_offers WHERE offer_id = $1 FOR UPDATE", offer_id)
    return _offers(rows)[0] if rows else None


async def offer_of(reads: Reads, offer_id: str) -> Offer | None:
    """Whoever asks: for those who have a booking."""
    rows = await reads.fetch(f"SELECT {_OFFER} FROM booking_offers WHERE offer_id = $1", offer_id)
    return _offers(rows)[0] if rows else None


async def offer_for(reads: Reads, user_id: str, offer_id: str) -> Offer | None:
    """None: there is none, or it is not for this person."""
    rows = await reads.fetch(
        f"SELECT {_OFFER} FROM booking_offers o WHERE {_VISIBLE} AND offer_id = $2", user_id, offer_id
    )
    return _offers(rows)[0] if rows else None


async def offers_for(reads: Reads, user_id: str, now_ms: int, wanted: Wanted, page: Page) -> list[Offer]:
    """Those that are not over, the next one first."""
    rows = await reads.fetch(
        f"SELECT {_OFFER} FROM booking_offers o WHERE {_VISIBLE} AND state <> 'closed' AND ends_at > $2"
        " AND ($3::text IS NULL OR area = $3) AND (starts_at, offer_id) > ($4, $5)"
        " AND starts_at BETWEEN $7 AND $8 ORDER BY starts_at, offer_id LIMIT $6",
        *(user_id, now_ms, wanted.area, *(page.after or (-1, "")), page.count, wanted.not_before, wanted.not_after),
    )
    return _offers(rows)


async def offers_by(reads: Reads, provider: str, page: Page) -> list[Offer]:
    """All that somebody has published, the last one to begin first."""
    rows = await reads.fetch(
        f"SELECT {_OFFER} FROM booking_offers WHERE provider = $1 AND (starts_at, offer_id) < ($2, $3)"
        " ORDER BY starts_at DESC, offer_id DESC LIMIT $4",
        *(provider, *(page.after or (limits.INTEGER_MAX, "")), page.count),
    )
    return _offers(rows)


async def set_offer_state(connection: Connection, offer_id: str, state: str) -> None:
    await connection.execute("UPDATE booking_offers SET state = $2 WHERE offer_id = $1", offer_id, state)


async def members_of(connection: Connection, room_id: str, user_ids: Sequence[str]) -> set[str]:
    rows = await connection.fetch(
        "SELECT user_id FROM members WHERE room_id = $1 AND user_id = ANY($2) AND membership = 'join'",
        *(room_id, list(user_ids)),
    )
    return {row["user_id"] for row in rows}


# --- bookings ---


async def stock_of(connection: Connection, offer: Offer, now_ms: int) -> Stock:
    """Of an offer that is locked."""
    holds = offer.hold_seconds > 0
    row = await connection.fetchrow(
        "SELECT (SELECT taken FROM booking_offers WHERE offer_id = $1) AS taken,"
        " (SELECT count(*) FROM bookings WHERE offer_id = $1 AND state = 'waiting') AS waiting,"
        " $2 AND EXISTS (SELECT 1 FROM bookings WHERE offer_id = $1 AND state = 'held') AS has_held",
        *(offer.offer_id, holds),
    )
    assert row is not None
    is_late = now_ms >= promoted_until(offer.opens_at, offer.starts_at, offer.ends_at)
    return Stock(offer.capacity, row["taken"], row["waiting"], offer.state == "open", holds, row["has_held"], is_late)


async def live_of(connection: Connection, offer_id: str, user_ids: Sequence[str]) -> dict[str, Booking]:
    rows = await connection.fetch(
        f"SELECT {_BOOKING} FROM bookings WHERE offer_id = $1 AND user_id = ANY($2)"
        " AND state NOT IN ('cancelled', 'expired')",
        *(offer_id, list(user_ids)),
    )
    return {booking.user_id: booking for booking in _bookings(rows)}


async def add(connection: Connection, offer_id: str, bookings: Sequence[Booking]) -> None:
    """All of one offer."""
    if not bookings:
        return
    await connection.execute(
        "UPDATE booking_offers SET arrivals = $2 WHERE offer_id = $1", offer_id, bookings[-1].arrival
    )
    columns = zip(*(msgspec.structs.astuple(booking) for booking in bookings), strict=True)
    await connection.execute(
        f"INSERT INTO bookings ({_BOOKING}, had_place) SELECT *, state <> 'waiting' FROM unnest($1::text[], $2::text[],"
        " $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::boolean[])"
        f" AS n ({_BOOKING})",
        *(list(column) for column in columns),
    )


async def position_of(reads: Reads, booking: Booking) -> int:
    """1: the next one."""
    rows = await reads.fetch(
        "SELECT count(*) AS position FROM bookings WHERE offer_id = $1 AND state = 'waiting' AND arrival <= $2",
        *(booking.offer_id, booking.arrival),
    )
    return int(rows[0]["position"])


async def positions_of(connection: Connection, offer_id: str, user_ids: Sequence[str]) -> dict[str, int]:
    """Of many who wait, in one walk along the line."""
    rows = await connection.fetch(
        "SELECT user_id, position FROM (SELECT user_id, row_number() OVER (ORDER BY arrival) AS position"
        " FROM bookings WHERE offer_id = $1 AND state = 'waiting') AS line WHERE user_id = ANY($2)",
        *(offer_id, list(user_ids)),
    )
    return {row["user_id"]: row["position"] for row in rows}


async def booking(reads: Reads, booking_id: str) -> Booking | None:
    rows = await reads.fetch(f"SELECT {_BOOKING} FROM bookings WHERE booking_id = $1", booking_id)
    return _bookings(rows)[0] if rows else None


async def booking_in(reads: Reads, offer_id: str, user_id: str) -> Booking | None:
    """This person's live one."""
    rows = await reads.fetch(
        f"SELECT {_BOOKING} FROM bookings WHERE offer_id = $1 AND user_id = $2"
        " AND state NOT IN ('cancelled', 'expired')",
        *(offer_id, user_id),
    )
    return _bookings(rows)[0] if rows else None


async def offers_called(reads: Reads, user_id: str, code: str) -> list[str]:
    """Ids of offers that people call so, of those that this person may see; of what is over only if nothing else is.

    Two such codes that go on at once are one in millions, but what was over in half a year is a great deal.
    """
    rows = await reads.fetch(
        "SELECT offer_id FROM (SELECT offer_id, rank() OVER (ORDER BY state = 'closed') AS place FROM booking_offers o"
        f" WHERE substr(offer_id, 2, 6) = $2 AND {_VISIBLE}) AS called WHERE place = 1 LIMIT 2",
        *(user_id, code),
    )
    return [row["offer_id"] for row in rows]


async def live_of_person(reads: Reads, user_id: str, count: int) -> list[tuple[Booking, Offer]]:
    """What somebody has of offers that are not over, or waits for, the last one that they made first."""
    columns = ", ".join(f"b.{name}" for name in Booking.__struct_fields__)
    rows = await reads.fetch(
        f"SELECT {columns} FROM bookings b JOIN booking_offers o USING (offer_id) WHERE b.user_id = $1"
        " AND b.state IN ('waiting', 'held', 'booked') AND o.state <> 'closed'"
        " ORDER BY b.made_at DESC, b.booking_id DESC LIMIT $2",
        *(user_id, count),
    )
    return await _with_offers(reads, _bookings(rows))


async def given_back(connection: Connection, offer_id: str, user_ids: Sequence[str]) -> dict[str, int]:
    """How many places of the offer these people gave back or let go. Who only waited had none."""
    rows = await connection.fetch(
        "SELECT user_id, count(*) AS times FROM bookings WHERE offer_id = $1 AND user_id = ANY($2)"
        " AND state IN ('cancelled', 'expired') AND had_place GROUP BY user_id",
        *(offer_id, list(user_ids)),
    )
    return {row["user_id"]: row["times"] for row in rows}


async def first_live_of(connection: Connection, user_id: str) -> str | None:
    """The id of something that somebody has or waits for."""
    sql = "SELECT booking_id FROM bookings WHERE user_id = $1 AND state IN ('waiting', 'held', 'booked') LIMIT 1"
    found: str | None = await connection.fetchval(sql, user_id)
    return found


async def forget(connection: Connection, offer_id: str, count: int) -> bool:
    """Some of its bookings. True: there were no more, and the offer is gone with them."""
    done = await connection.execute(
        "DELETE FROM bookings WHERE booking_id IN (SELECT booking_id FROM bookings WHERE offer_id = $1 LIMIT $2)",
        *(offer_id, count),
    )
    if done == f"DELETE {count}":
        return False
    await connection.execute("DELETE FROM booking_offers WHERE offer_id = $1", offer_id)
    return True


async def booked_of(reads: Reads, booking_ids: Sequence[str]) -> list[tuple[Booking, Offer]]:
    """Those of them that stand."""
    rows = await reads.fetch(
        f"SELECT {_BOOKING} FROM bookings WHERE booking_id = ANY($1) AND state = 'booked'", list(booking_ids)
    )
    return await _with_offers(reads, _bookings(rows))


async def _with_offers(reads: Reads, found: list[Booking]) -> list[tuple[Booking, Offer]]:
    named = list({booking.offer_id for booking in found})
    rows = await reads.fetch(f"SELECT {_OFFER} FROM booking_offers WHERE offer_id = ANY($1)", named)
    offers = {offer.offer_id: offer for offer in _offers(rows)}
    return [(booking, offers[booking.offer_id]) for booking in found]


async def first_waiting(connection: Connection, offer_id: str, count: int) -> list[Booking]:
    rows = await connection.fetch(
        f"SELECT {_BOOKING} FROM bookings WHERE offer_id = $1 AND state = 'waiting' ORDER BY arrival LIMIT $2",
        *(offer_id, count),
    )
    return _bookings(rows)


async def gone_of(connection: Connection, offer: Offer, user_ids: Sequence[str]) -> set[str]:
    """Who of them has left the offer's room, or is no account any more."""
    rows = await connection.fetch(
        "SELECT w.user_id FROM unnest($1::text[]) AS w (user_id) WHERE EXISTS (SELECT 1 FROM users u"
        " WHERE u.user_id = w.user_id AND u.deactivated_at IS NOT NULL) OR ($2::text IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM members m WHERE m.room_id = $2 AND m.user_id = w.user_id AND m.membership = 'join'))",
        *(list(user_ids), offer.room_id),
    )
    return {row["user_id"] for row in rows}


async def unwilling(connection: Connection, offer_id: str, count: int) -> list[Booking]:
    """The first of those who wait without having chosen it."""
    rows = await connection.fetch(
        f"SELECT {_BOOKING} FROM bookings WHERE offer_id = $1 AND state = 'waiting' AND NOT would_wait"
        " ORDER BY arrival LIMIT $2",
        *(offer_id, count),
    )
    return _bookings(rows)


async def set_willing(connection: Connection, booking_ids: Sequence[str]) -> None:
    await connection.execute("UPDATE bookings SET would_wait = true WHERE booking_id = ANY($1)", list(booking_ids))


async def has_arrived(connection: Connection, offer_id: str) -> bool:
    """Was anybody checked in?"""
    sql = "SELECT EXISTS (SELECT 1 FROM bookings WHERE offer_id = $1 AND state = 'arrived')"
    return bool(await connection.fetchval(sql, offer_id))


async def in_states(connection: Connection, offer_id: str, states: Sequence[State], count: int) -> list[Booking]:
    rows = await connection.fetch(
        f"SELECT {_BOOKING} FROM bookings WHERE offer_id = $1 AND state = ANY($2) ORDER BY arrival LIMIT $3",
        *(offer_id, [state.value for state in states], count),
    )
    return _bookings(rows)


async def set_states(connection: Connection, bookings: Sequence[Booking]) -> None:
    """As they are given: state and until."""
    if not bookings:
        return
    await connection.execute(
        "UPDATE bookings b SET state = w.state, until = w.until,"
        " had_place = b.had_place OR w.state IN ('held', 'booked')"
        " FROM unnest($1::text[], $2::text[], $3::bigint[])"
        " AS w (booking_id, state, until) WHERE b.booking_id = w.booking_id",
        [each.booking_id for each in bookings],
        [each.state.value for each in bookings],
        [each.until for each in bookings],
    )


async def bookings_of_person(
    reads: Reads, user_id: str, page: Page, *, newest_first: bool
) -> list[tuple[Booking, Offer]]:
    """In the order in which they were made, or the last one first."""
    order, sign, start = ("DESC", "<", (limits.INTEGER_MAX, "")) if newest_first else ("ASC", ">", (-1, ""))
    rows = await reads.fetch(
        f"SELECT {_BOOKING} FROM bookings WHERE user_id = $1 AND (made_at, booking_id) {sign} ($2, $3)"
        f" ORDER BY made_at {order}, booking_id {order} LIMIT $4",
        *(user_id, *(page.after or start), page.count),
    )
    return await _with_offers(reads, _bookings(rows))


async def bookings_of_offer(reads: Reads, offer_id: str, page: Page) -> list[tuple[Booking, str | None]]:
    """In the order in which people came, with the names that they show, if they have one."""
    rows = await reads.fetch(
        f"SELECT {_BOOKING}, shown.value AS name FROM bookings LEFT JOIN (SELECT user_id AS who, value FROM profiles"
        " WHERE key_name = 'displayname') AS shown ON shown.who = user_id"
        " WHERE offer_id = $1 AND arrival > $2 ORDER BY arrival LIMIT $3",
        *(offer_id, (page.after or (0, ""))[0], page.count),
    )
    names = [None if row["name"] is None else decode(row["name"]) for row in rows]
    booked = _bookings([{field: row[field] for field in Booking.__struct_fields__} for row in rows])
    return [(each, name if isinstance(name, str) else None) for each, name in zip(booked, names, strict=True)]


# --- who wants to hear ---


async def subscribe(connection: Connection, subscription: Subscription, now_ms: int) -> str | None:
    """Its id, or that of the same one that is there. None: this person has as many as one may have.

    Those for times that are over go first.
    """
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 24))", subscription.user_id)
    over = "DELETE FROM booking_subscriptions WHERE user_id = $1 AND not_after < $2"
    await connection.execute(over, subscription.user_id, now_ms)
    same: str | None = await connection.fetchval(
        "SELECT subscription_id FROM booking_subscriptions WHERE user_id = $1 AND area = $2 AND not_before = $3"
        " AND not_after = $4",
        *(subscription.user_id, subscription.area, subscription.not_before, subscription.not_after),
    )
    if same is not None:
        return same
    count = await connection.fetchval(
        "SELECT count(*) FROM booking_subscriptions WHERE user_id = $1", subscription.user_id
    )
    if count >= limits.BOOKING_SUBSCRIPTIONS_MAX:
        return None
    await connection.execute(
        "INSERT INTO booking_subscriptions VALUES ($1, $2, $3, $4, $5)", *msgspec.structs.astuple(subscription)
    )
    return subscription.subscription_id


async def unsubscribe(connection: Connection, user_id: str, subscription_id: str) -> bool:
    done = await connection.execute(
        "DELETE FROM booking_subscriptions WHERE user_id = $1 AND subscription_id = $2", user_id, subscription_id
    )
    return done == "DELETE 1"


async def unsubscribe_from(connection: Connection, user_id: str, area: str) -> int:
    """All of somebody's subscriptions, or those for an area. How many there were."""
    done = await connection.execute(
        "DELETE FROM booking_subscriptions WHERE user_id = $1 AND $2 IN ('', area)", user_id, area
    )
    return int(done.rpartition(" ")[2])


async def subscriptions(reads: Reads, user_id: str) -> list[Subscription]:
    rows = await reads.fetch("SELECT * FROM booking_subscriptions WHERE user_id = $1 ORDER BY subscription_id", user_id)
    return [Subscription(*row.values()) for row in rows]


async def who_waits_for(connection: Connection, offer: Offer, after: str, count: int) -> list[str]:
    """People behind `after` to be told of what is released; of what is for a room's members, those alone."""
    rows = await connection.fetch(
        "SELECT DISTINCT s.user_id FROM booking_subscriptions s WHERE s.area IN ('', $1) AND s.user_id > $4"
        " AND $2 BETWEEN not_before AND not_after AND ($3::text IS NULL OR EXISTS (SELECT 1 FROM members m"
        " WHERE m.room_id = $3 AND m.user_id = s.user_id AND m.membership = 'join')) ORDER BY s.user_id LIMIT $5",
        *(offer.area, offer.starts_at, offer.room_id, after, count),
    )
    return [row["user_id"] for row in rows]


# --- who may tell everybody ---


_ANNOUNCES: Final = """
SELECT (SELECT count(*) FROM booking_offers WHERE provider = $1 AND made_at BETWEEN $3 AND $4) <= $5
    AND ($2::text IS NOT NULL
    OR EXISTS (SELECT 1 FROM booking_announcers WHERE user_id = $1)
    OR EXISTS (SELECT 1 FROM users WHERE user_id = $1 AND is_admin))
"""


async def announces(connection: Connection, offer: Offer) -> bool:
    """Are those told who subscribed? Of what is for a room's members: yes, as they chose the room.

    Else somebody who runs this server must have named its provider. Who releases very much is told of no more.
    """
    since = offer.made_at - 3_600_000
    values = (offer.provider, offer.room_id, since, offer.made_at, limits.BOOKING_ANNOUNCED_MAX)
    return bool(await connection.fetchval(_ANNOUNCES, *values))


async def announcers(reads: Reads, page: Page) -> list[str]:
    rows = await reads.fetch(
        "SELECT user_id FROM booking_announcers WHERE user_id > $1 ORDER BY user_id LIMIT $2",
        *((page.after or (0, ""))[1], page.count),
    )
    return [row["user_id"] for row in rows]


async def name_announcer(connection: Connection, user_id: str, named_by: str, now_ms: int) -> None:
    sql = "INSERT INTO booking_announcers (user_id, named_by, named_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
    await connection.execute(sql, user_id, named_by, now_ms)


async def unname_announcer(connection: Connection, user_id: str) -> bool:
    return await connection.execute("DELETE FROM booking_announcers WHERE user_id = $1", user_id) == "DELETE 1"
