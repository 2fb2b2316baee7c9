"""Events as one reader sees them: client form, with what `unsigned` tells this reader.

Nothing is decoded or encoded again: contents and whole events are spliced in as the bytes they are.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from bongsu.core import pdu
from bongsu.core.events import ENCRYPTED, Event
from bongsu.core.json import encode
from bongsu.core.relations import REPLACE, relates_to
from bongsu.core.visibility import Visibility
from bongsu.store import events as event_table
from bongsu.store import history, personal
from bongsu.store import relations as table
from bongsu.store.rooms import Reads


class Asker(Protocol):
    """Who reads, and on which device: the request's Requester."""

    @property
    def user_id(self) -> str: ...

    @property
    def device_id(self) -> str: ...


class Previous(msgspec.Struct, frozen=True):
    """The state event whose place an event took. shown: may the reader see its content?"""

    event: Event
    shown: bool


def unsigned_of(
    event: Event,
    requester: Asker,
    *,
    membership: str | None = None,
    relations: bytes | None = None,
    prev: Previous | None = None,
) -> bytes:
    """The `unsigned` of an event for one reader, encoded; empty where there is nothing to say.

    membership: the reader's at the event; relations: the encoded `m.relations`.
    """
    parts: list[bytes] = []
    if membership is not None:
        parts.append(b'"membership":"%b"' % membership.encode())
    if event.txn_id is not None and event.sender == requester.user_id and event.sender_device == requester.device_id:
        parts.append(b'"transaction_id":' + encode(event.txn_id))
    if prev is not None:
        parts.append(b'"replaces_state":' + encode(prev.event.event_id))
        if prev.shown:
            parts.append(b'"prev_content":' + prev.event.content_json)
    if event.redacted_because is not None:
        parts.append(b'"redacted_because":' + event.redacted_because)
    if relations is not None:
        parts.append(b'"m.relations":' + relations)
    return b"{" + b",".join(parts) + b"}" if parts else b""


def with_unsigned_of(
    event: Event,
    requester: Asker,
    *,
    membership: str | None = None,
    relations: bytes | None = None,
    prev: Previous | None = None,
    with_room_id: bool = True,
) -> bytes:
    """The event in client form for one reader, encoded."""
    client = pdu.client_event(event, with_room_id=with_room_id)
    unsigned = unsigned_of(event, requester, membership=membership, relations=relations, prev=prev)
    return pdu.with_unsigned(client, unsigned) if unsigned else client


async def client_events(
    reads: Reads,
    events: Sequence[Event],
    requester: Asker,
    visibility: Visibility,
    *,
    with_room_id: bool = True,
    bundle: bool = True,
) -> list[bytes]:
    """Events of one room as the reader sees them, encoded, in the same order.

    At most four queries: what state events replaced, what relates to the events, and the newest of that.
    """
    events = visibility.shown_all(events)
    replaced = await history.replaced(reads, events)
    related = await bundles(reads, events, requester, visibility, with_room_id=with_room_id) if bundle else {}
    return [
        with_unsigned_of(
            event,
            requester,
            membership=visibility.membership_at(event.pos),
            relations=related.get(event.event_id),
            prev=_previous(replaced.get(event.pos), visibility),
            with_room_id=with_room_id,
        )
        for event in events
    ]


def plain_events(events: Sequence[Event], *, with_room_id: bool = True) -> list[bytes]:
    """State as it stands, where nobody asks what an event replaced: without `unsigned`, but for redactions."""
    return [
        client if event.redacted_because is None else pdu.with_unsigned(client, unsigned_as_state(event))
        for event in events
        for client in (pdu.client_event(event, with_room_id=with_room_id),)
    ]


def unsigned_as_state(event: Event) -> bytes:
    """The `unsigned` of a state event as it stands; empty where there is nothing to say."""
    return b"" if event.redacted_because is None else b'{"redacted_because":' + event.redacted_because + b"}"


def array(events: Sequence[bytes]) -> msgspec.Raw:
    """Encoded events as one JSON array, to be spliced into a reply."""
    return msgspec.Raw(b"[" + b",".join(events) + b"]")


def _previous(event: Event | None, visibility: Visibility) -> Previous | None:
    return None if event is None else previous(event, visibility)


def previous(event: Event, visibility: Visibility) -> Previous:
    return Previous(visibility.shown(event), visibility.may_see(event))


