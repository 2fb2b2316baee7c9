"""A board on paper and in spreadsheets: CSV, and a sheet for the hour when nothing works."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import msgspec

from bongsu.boards.have import when
from bongsu.boards.words import listed, minutes, word
from bongsu.core import boards
from bongsu.core.exports import html_table
from bongsu.core.spoken import Language
from bongsu.store.boards import BedRow, Person, RequestRow
from bongsu.workflow.times import local

COLUMNS: Final = (
    *("request_id", "patient", "severity", "needs", "area", "state", "owner", "requested_by", "created", "deadline"),
    *("waiting_since", "tier", "bed_id", "number"),
)


class _Words(msgspec.Struct, frozen=True):
    """What stands on the sheet: captions, and heads of columns."""

    title: str
    printed: str
    waiting: str
    on_their_way: str
    beds: str
    tree: str
    number: str
    severity: str
    needs: str
    area: str
    waited: str
    deadline: str
    owner: str
    patient: str
    bed: str
    hospital: str
    kinds: str
    free: str
    valid: str
    phone: str
    role: str
    person: str
    on_call: str


_WORDS: Final[Mapping[Language, _Words]] = {
    "ko": _Words(
        *("병상 배정판", "출력 (한국 시각)", "기다리는 환자", "병상이 정해진 환자", "빈 병상", "비상 연락망"),
        *(
            "번호",
            "중증도",
            "필요",
            "지역",
            "대기",
            "기한",
            "담당",
            "환자",
            "병상",
            "병원",
            "종류",
            "빈자리",
            "유효 기한",
        ),
        *("전화", "역할", "이름", "당직"),
    ),
    "en": _Words(
        *("Bed board", "Printed", "Who waits", "Who has a bed", "Free beds", "Phone tree"),
        *("No.", "Severity", "Needs", "Area", "Waiting", "Deadline", "Owner", "Patient", "Bed", "Hospital", "Kinds"),
        *("Free", "Valid until", "Telephone", "Role", "Person", "On call"),
    ),
}


def cells(each: RequestRow) -> Sequence[str]:
    """A request's line in a CSV file, under COLUMNS."""
    times = (when(each.created_ms), when(each.deadline_ms), when(each.waiting_since_ms))
    whose = (each.request_id, each.patient, each.severity, " ".join(each.needs), each.place.area, each.state)
    return (*whose, each.owner, each.requested_by, *times, str(each.tier), each.bed_id or "", str(each.number))


def as_sheet(
    language: Language,
    title: str,
    requests: Sequence[RequestRow],
    beds: Sequence[BedRow],
    people: Sequence[Person],
    now_ms: int,
) -> bytes:
    """One page for a printer: who waits, who goes where, which beds are free, whom to telephone."""
    w = _WORDS[language]
    tables = (
        _waiting(w, language, [each for each in requests if each.state in boards.UNANSWERED], now_ms),
        _on_their_way(w, language, [each for each in requests if each.state not in boards.UNANSWERED], beds),
        _free(w, language, [bed for bed in beds if bed.free and bed.valid_until_ms > now_ms]),
        _tree(w, language, people),
    )
    head = f"{escape(w.title)}: {escape(title)}"
    body = f"<h1>{head}</h1><p>{escape(w.printed)}: {local(now_ms, language)}</p>{''.join(tables)}"
    return f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{head}</title>{body}</html>'.encode()


def _waiting(w: _Words, language: Language, rows: Sequence[RequestRow], now_ms: int) -> str:
    head = (w.number, w.severity, w.needs, w.area, w.waited, w.deadline, w.owner, w.patient)
    return html_table(w.waiting, head, [
        (
            *(f"#{each.number}", word(each.severity, language), listed(each.needs, language), each.place.area),
            *(minutes(now_ms - each.waiting_since_ms, language), local(each.deadline_ms, language)),
            *(each.owner, each.patient),
        )
        for each in rows
    ])  # fmt: skip


def _on_their_way(w: _Words, language: Language, rows: Sequence[RequestRow], beds: Sequence[BedRow]) -> str:
    numbers = {bed.bed_id: str(bed.number) for bed in beds}
    head = (w.number, w.severity, w.needs, w.hospital, w.bed, w.patient)
    return html_table(w.on_their_way, head, [
        (
            *(f"#{each.number}", word(each.severity, language), listed(each.needs, language), each.hospital or ""),
            *(numbers.get(each.bed_id or "", ""), each.patient),
        )
        for each in rows
    ])  # fmt: skip


def _free(w: _Words, language: Language, beds: Sequence[BedRow]) -> str:
    rows = [
        (
            *(str(b.number), b.hospital, listed(b.kinds, language), b.place.area),
            *(str(b.free), local(b.valid_until_ms, language)),
        )
        for b in sorted(beds, key=lambda bed: (bed.hospital, bed.number))
    ]
    return html_table(w.beds, (w.bed, w.hospital, w.kinds, w.area, w.free, w.valid), rows)


def _tree(w: _Words, language: Language, people: Sequence[Person]) -> str:
    ordered = sorted(people, key=lambda each: (not each.on_call, each.role, each.hospital, each.user_id))
    rows = [(p.phone, w.on_call if p.on_call else "", p.hospital, word(p.role, language), p.user_id) for p in ordered]
    return html_table(w.tree, (w.phone, w.on_call, w.hospital, w.role, w.person), rows)
