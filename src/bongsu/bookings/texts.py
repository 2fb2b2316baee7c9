"""What people are told, in Korean and English, readable in any client."""

from datetime import UTC, datetime, timedelta
from typing import Final

from bongsu.bookings.grammar import code_of
from bongsu.core.bookings import State
from bongsu.core.json import JsonObject
from bongsu.store import outbox
from bongsu.store.bookings import Booking, Offer
from bongsu.store.outbox import Post

FIELD: Final = "bongsu.booking"
RELEASED: Final = "released"
REMINDER: Final = "reminder"
CLOSED: Final = "closed"
SOLD_OUT: Final = "sold_out"
UNWAITED: Final = "unwaited"
_SIGNS: Final = {
    State.HELD: "✅ 확정 · confirm, ❌ 취소 · cancel",
    State.BOOKED: "❌ 취소 · cancel",
    RELEASED: "✅ 예약 · book",
}
_ZONE: Final = timedelta(hours=9)  # Korean time, which is said with it
SAID: Final = {
    State.WAITING: ("대기 중입니다", "You are waiting"),
    State.HELD: ("자리를 잡아 두었습니다. 확정해 주세요", "A place is held for you: please confirm it"),
    State.BOOKED: ("예약이 확정되었습니다", "You have a booking"),
    State.ARRIVED: ("도착이 확인되었습니다", "You have arrived"),
    State.NO_SHOW: ("방문이 확인되지 않았습니다", "You were not seen"),
    State.CANCELLED: ("예약이 취소되었습니다", "Your booking is cancelled"),
    State.EXPIRED: ("확정 시간이 지나 자리가 풀렸습니다", "You did not confirm in time, and the place is free again"),
    RELEASED: ("새 예약이 열렸습니다", "There is something to book"),
    REMINDER: ("곧 시작합니다", "It begins soon"),
    CLOSED: ("제공 기관이 예약을 취소했습니다", "It was called off"),
    UNWAITED: ("대기를 취소했습니다", "You no longer wait"),
    SOLD_OUT: ("자리가 나지 않아 대기가 끝났습니다", "No place came free, and you no longer wait"),
}


def local(ms: int) -> str:
    return (datetime.fromtimestamp(ms / 1000, UTC) + _ZONE).strftime("%Y-%m-%d %H:%M KST")


def post(sender: str, user_id: str, what: str, offer: Offer, booking: Booking | None = None) -> Post:
    """To one person. what: a state, or one of the words above."""
    korean, english = SAID[what]
    title = f"{offer.title} #{code_of(offer.offer_id)}"
    lines = [f"{korean} · {english}", title, f"{offer.place}, {local(offer.starts_at)}"]
    if booking is not None and booking.state is State.HELD and booking.until is not None:
        lines.append(f"~ {local(booking.until)}")
    if what in _SIGNS:
        lines.append(_SIGNS[what])
    named: JsonObject = {"offer_id": offer.offer_id, "about": str(what)}
    if booking is not None:
        named["booking_id"] = booking.booking_id
    content = {"msgtype": "m.text", "body": "\n".join(lines), FIELD: named}
    priority = outbox.ANNOUNCED if what == RELEASED else outbox.URGENT
    return Post(sender=sender, user_id=user_id, content=content, priority=priority)