# --- bundled aggregations ---


async def bundles(
    reads: Reads, events: Sequence[Event], requester: Asker, visibility: Visibility, *, with_room_id: bool = True
) -> dict[str, bytes]:
    """The encoded `m.relations` of those events that others relate to (aggregations of child events)."""
    parents = [event for event in events if event.state_key is None]
    if not parents or not visibility.ranges:
        return {}
    up_to = visibility.ranges[-1][1]
    summaries = await _summaries(reads, [event.event_id for event in parents], requester.user_id, up_to)
    if not summaries:
        return {}
    children = await event_table.by_pos(reads, [pos for summary in summaries.values() for pos in summary.shown])
    latest = [children[s.thread_latest] for s in summaries.values() if s.thread_latest in children]
    edits = await table.edits(reads, [event.event_id for event in latest], up_to) if latest else {}
    form = _Bundled(requester, visibility, children, edits, with_room_id)
    found = {e.event_id: form.of(e, summaries[e.event_id]) for e in parents if e.event_id in summaries}
    return {event_id: relations for event_id, relations in found.items() if relations is not None}


async def _summaries(reads: Reads, parent_ids: Sequence[str], user_id: str, up_to: int) -> dict[str, table.Summary]:
    """Threads are summed up without the people whom the reader ignores."""
    found = await table.summaries(reads, parent_ids, user_id, up_to)
    if any(summary.thread_count for summary in found.values()):
        ignored = await personal.ignored_by(reads, user_id)
        return await table.summaries(reads, parent_ids, user_id, up_to, ignored) if ignored else found
    return found


class _Bundled:
    """Puts the bundles of one page together. children: by position; edits: of threads' latest events, by event id."""

    def __init__(
        self,
        requester: Asker,
        visibility: Visibility,
        children: dict[int, Event],
        edits: dict[str, Event],
        with_room_id: bool,
    ) -> None:
        self._requester = requester
        self._visibility = visibility
        self._children = children
        self._edits = edits
        self._with_room_id = with_room_id

    def of(self, parent: Event, summary: table.Summary) -> bytes | None:
        parts = [*self._replace(parent, summary), *self._thread(parent, summary), *_reference(summary)]
        return b"{" + b",".join(parts) + b"}" if parts else None

    def _replace(self, parent: Event, summary: table.Summary) -> list[bytes]:
        edit = self._child(summary.edit)
        if edit is None or not _is_edit(edit) or parent.redacted_because is not None or _replaces(parent):
            return []
        return [b'"m.replace":' + self._client(edit)]

    def _thread(self, parent: Event, summary: table.Summary) -> list[bytes]:
        latest = self._child(summary.thread_latest)
        if latest is None:
            return []
        edit = self._edits.get(latest.event_id)
        edit = None if edit is None else self._visibility.shown(edit)
        shown = edit is not None and self._visibility.may_see(edit)
        relations = b'{"m.replace":' + self._client(edit) + b"}" if edit is not None and shown else None
        took_part = summary.took_part or parent.sender == self._requester.user_id
        return [
            b'"m.thread":{"count":%d,"current_user_participated":%b,"latest_event":%b}'
            % (summary.thread_count, b"true" if took_part else b"false", self._client(latest, relations))
        ]

    def _child(self, pos: int | None) -> Event | None:
        child = None if pos is None else self._children.get(pos)
        return self._visibility.shown(child) if child is not None and self._visibility.may_see(child) else None

    def _client(self, event: Event, relations: bytes | None = None) -> bytes:
        membership = self._visibility.membership_at(event.pos)
        return with_unsigned_of(
            event, self._requester, membership=membership, relations=relations, with_room_id=self._with_room_id
        )


def _is_edit(event: Event) -> bool:
    """An edit says what the new content is; that of an encrypted one is inside."""
    return event.type == ENCRYPTED or b'"m.new_content":' in event.content_json


def _replaces(event: Event) -> bool:
    """An edit is not itself edited."""
    if b'"m.replace"' not in event.content_json:
        return False
    related = relates_to(event.content)
    return related is not None and related.rel_type == REPLACE


def _reference(summary: table.Summary) -> list[bytes]:
    if not summary.references:
        return []
    chunk = [{"event_id": event_id} for event_id in summary.references]
    return [b'"m.reference":' + encode({"chunk": chunk})]
