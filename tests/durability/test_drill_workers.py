"""A drill on the smallest thing that can be hurt: three workers on one database, killed one after the other.

It proves the drill itself: real load, real and light clients, the record, the reading back, the verdict, the report.
Three sites are another matter: tests/sites.
"""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest

from bongsu.drill import report
from bongsu.drill.crowd import Sizes
from bongsu.drill.drill import Drill, Plan
from bongsu.drill.evidence import Evidence
from bongsu.drill.faults import Happened
from bongsu.drill.record import Record
from tests.durability.workers import Workers
from tests.server import data_folder

pytestmark = pytest.mark.xdist_group("heavy")  # not beside others that load the whole machine

SIZES = Sizes(writers=24, readers=3, people=3, rooms=4, rate=150.0)
SCENES = ["kill-worker", "power-off-standby"]


class Silent:
    """A `Teller` that tells nobody."""

    def follow(self, record: Record) -> None: ...

    def say(self, what: str, done: int = 0, of: int = 0) -> None: ...

    def began(self, scene: str, number: int, of: int) -> None: ...

    def ended(self, happened: Happened) -> None: ...


async def test_a_drill_runs_from_the_crowd_to_the_report(tmp_path: Path) -> None:
    with data_folder() as data_dir:
        workers = await asyncio.to_thread(Workers, data_dir)
        plan = Plan(SCENES, faults=2, seconds=0, messages=1_000, seed=7, sizes=SIZES, calm_seconds=1.0)
        drill = Drill(workers, plan, tmp_path, Silent())
        evidence = await drill.run()
    assert evidence.violations == []
    assert evidence.is_kept, evidence.checks
    assert {fate.happened.scene for fate in evidence.fates} == set(SCENES)
    assert evidence.counts["acknowledged"] >= 1_000
    assert evidence.counts["photos"] > 0
    assert evidence.counts["hung_up"] > 0
    assert msgspec.json.decode(evidence.save(tmp_path).read_bytes(), type=Evidence) == evidence
    page = report.save(evidence, drill.written, tmp_path).read_text("utf-8")
    _check_page(page, evidence)


def _check_page(page: str, evidence: Evidence) -> None:
    assert page.index("The promise was kept") < page.index("What is promised")
    assert "약속을 지켰습니다" in page
    assert page.count("<svg") == 1 + len(SCENES)
    assert f"{evidence.counts['acknowledged']:,}" in page
    fetched = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!#)[^"')\s]+""", page)
    assert not [where for where in fetched if "url(#" not in where], "the page needs nothing from elsewhere"
