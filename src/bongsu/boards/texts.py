"""What a board says in its room, in Korean and English, for any client. No patient is named, not even by pseudonym."""

from typing import Final

from bongsu.boards.words import worded
from bongsu.core.boards import TIERS
from bongsu.core.spoken import LANGUAGES

_SAID: Final = {
    "create": (
        "병상 배정판이 열렸습니다: {title} (명령 보기: !병상)",
        "This room has a bed board now: {title} (write !bed for its commands)",
    ),
    "appoint": ("역할: {who} → {role}", "Role: {who} → {role}"),
    "publish": (
        "병상 {bed} 공개 · {hospital} [{kinds}] 가용 {free}",
        "Bed {bed} published by {hospital} [{kinds}], free: {free}",
    ),
    "withdraw": ("병상 {bed} 철회 · {hospital} [{kinds}]", "Bed {bed} withdrawn by {hospital} [{kinds}]"),
    "request": (
        "병상 요청 #{number} [{needs}] {severity} · 담당 {owner}",
        "Bed wanted #{number} [{needs}], {severity} · owner {owner}",
    ),
    "assign": (
        "배정 제안 #{number} → {hospital}, 병상 {bed} · 응답 담당 {owner} · ✅ 수락 ❌ 거절",
        "Offered #{number} to {hospital}, bed {bed}; {owner} answers · ✅ accept ❌ decline",
    ),
    "accept": (
        "수락 #{number} · {hospital}, 병상 {bed} · 도착하면 🏥",
        "Accepted #{number} by {hospital}, bed {bed} · 🏥 on arrival",
    ),
    "decline": ("거절 #{number} · {hospital} · 사유: {reason}", "Declined #{number} by {hospital}: {reason}"),
    "arrive": ("도착 #{number} · {hospital}", "Arrived #{number} at {hospital}"),
    "transfer": ("전원 필요 #{number} · 사유: {reason}", "Another bed is needed for #{number}: {reason}"),
    "lost": (
        "병상 철회로 다시 대기 {numbers} · 담당 {owners}",
        "Waiting again as the bed was withdrawn: {numbers}; owner {owners}",
    ),
    "close": ("종료 #{number}{why}", "Closed #{number}{why}"),
}
_TIERS: Final = {
    "coordinators": (
        "응답 없음 #{number} [{needs}] {severity} · {waited} 대기: 모든 조정자 확인 바랍니다",
        "No answer for #{number} [{needs}], {severity}, waiting {waited}: all coordinators, please",
    ),
    "on_call": (
        "응답 없음 #{number} [{needs}] {severity} · {waited} 대기: 당직자 호출",
        "No answer for #{number} [{needs}], {severity}, waiting {waited}: on-call people are called",
    ),
    "contacts": (
        "응답 없음 #{number} [{needs}] {severity} · {waited} 대기: 비상 연락망을 인쇄하여 전화하십시오 {sheet}",
        "No answer for #{number} [{needs}], {severity}, waiting {waited}: print the contact tree and telephone {sheet}",
    ),
}
GIVEN_UP: Final = (
    "#{number} 요청은 기한이 지나고 30일 동안 응답이 없어 종료되었습니다",
    "Nobody has answered for #{number} in the 30 days after its deadline, and it is closed",
)


def said(what: str, **values: object) -> str:
    """Two lines: Korean, English."""
    return in_both(_SAID[what], **values)


def escalated(tier: int, **values: object) -> str:
    return in_both(_TIERS[TIERS[tier]], **values)


def in_both(lines: tuple[str, str], **values: object) -> str:
    both = zip(lines, LANGUAGES, strict=True)
    return "\n".join(line.format(**worded(values, language)) for line, language in both)
