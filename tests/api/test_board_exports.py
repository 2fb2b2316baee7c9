"""What other systems and paper get of a board: CSV, EDXL-HAVE as those read it who know it, the sheet."""

from collections.abc import Awaitable, Callable
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import aiohttp
import asyncpg
import pytest
from tests.api.boards import Board
from yarl import URL

from bongsu.store import boards as table

Fetch = Callable[..., Awaitable[str]]
NAMES = {
    "have": "urn:oasis:names:tc:emergency:edxl:have:2.0",
    "ct": "urn:oasis:names:tc:emergency:edxl:ct:1.0",
    "xnl": "urn:oasis:names:tc:emergency:edxl:ciq:1.0:xnl",
    "gml": "http://www.opengis.net/gml/3.2",
}


@pytest.fixture
def fetch(board: Board, http: aiohttp.ClientSession) -> Fetch:
    async def of(name: str, role: str = "coordinator") -> str:
        url = http._base_url.join(URL(f"{board.path}/{name}", encoded=True))  # type: ignore[union-attr]
        headers = {"Authorization": f"Bearer {board.people[role].access_token}"}
        async with http.get(url, headers=headers) as response:
            assert response.status == 200
            return await response.text()

    return of


def shape(element: Element, depth: int = 0) -> list[str]:
    """Names in order, by their depth."""
    uri, _, name = element.tag[1:].partition("}")
    prefix = next(prefix for prefix, each in NAMES.items() if each == uri)
    return [f"{'.' * depth}{prefix}:{name}", *(line for child in element for line in shape(child, depth + 1))]


async def test_beds_in_the_terms_of_have(board: Board, fetch: Fetch) -> None:
    first = await board.bed(kinds=["icu", "isolation"], free=3)
    await board.bed(kinds=["dialysis"], place="서울", free=1)
    request_id = await board.wish()
    await board.done("coordinator", "POST", f"/requests/{request_id}/assignment", {"bed_id": first})
    root = ElementTree.fromstring(await fetch("export.xml", "observer"))
    assert [line for line in shape(root) if line.count(".") < 4] == [
        "have:HAVE",
        ".have:organizationInformation",
        "..xnl:organisationName",
        "...xnl:nameElement",
        ".have:reportingPeriod",
        "..ct:fromDateTime",
        "..ct:toDateTime",
        ".have:facility",
        "..have:facilityInformation",
        "...have:facilityID",
        "...have:facilityName",
        "...have:facilityGeoLocation",
        "..have:serviceList",
        *("...have:serviceListItem", "...have:serviceListItem"),
        "..have:lastUpdateTime",
    ]
    # As two public transforms of such documents look for things.
    (facility,) = root.findall("have:facility", NAMES)
    assert facility.findtext("have:facilityInformation/have:facilityName", None, NAMES) == "한빛병원"
    at = "have:facilityInformation/have:facilityGeoLocation/ct:EDXLGeoLocation/gml:Point/gml:pos"
    assert facility.findtext(at, None, NAMES) == "37.5 127.0"
    services = facility.findall("have:serviceList/have:serviceListItem", NAMES)
    assert {each.findtext("have:serviceName", None, NAMES) for each in services} == {"icu, isolation", "dialysis"}
    counts = {
        tuple(kind.text or "" for kind in each.iterfind("have:bedCapacity/have:bedType/ct:Value", NAMES)): (
            each.findtext("have:bedCapacity/have:capacity/have:availableCount", None, NAMES),
            each.findtext("have:bedCapacity/have:capacity/have:baselineCount", None, NAMES),
        )
        for each in services
    }
    assert counts == {("icu", "isolation"): ("2", "3"), ("dialysis",): ("1", "1")}
    times = [root.findtext(f"have:reportingPeriod/ct:{end}DateTime", "", NAMES) for end in ("from", "to")]
    assert all(len(each) == 25 and each.endswith("+00:00") for each in times), times
    assert times == sorted(times)


async def test_a_spreadsheet_and_a_sheet_of_paper(board: Board, fetch: Fetch) -> None:
    bed_id = await board.bed()
    first = await board.wish(patient="P-17")
    await board.wish(patient="P-18", severity="urgent")
    await board.done("coordinator", "POST", f"/requests/{first}/assignment", {"bed_id": bed_id})
    await board.done("provider", "POST", f"/requests/{first}/accept")
    assert "P-17" in await fetch("export.csv")
    sheet = await fetch("sheet?lang=ko")
    waiting, rest = sheet.split("병상이 정해진 환자")
    assert "P-18" in waiting
    assert "긴급" in waiting
    assert "중환자" not in waiting.split("<tbody>")[0]
    assert "P-17" not in waiting
    assert "P-17" in rest
    assert "02-123-4567" in sheet
    assert "한국 시각" in waiting
    english = await fetch("sheet?lang=en")
    assert "Who waits" in english
    assert "urgent" in english


async def test_an_export_leaves_out_the_oldest_where_there_are_too_many(
    board: Board, database: asyncpg.Connection
) -> None:
    wishes = [await board.wish() for _ in range(3)]
    for most, left in ((2, wishes[1:]), (3, wishes), (4, wishes)):
        after = await table.before_newest(database, board.room_id, most)
        rows = await table.requests(database, board.room_id, ("waiting",), after, 10)
        assert [row.request_id for row in rows] == left


async def test_beds_that_nobody_confirmed_are_on_no_list_for_others(
    board: Board, fetch: Fetch, database: asyncpg.Connection
) -> None:
    bed_id = await board.bed(kinds=["dialysis"])
    await board.bed(kinds=["icu"])
    await database.execute("UPDATE board_beds SET valid_until_ms = 1 WHERE bed_id = $1", bed_id)
    for name, valid, old in (("export.xml", "icu", "dialysis"), ("sheet?lang=ko", "중환자", "투석")):
        text = await fetch(name)
        assert valid in text
        assert old not in text
