"""What people are told, for any client: first in Korean, which is what a telephone shows of it, then in English."""

from typing import Final

from bongsu.bookings.grammar import code_of
from bongsu.core.bookings import State
from bongsu.core.json import JsonObject
from bongsu.core.spoken import LANGUAGES, Language
from bongsu.store import outbox
from bongsu.store.bookings import Booking, Offer
from bongsu.store.outbox import Post
from bongsu.workflow.times import local

FIELD: Final = "bongsu.booking"
RELEASED: Final = "released"
REMINDER: Final = "reminder"
CLOSED: Final = "closed"
SOLD_OUT: Final = "sold_out"
UNWAITED: Final = "unwaited"
_SIGNS: Final = {
    State.WAITING: ("그만 기다리려면 ❌", "❌ to wait no longer"),
    State.HELD: ("✅ 확정 · ❌ 취소", "✅ confirm · ❌ cancel"),
    State.BOOKED: ("취소하려면 ❌", "❌ to cancel"),
    RELEASED: ("✅를 누르면 바로 신청됩니다", "✅ to book it"),
    REMINDER: ("오실 수 없으면 ❌ 취소", "❌ to cancel if you cannot come"),
}
_UNTIL: Final = ("{until}까지 확정하지 않으면 다음 분께 넘어갑니다", "Until {until}; then it goes to the next person")
SAID: Final = {
    State.WAITING: ("대기 중입니다", "You are waiting"),
    State.HELD: ("자리를 잡아 두었습니다. 확정해 주세요", "A place is held for you: please confirm it"),
    State.BOOKED: ("예약이 확정되었습니다", "You have a booking"),
    State.ARRIVED: ("도착을 확인했습니다", "You have arrived"),
    State.NO_SHOW: ("오시지 않은 것으로 기록되었습니다", "You were not seen"),
    State.CANCELLED: ("예약이 취소되었습니다", "Your booking is cancelled"),
    State.EXPIRED: (
        "확정 시간이 지나 자리가 다음 분께 넘어갔습니다",
        "You did not confirm in time, and the place is free again",
    ),
    RELEASED: ("새 예약이 열렸습니다", "There is something to book"),
    REMINDER: ("곧 시작합니다. 늦지 않게 와 주세요", "It begins soon"),
    CLOSED: ("제공 기관이 예약을 취소했습니다", "It was called off"),
    UNWAITED: ("대기를 취소했습니다", "You no longer wait"),
    SOLD_OUT: ("자리가 나지 않아 대기를 마쳤습니다", "No place came free, and you no longer wait"),
}


def named(offer_id: str, what: str, booking_id: str | None = None) -> JsonObject:
    """What a message says to programs."""
    about: JsonObject = {"offer_id": offer_id, "about": str(what)}
    return {FIELD: about if booking_id is None else {**about, "booking_id": booking_id}}


def post(sender: str, user_id: str, what: str, offer: Offer, booking: Booking | None = None) -> Post:
    """To one person. what: a state, or one of the words above."""
    until = booking.until if booking is not None and booking.state is State.HELD else None
    fields = named(offer.offer_id, what, None if booking is None else booking.booking_id)
    content = {"msgtype": "m.text", "body": _body(what, offer, until), **fields}
    priority = outbox.ANNOUNCED if what == RELEASED else outbox.URGENT
    return Post(sender=sender, user_id=user_id, content=content, priority=priority)


def _body(what: str, offer: Offer, until: int | None) -> str:
    """What it is and where is said once, as it is the same in all languages."""
    (korean, english), title = SAID[what], f"{offer.title} #{code_of(offer.offer_id)}"
    said = [korean, title, f"{local(offer.starts_at, 'ko')} · {offer.place}", *_to_do(what, until, "ko")]
    return "\n".join([*said, "", f"{english} · {local(offer.starts_at, 'en')}", *_to_do(what, until, "en")])


def _to_do(what: str, until: int | None, language: Language) -> list[str]:
    place = LANGUAGES.index(language)
    lines = [] if until is None else [_UNTIL[place].format(until=local(until, language))]
    return [*lines, _SIGNS[what][place]] if what in _SIGNS else lines
