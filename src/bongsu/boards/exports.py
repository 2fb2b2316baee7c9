"""A board on paper and in other systems: CSV, OASIS EDXL-HAVE 2.0, and a sheet for the hour when nothing works."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final
from xml.etree import ElementTree

from bongsu.boards import texts
from bongsu.core.exports import html_table
from bongsu.store.boards import BedRow, Person, RequestRow

COLUMNS: Final = (
    *("request_id", "patient", "severity", "needs", "area", "state", "owner", "requested_by", "created", "deadline"),
    *("waiting_since", "tier", "bed_id"),
)
_HAVE: Final = "urn:oasis:names:tc:emergency:edxl:have:2.0"
_WORDS: Final = {
    "ko": ("병상 배정판", "기다리는 환자", "병상", "비상 연락망", "번호",
           "환자", "필요", "상태", "담당", "병원", "빈자리", "전화"),
    "en": ("Bed board", "Requests", "Beds", "Phone tree", "No.", "Patient", "Needs", "State", "Owner", "Hospital",
           "Free", "Telephone"),
}  # fmt: skip


def when(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1_000, UTC).isoformat(timespec="seconds")


def cells(each: RequestRow) -> Sequence[str]:
    """A request's line in a CSV file, under COLUMNS."""
    times = (when(each.created_ms), when(each.deadline_ms), when(each.waiting_since_ms))
    whose = (each.request_id, each.patient, each.severity, " ".join(each.needs), each.place.area, each.state)
    return (*whose, each.owner, each.requested_by, *times, str(each.tier), each.bed_id or "")


def as_have(title: str, beds: Sequence[BedRow], now_ms: int) -> bytes:
    """Each entry of beds that is still valid as a facility's capacity, by the kinds that it has."""
    beds = [bed for bed in beds if bed.valid_until_ms > now_ms]
    ElementTree.register_namespace("have", _HAVE)
    root = ElementTree.Element(f"{{{_HAVE}}}HAVE")
    _add(root, "organizationInformation", title)
    _add(root, "reportingPeriod", when(now_ms))
    for hospital in sorted({bed.hospital for bed in beds}):
        facility = ElementTree.SubElement(root, f"{{{_HAVE}}}facility")
        _add(facility, "name", hospital)
        for bed in beds:
            if bed.hospital == hospital:
                capacity = ElementTree.SubElement(facility, f"{{{_HAVE}}}bedCapacity")
                _add(capacity, "bedType", " ".join(bed.kinds))
                _add(capacity, "capacity", str(bed.places))
                _add(capacity, "availableCount", str(bed.free))
                _add(capacity, "lastUpdate", when(bed.published_ms))
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, f"{{{_HAVE}}}{name}").text = text


def as_sheet(
    language: str, title: str, requests: Sequence[RequestRow], beds: Sequence[BedRow], people: Sequence[Person]
) -> bytes:
    """One page for a printer: who waits, which beds there are, whom to telephone, those on call first."""
    head, waiting, free, tree, number, patient, needs, state, owner, hospital, count, phone = _WORDS[language]
    ordered = sorted(people, key=lambda each: (not each.on_call, each.role, each.hospital, each.user_id))
    tables = (
        html_table(waiting, (number, patient, needs, state, owner), [_request_cells(each) for each in requests]),
        html_table(free, (hospital, needs, count), [(b.hospital, texts.listed(b.kinds), str(b.free)) for b in beds]),
        html_table(tree, (phone, hospital, state, owner), [(p.phone, p.hospital, p.role, p.user_id) for p in ordered]),
    )
    body = f"<h1>{escape(head)}: {escape(title)}</h1>{''.join(tables)}"
    page = f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{escape(head)}</title>{body}</html>'
    return page.encode()


def _request_cells(each: RequestRow) -> tuple[str, ...]:
    return (texts.number(each.request_id), each.patient, texts.listed(each.needs), each.state, each.owner)
