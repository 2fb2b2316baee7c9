"""What the booking service answers to whom wrote a command, in the language of the command."""

from collections.abc import Sequence
from typing import Final

from bongsu.bookings.grammar import SPOKEN, code_of
from bongsu.bookings.texts import SAID
from bongsu.core.errors import Refusal
from bongsu.core.spoken import Guide, Language
from bongsu.store.bookings import Booking, Offer
from bongsu.workflow.times import local

_USES: Final = {
    "list": ("목록 서울 (지역은 빼도 됩니다)", "list Seoul (the area may be left out)"),
    "book": (
        "신청 1a2b3c (자리가 없으면 대기: 신청 1a2b3c 대기)",
        "book 1a2b3c (to wait if it is full: book 1a2b3c wait)",
    ),
    "confirm": ("확정 1a2b3c", "confirm 1a2b3c"),
    "cancel": ("취소 1a2b3c", "cancel 1a2b3c"),
    "mine": ("내역", "mine"),
    "subscribe": ("알림 서울 (새 예약이 열리면 알립니다)", "subscribe Seoul (you hear of what is released)"),
    "unsubscribe": ("알림끄기", "unsubscribe"),
}
_REACTIONS: Final = (
    "새 예약 알림에는 ✅ 신청, 잡아 둔 자리에는 ✅ 확정 ❌ 취소, 예약이나 대기에는 ❌ 취소",
    "✅ on what is released books it, ✅ on a held place confirms it, ❌ on a place gives it back",
)
GUIDE: Final = Guide(SPOKEN, ("예약 사용법", "How to write to bookings"), _USES, _REACTIONS)
_REFUSED: Final = {
    "M_UNKNOWN": "지금은 처리하지 못했습니다. 잠시 뒤 다시 써 주세요",
    "M_FORBIDDEN": "할 권한이 없습니다",
    "M_NOT_FOUND": "그런 예약이 없습니다",
    "M_LIMIT_EXCEEDED": "명령이 너무 잦습니다. 잠시 뒤 다시 해 주세요",
    "M_RESOURCE_LIMIT_EXCEEDED": "더 둘 수 없습니다",
    "BONGSU_SOLD_OUT": "남은 자리가 없습니다. 기다리려면 끝에 '대기'를 붙여 주세요",
    "BONGSU_ALREADY_BOOKED": "이미 예약하셨습니다",
    "BONGSU_OFFER_CLOSED": "끝났거나 취소된 예약입니다",
    "BONGSU_WRONG_STATE": "지금은 그렇게 할 수 없는 예약입니다",
    "BONGSU_TOO_OFTEN": "이 예약을 너무 여러 번 취소하셨습니다",
    "BONGSU_OVER": "이미 끝난 예약입니다",
}
LISTED_MAX: Final = 10  # offers of one answer: a telephone's screen


def refused(refusal: Refusal, language: Language) -> str:
    """English messages are the API's own."""
    if language == "en":
        more = " To wait, write 'wait' behind it." if refusal.errcode == "BONGSU_SOLD_OUT" else ""
        return f"Not done: {refusal.message}.{more}"
    return f"하지 못했습니다: {_REFUSED.get(refusal.errcode, '쓴 내용을 확인해 주세요')}"


def offers(found: Sequence[Offer], language: Language) -> str:
    if not found:
        return "지금 예약할 것이 없습니다" if language == "ko" else "There is nothing to book now"
    return "\n".join(_offer(offer, language) for offer in found)


def _offer(offer: Offer, language: Language) -> str:
    left = offer.capacity - offer.taken
    free = f"남은 자리 {left}/{offer.capacity}" if language == "ko" else f"{left} of {offer.capacity} left"
    return f"#{code_of(offer.offer_id)} {offer.title} · {offer.place} · {local(offer.starts_at, language)} · {free}"


def mine(found: Sequence[tuple[Booking, Offer]], language: Language) -> str:
    if not found:
        return "예약이 없습니다" if language == "ko" else "You have no booking"
    place = 0 if language == "ko" else 1
    return "\n".join(
        f"#{code_of(offer.offer_id)} {offer.title} · {local(offer.starts_at, language)} · {SAID[booking.state][place]}"
        for booking, offer in found
    )


def waiting(position: int, language: Language) -> str:
    if language == "ko":
        return f"대기 {position}번째입니다. 차례가 오면 알려 드립니다"
    return f"You wait, as number {position}"


def booked_already(language: Language) -> str:
    return "이미 확정된 예약입니다" if language == "ko" else "It is confirmed already"


def which(language: Language) -> str:
    return "어느 예약인지 번호를 써 주세요" if language == "ko" else "Say which one, by its code"


def subscribed(area: str, language: Language) -> str:
    if language == "ko":
        return f"새 예약이 열리면 알립니다: {area or '모든 지역'}"
    return f"You will hear of what is released: {area or 'anywhere'}"


def unsubscribed(count: int, language: Language) -> str:
    return f"알림 {count}개를 껐습니다" if language == "ko" else f"Subscriptions ended: {count}"
