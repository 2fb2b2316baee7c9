"""What connections of sliding sync were told is kept in memory up to so many bytes, whatever they consist of."""

from typing import Any, cast

from bongsu.core import limits
from bongsu.core.sliding import Required
from bongsu.sync.connections import Connections
from bongsu.sync.told import Knowledge


async def test_large_kinds_of_state_count_as_what_they_take() -> None:
    connections = Connections(cast(Any, None))
    large = Knowledge({}, [Required(frozenset(("x" * 255, str(number)) for number in range(4_000)))] * 12)
    for version in range(1, 50):
        connections._remember(("@a:b", "D", "", version), large)
    least = 12 * 4_000 * 255
    assert 1 <= len(connections._known) <= limits.SLIDING_TOLD_CACHED_BYTES_MAX // least
    assert ("@a:b", "D", "", 49) in connections._known
    assert connections._bytes_known <= limits.SLIDING_TOLD_CACHED_BYTES_MAX
