"""What a board says in its room, in Korean and English, for any client. No patient is named, not even by pseudonym."""

from typing import Final

from bongsu.boards.words import worded
from bongsu.core.boards import TIERS
from bongsu.core.spoken import LANGUAGES

_SAID: Final = {
    "create": (
        "병상 배정판이 열렸습니다: {title}\n사용법을 보려면 !병상 이라고 써 주세요",
        "This room has a bed board now: {title}\nWrite !bed to see how it is used",
    ),
    "appoint": ("{who} 님의 역할: {role}", "{who} is {role} now"),
    "publish": (
        "병상 {bed}번 공개 · {hospital} [{kinds}] 빈자리 {free}",
        "Bed {bed} published by {hospital} [{kinds}], {free} free",
    ),
    "withdraw": ("병상 {bed}번 철회 · {hospital} [{kinds}]", "Bed {bed} withdrawn by {hospital} [{kinds}]"),
    "request": (
        "병상 요청 #{number} · {severity} · 필요: {needs} · 담당: {owner}",
        "Bed wanted #{number}, {severity}, needs {needs}; {owner} sees to it",
    ),
    "assign": (
        "배정 제안 #{number} → {hospital} 병상 {bed}번\n{owner} 님, ✅ 수락이나 ❌ 거절로 답해 주세요",
        "Offered #{number} to {hospital}, bed {bed}\n{owner}, please answer: ✅ accept, ❌ decline",
    ),
    "accept": (
        "수락 #{number} · {hospital} 병상 {bed}번\n환자가 도착하면 🏥",
        "Accepted #{number} by {hospital}, bed {bed}\n🏥 when the patient has arrived",
    ),
    "decline": ("거절 #{number} · {hospital} · 사유: {reason}", "Declined #{number} by {hospital}: {reason}"),
    "arrive": ("도착 #{number} · {hospital}", "Arrived #{number} at {hospital}"),
    "transfer": (
        "전원 #{number} · 다른 병상이 필요합니다 · 사유: {reason}",
        "Another bed is needed for #{number}: {reason}",
    ),
    "lost": (
        "병상 철회로 다시 기다립니다: {numbers} · 담당: {owners}",
        "Waiting again as the bed was withdrawn: {numbers}; {owners} see to it",
    ),
    "close": ("종료 #{number}", "Closed #{number}"),
}
_CLOSED_WHY: Final = ("종료 #{number} · 사유: {reason}", "Closed #{number}: {reason}")
_SILENT: Final = (
    "아직 응답이 없습니다: #{number} · {severity} · 필요: {needs} · {waited}째 대기\n",
    "No answer yet for #{number}, {severity}, needs {needs}, waiting {waited}\n",
)
_TIERS: Final = {
    "coordinators": ("조정자 모두 확인해 주세요", "All coordinators, please"),
    "on_call": ("당직자를 호출합니다", "People on call are called"),
    "contacts": (
        "배정판에서 비상 연락망을 인쇄해 전화로 확인해 주세요",
        "Print the contact tree from the board, and telephone",
    ),
}
GIVEN_UP: Final = (
    "종료 #{number} · 기한이 지나고 30일 동안 응답이 없었습니다",
    "Closed #{number}: nobody has answered in the 30 days after its deadline",
)
FORGOTTEN: Final = (
    "종료 #{number} · 병상이 정해진 뒤 30일 동안 소식이 없었습니다",
    "Closed #{number}: nothing was heard of it in the 30 days after it got its bed",
)


def said(what: str, **values: object) -> str:
    """Korean, then English."""
    lines = _CLOSED_WHY if what == "close" and values["reason"] else _SAID[what]
    return in_both(lines, **values)


def escalated(tier: int, **values: object) -> str:
    korean, english = (silent + what for silent, what in zip(_SILENT, _TIERS[TIERS[tier]], strict=True))
    return in_both((korean, english), **values)


def in_both(lines: tuple[str, str], **values: object) -> str:
    both = zip(lines, LANGUAGES, strict=True)
    return "\n".join(line.format(**worded(values, language)) for line, language in both)
