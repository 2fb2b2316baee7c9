"""Whom a device was told of is remembered for so many devices, those that were here lately."""

from bongsu.core import filters, limits
from bongsu.core.events import MEMBER, Event
from bongsu.core.filters import SyncFilter
from bongsu.core.requester import Requester
from bongsu.sync.introductions import Introductions

_LAZY = SyncFilter(filters.parse({"room": {"state": {"lazy_load_members": True}}}))
_MEMBER = Event(
    pos=1,
    event_id="$1",
    room_id="!room:x",
    type=MEMBER,
    sender="@bert:x",
    state_key="@bert:x",
    ts_ms=1,
    depth=1,
    content_json=b'{"membership":"join"}',
)


def test_a_device_that_comes_again_is_not_the_first_whose_introductions_are_forgotten() -> None:
    introductions = Introductions()
    members = [_MEMBER]
    devices = [Requester("@anna:x", str(number)) for number in range(limits.INTRODUCED_DEVICES_MAX + 1)]
    for device in devices[:-1]:
        introductions.tell(device, _LAZY, 10, members)
    introductions.go_on(devices[0], _LAZY, 10)
    introductions.tell(devices[-1], _LAZY, 10, members)
    assert [introductions.unmet(device, _LAZY, 10, members) for device in devices[:3]] == [[], members, []]
