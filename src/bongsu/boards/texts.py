"""What a board says in its room, in Korean and English, for any client. No patient is named, not even by pseudonym."""

from typing import Final

from bongsu.core.boards import TIERS

_SAID: Final = {
    "create": ("병상 배정판이 열렸습니다: {title}", "This room has a bed board now: {title}"),
    "appoint": ("역할: {who} → {role}", "Role: {who} → {role}"),
    "publish": ("병상 공개 {hospital} [{kinds}] 빈자리 {free}", "Beds at {hospital} [{kinds}], free: {free}"),
    "withdraw": ("병상 철회 {hospital} [{kinds}]", "Beds withdrawn at {hospital} [{kinds}]"),
    "request": (
        "병상 요청 #{number} [{needs}] 중증도 {severity} · 담당 {owner}",
        "Bed wanted #{number} [{needs}], {severity} · owner {owner}",
    ),
    "assign": (
        "배정 제안 #{number} → {hospital} · 응답 담당 {owner}",
        "Offered #{number} to {hospital}; {owner} answers",
    ),
    "accept": ("수락 #{number} · {hospital}", "Accepted #{number} by {hospital}"),
    "decline": ("거절 #{number} · {hospital} · 사유: {reason}", "Declined #{number} by {hospital}: {reason}"),
    "arrive": ("도착 #{number} · {hospital}", "Arrived #{number} at {hospital}"),
    "transfer": ("전원 필요 #{number} · 사유: {reason}", "Another bed is needed for #{number}: {reason}"),
    "lost": (
        "병상 철회로 다시 대기 {numbers} · 담당 {owners}",
        "Waiting again as the bed was withdrawn: {numbers}; owner {owners}",
    ),
    "close": ("종료 #{number}", "Closed #{number}"),
}
_TIERS: Final = {
    "coordinators": (
        "응답 없음 #{number}: 모든 조정자 확인 바랍니다",
        "No answer for #{number}: all coordinators, please",
    ),
    "on_call": ("응답 없음 #{number}: 당직자 호출", "No answer for #{number}: on-call people are called"),
    "contacts": (
        "응답 없음 #{number}: 비상 연락망을 인쇄하여 전화하십시오 {sheet}",
        "No answer for #{number}: print the contact tree and telephone {sheet}",
    ),
}


def said(what: str, **values: object) -> str:
    """Two lines: Korean, English."""
    return "\n".join(line.format(**values) for line in _SAID[what])


def escalated(tier: int, **values: object) -> str:
    return "\n".join(line.format(**values) for line in _TIERS[TIERS[tier]])


def number(request_id: str) -> str:
    """What people say on the telephone."""
    return request_id[:6].upper()


def listed(kinds: list[str]) -> str:
    return ", ".join(kinds) or "-"
