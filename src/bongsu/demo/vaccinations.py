"""What a health centre offers to be booked: with places, sold out with a line, and not open yet."""

import time
from typing import Any, Final

import msgspec

from bongsu.demo.asking import at
from bongsu.demo.cast import Cast
from bongsu.demo.steps import seoul_ms

_BOOKINGS: Final = "/_bongsu/v1/bookings"
_CENTRE, _NURSE, _SENIOR = "demo-centre", "demo-nurse", "demo-senior"
_MUM, _DAD, _BAKER, _DOCTOR = "demo-mum", "demo-dad", "demo-baker", "demo-doctor"
_HOUR_MS: Final = 3_600_000


class _Offer(msgspec.Struct, frozen=True):
    """starts, opens: days from today, and the hour in Seoul. takers: who books, in this order; others would wait."""

    title: str
    place: str
    starts: tuple[int, int]
    capacity: int
    takers: tuple[str, ...] = ()
    opens: tuple[int, int] | None = None
    hours: int = 1
    hold_seconds: int = 0


_OFFERS: Final = (
    _Offer(
        "독감 예방접종 (오전) · Flu vaccination, morning", "중구 보건소 2층", (2, 9), 40, (_NURSE, _MUM, _DAD), hours=3
    ),
    _Offer("독감 예방접종 (오후) · Flu vaccination, afternoon", "중구 보건소 2층", (2, 14), 40, (_BAKER,), hours=3),
    _Offer(
        "건강검진 · Health check",
        "중구 보건소 3층",
        (4, 10),
        12,
        (_DOCTOR,),
        hold_seconds=86_400,
    ),
    _Offer(
        "대상포진 백신, 남은 두 자리 · Shingles vaccine, the last two",
        "중구 보건소 1층",
        (1, 16),
        2,
        (_MUM, _DAD, _BAKER, _NURSE),
    ),
    _Offer(
        "어린이 예방접종의 날 · Children’s vaccination day", "중구 보건소 강당", (12, 9), 200, opens=(3, 9), hours=8
    ),
    _Offer("금연 교실 · Class for giving up smoking", "동구 보건소", (7, 19), 15, (_DAD,), hours=2),
)


async def fill(cast: Cast) -> None:
    """What is there already stays."""
    centre = await cast.person(_CENTRE)
    there = {each["title"]: each["offer_id"] for each in (await centre.get(f"{_BOOKINGS}/offers?mine=true"))["offers"]}
    for offer in _OFFERS:
        offer_id = there.get(offer.title)
        if offer_id is None:
            offer_id = (await centre.post(f"{_BOOKINGS}/offers", _said(offer)))["offer_id"]
        for who in offer.takers:
            await _book(cast, offer_id, who)


def _said(offer: _Offer) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    starts_at = seoul_ms(*offer.starts, now_ms)
    opens = {} if offer.opens is None else {"opens_at": seoul_ms(*offer.opens, now_ms)}
    named = {"title": offer.title, "place": offer.place, "area": offer.place.split()[0]}
    times = {"starts_at": starts_at, "ends_at": starts_at + offer.hours * _HOUR_MS, **opens}
    return {**named, **times, "capacity": offer.capacity, "hold_seconds": offer.hold_seconds}


async def _book(cast: Cast, offer_id: str, who: str) -> None:
    person, offer = await cast.person(who), _BOOKINGS + "/offers" + at(offer_id)
    if (await person.get(offer)).get("booking") is None:
        await person.post(f"{offer}/book", {"waitlist": True})
