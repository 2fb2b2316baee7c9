"""What the board answers to whom wrote a command, in the language of the command."""

from collections.abc import Sequence
from typing import Final

from bongsu.boards.grammar import SPOKEN
from bongsu.boards.words import listed, minutes, word
from bongsu.core import boards
from bongsu.core.boards import Suggestion
from bongsu.core.errors import Refusal
from bongsu.core.spoken import Guide, Language
from bongsu.store.boards import BedRow, RequestRow

_USES: Final = {
    "list": ("목록", "list"),
    "beds": ("빈자리", "beds"),
    "show": ("보기 17", "show 17"),
    "stats": ("통계", "stats"),
    "request": (
        "요청 위급 중환자,격리 지역=서울 기한=30분 (방의 모두가 읽으니 환자 정보는 쓰지 마세요)",
        "request critical icu,isolation area=Seoul in=30m (everybody here reads it: nothing of the patient)",
    ),
    "publish": (
        "공개 중환자 빈자리=2 지역=서울 유효=12시간 (고칠 때: 공개 3 빈자리=1)",
        "publish icu free=2 area=Seoul for=12h (to change: publish 3 free=1)",
    ),
    "withdraw": ("철회 3 사유", "withdraw 3 reason"),
    "assign": ("배정 17 3 (요청 17에 병상 3)", "assign 17 3 (request 17, bed 3)"),
    "accept": ("수락 17", "accept 17"),
    "decline": ("거절 17 사유", "decline 17 reason"),
    "arrive": ("도착 17", "arrive 17"),
    "transfer": ("전원 17 사유", "transfer 17 reason"),
    "close": ("종료 17", "close 17"),
    "role": ("역할 @kim:server 병원 병원=한빛병원 당직", "role @kim:server provider hospital=Hanbit oncall"),
}
_REACTIONS: Final = (
    "배정 제안에는 ✅ 수락 ❌ 거절, 수락에는 🏥 도착. 배정판의 글에 답장하면 번호를 빼도 됩니다.",
    "✅ on an offer accepts, ❌ declines, 🏥 on an acceptance: arrived. A reply to the board needs no number.",
)
GUIDE: Final = Guide(SPOKEN, ("병상 배정판 사용법", "How to write to the bed board"), _USES, _REACTIONS)
_REFUSED: Final = {
    "M_UNKNOWN": "지금은 처리하지 못했습니다. 잠시 뒤 다시 써 주세요",
    "M_FORBIDDEN": "이 배정판에서 그 일을 할 권한이 없습니다",
    "M_NOT_FOUND": "그런 번호나 사람이 없습니다",
    "M_LIMIT_EXCEEDED": "명령이 너무 잦습니다. 잠시 뒤 다시 해 주세요",
    "M_MISSING_PARAM": "빠진 것이 있습니다. 거절과 전원에는 사유가 필요합니다",
    "BONGSU_WRONG_STATE": "요청의 상태가 그 사이 바뀌었습니다",
    "BONGSU_BED_TAKEN": "그 병상은 이미 배정되었습니다",
    "BONGSU_BED_GONE": "그 병상은 더 이상 제공되지 않습니다",
    "BONGSU_BED_CHANGED": "그 사이 병상이 배정되거나 돌아왔습니다. 다시 확인한 뒤 써 주세요",
    "BONGSU_PATIENT_WAITS": "이 환자의 요청이 이미 있습니다",
    "BONGSU_BOARD_FULL": "배정판에 더 둘 수 없습니다",
    "BONGSU_LAST_COORDINATOR": "조정자가 한 사람은 있어야 합니다. 다른 조정자를 먼저 정해 주세요",
}
SHOWN_MAX: Final = 15  # lines of a list: a telephone's screen


def refused(refusal: Refusal, language: Language) -> str:
    """English messages are the API's own."""
    known = refusal.fields
    if language == "en":
        now = f" Now {known['free']} are free; add version={known['version']}" if "version" in known else ""
        return f"Not done: {refusal.message}{now}"
    now = f" (지금 빈자리 {known['free']}. 판={known['version']} 을 덧붙여 주세요)" if "version" in known else ""
    return f"하지 못했습니다: {_REFUSED.get(refusal.errcode, '쓴 내용을 확인해 주세요')}{now}"


def requests(rows: Sequence[RequestRow], count: int, now_ms: int, language: Language) -> str:
    """rows: those that are shown, of so many that are unanswered."""
    if not rows:
        return "기다리는 요청이 없습니다" if language == "ko" else "Nobody waits"
    lines = [request(row, now_ms, language) for row in rows]
    more = count - len(rows)
    if more > 0:
        lines.append(f"… 그 밖에 {more}건" if language == "ko" else f"… and {more} more")
    return "\n".join(lines)


def request(row: RequestRow, now_ms: int, language: Language) -> str:
    """Nothing of the patient: everybody in the room reads it."""
    parts = [f"#{row.number}", word(row.severity, language), f"[{listed(row.needs, language)}]", row.place.area]
    parts.append(word(row.state, language))
    if row.state in boards.UNANSWERED:
        waited = minutes(now_ms - row.waiting_since_ms, language)
        parts.append(f"{waited} 대기" if language == "ko" else f"waiting {waited}")
    if row.hospital is not None:
        parts.append(f"→ {row.hospital}")
    return " ".join(part for part in parts if part)


def beds(rows: Sequence[BedRow], count: int, language: Language) -> str:
    if not rows:
        return "빈 병상이 없습니다" if language == "ko" else "No bed is free"
    lines = [bed(row, language) for row in rows]
    if count > len(rows):
        lines.append(f"… 그 밖에 {count - len(rows)}건" if language == "ko" else f"… and {count - len(rows)} more")
    return "\n".join(lines)


def bed(row: BedRow, language: Language) -> str:
    free = f"빈자리 {row.free}" if language == "ko" else f"free: {row.free}"
    named = f"병상 {row.number}번" if language == "ko" else f"bed {row.number}"
    return " ".join(
        part for part in (named, row.hospital, f"[{listed(row.kinds, language)}]", row.place.area, free) if part
    )


def fitting(found: Sequence[tuple[Suggestion, BedRow]], language: Language) -> str:
    if not found:
        return "맞는 빈 병상이 없습니다" if language == "ko" else "No free bed fits"
    title = "맞는 병상" if language == "ko" else "Beds that fit"
    return "\n".join([f"{title}:", *(_fit(each, row, language) for each, row in found)])


def _fit(found: Suggestion, row: BedRow, language: Language) -> str:
    distance = "" if found.distance_km is None else f" · {found.distance_km:g} km"
    return bed(row, language) + distance


def stats(assigned: boards.Distribution, waiting: boards.Distribution, language: Language) -> str:
    def figures(times: boards.Distribution) -> str:
        known = [minutes(ms, language) for ms in (times.median, times.p90, times.p99, times.longest) if ms is not None]
        return " / ".join(known) or "-"

    if language == "ko":
        first = f"배정까지 (중앙 / 90% / 99% / 최장): {figures(assigned)} · {assigned.count}건"
        return f"{first}\n지금 대기 {waiting.count}건: {figures(waiting)}"
    first = f"Time to assign (median / 90 % / 99 % / longest): {figures(assigned)}, {assigned.count} of them"
    return f"{first}\nWaiting now, {waiting.count}: {figures(waiting)}"
