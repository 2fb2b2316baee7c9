"""Beds that fit a request, found in the tables."""

from bongsu.core import boards
from bongsu.core.boards import Suggestion
from bongsu.store import boards as table
from bongsu.store.boards import BedRow, RequestRow
from bongsu.store.rooms import Reads


async def fitting(
    reads: Reads, room_id: str, row: RequestRow, now_ms: int, count: int
) -> list[tuple[Suggestion, BedRow]]:
    """The best first. Where the request is: as far as its reader may know."""
    found = {bed.bed_id: bed for bed in await table.beds_for(reads, room_id, row.needs, now_ms)}
    beds = [boards.Bed(b.bed_id, tuple(b.kinds), b.place, b.free, b.valid_until_ms) for b in found.values()]
    refused = await table.refused_beds(reads, row.request_id)
    best = boards.suggestions(row.needs, row.place, beds, refused, now_ms)[:count]
    return [(each, found[each.bed_id]) for each in best]
