"""Which events are timeline and which are state."""

from hypothesis import given
from hypothesis import strategies as st

from bongsu.core import timeline
from bongsu.core.events import Event


def event(pos: int, key: str | None = None, content: bytes = b"{}") -> Event:
    return Event(
        pos=pos,
        event_id=f"${pos}",
        room_id="!r",
        type="m.room.topic" if key is not None else "m.room.message",
        sender="@a:b",
        state_key=key,
        ts_ms=0,
        depth=pos,
        content_json=content,
    )


HISTORIES = st.lists(st.sampled_from([None, "x", "y", "z"]), max_size=30).map(
    lambda keys: [event(pos, key) for pos, key in enumerate(keys, 1)]
)


def fold(*parts: list[Event]) -> dict[str, int]:
    """The state a client arrives at that takes the parts in order."""
    state: dict[str, int] = {}
    for part in parts:
        for each in part:
            if each.state_key is not None:
                state[each.state_key] = each.pos
    return state


@given(HISTORIES, st.integers(0, 30))
def test_state_then_timeline_is_the_state(history: list[Event], limit: int) -> None:
    shown, limited = timeline.newest(history, limit)
    assert len(shown) == min(limit, len(history))
    assert limited == (len(history) > limit)
    assert fold(timeline.state_besides(history, shown), shown) == fold(history)


@given(HISTORIES, st.integers(0, 30))
def test_state_before_the_timeline_is_the_state_there(history: list[Event], limit: int) -> None:
    shown, _ = timeline.newest(history, limit)
    before = [each for each in history if each not in shown]
    assert fold(timeline.state_besides(history, shown)) == fold(before)


@given(HISTORIES)
def test_state_after_is_the_state(history: list[Event]) -> None:
    assert fold(timeline.state_of(history)) == fold(history)


def test_thread_of() -> None:
    inside = event(1, content=b'{"m.relates_to":{"rel_type":"m.thread","event_id":"$root"}}')
    reply = event(2, content=b'{"m.relates_to":{"m.in_reply_to":{"event_id":"$root"}},"body":"m.thread"}')
    assert timeline.thread_of(inside) == "$root"
    assert timeline.thread_of(reply) is None
    assert timeline.thread_of(event(3)) is None
