"""A short drill on three real sites: at least five faults under load, and every promise kept."""

import asyncio
from pathlib import Path

from bongsu.drill import report
from bongsu.drill.crowd import Sizes
from bongsu.drill.drill import Drill, Plan
from bongsu.drill.laboratory import LabSites
from bongsu.drill.scenes import playable
from bongsu.lab import Lab
from tests.durability.test_drill_workers import Silent
from tests.sites.conftest import in_lab

pytestmark = in_lab

SCENES = ["power-off-leader", "power-off-standby", "cut-leader", "kill-postgres", "kill-worker", "kill-etcd"]
SIZES = Sizes(writers=60, readers=6, people=3, rooms=6, rate=200.0)


async def test_nothing_is_lost_when_sites_are_hit_under_load(lab: Lab, tmp_path: Path) -> None:
    sites = LabSites(lab)
    scenes = [name for name in playable(sites.faults()) if name in SCENES]
    assert len(scenes) >= 5
    plan = Plan(scenes, len(scenes), 0, 0, seed=1, sizes=SIZES, calm_seconds=1.0)
    drill = Drill(sites, plan, tmp_path, Silent())
    evidence = await drill.run()
    await asyncio.to_thread(report.save, evidence, drill.written, tmp_path)
    assert evidence.violations == []
    assert evidence.counts["acknowledged"] > 5_000, "too little happened to prove anything"
    broken = [check for check in evidence.checks if check.is_kept is False]
    assert [check for check in broken if check.unit != "s"] == [], (
        "how long it took is for a machine that does nothing else"
    )
