"""What every folder of tests may use: one server for the whole run."""

import gc
import os
import re
import sys
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

from bongsu import logs  # noqa: F401 # before anything imports structlog: see below
from tests import seen
from tests.server import FOR_TESTS, Server, data_folder, running

# The same examples every time, so that a red run is red again. BONGSU_TEST_RANDOM=1 looks for new ones.
settings.register_profile("same", derandomize=True, print_blob=True)
settings.register_profile("random", print_blob=True)
settings.load_profile("random" if os.environ.get("BONGSU_TEST_RANDOM") else "same")


# Drawn by rich, one traceback in the log keeps a worker that runs in this process from its database for longer than
# that waits within a transaction. bongsu.logs hides rich from structlog, if it comes first.
assert "rich" not in sys.modules

QUICK = "tests/unit/"

seen.listen()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One worker on a new data folder, shared by all tests that do not harm it, whatever folder they stand in: a second
    one of this name would be met under the address of the first.
    """
    with data_folder() as data_dir:
        yield Server.start(data_dir, *FOR_TESTS, "--guests")


@pytest.fixture(scope="session")
def base_url(request: pytest.FixtureRequest) -> str:
    """Where the server answers. BONGSU_TEST_BASE_URL names one that already runs; then none is started."""
    outside = os.environ.get("BONGSU_TEST_BASE_URL")
    if outside:
        return outside.rstrip("/")
    server: Server = request.getfixturevalue("server")
    return server.base_url


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


class Together(LoadGroupScheduling):  # type: ignore[misc]
    """A file's tests stay on one process with all of its group, or when they are quick. The plugin itself writes the
    group into the id, where pytest reads it no longer since 9.2, and every process had a conversation of its own.

    Groups, which take longest, are begun first, and quick files fill the end.
    """

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        self._is_sorted = False

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return _group(path) or (path if path.startswith(QUICK) else nodeid)

    def _assign_work_unit(self, node: Any) -> None:
        if not self._is_sorted:
            for scope in sorted(self.workqueue, key=_turn):
                self.workqueue.move_to_end(scope)
            self._is_sorted = True
        super()._assign_work_unit(node)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """What is over is forgotten: it would be counted again after each of the tests that follow."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]


def _turn(scope: str) -> int:
    return 2 if scope.startswith(QUICK) else int(scope.startswith("tests/"))


@cache
def _group(path: str) -> str | None:
    """As the file's own pytestmark says."""
    found = re.search(r'^pytestmark = .*?(?:xdist_group\("(\w+)"\)|(in_lab)$)', _text(path), re.DOTALL | re.MULTILINE)
    return None if found is None else found[1] or "lab"


def _text(path: str) -> str:
    return (Path(__file__).parents[1] / path).read_text()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    return Together(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the newest lines of every running server's log."""
    report = yield
    if report.failed:
        report.sections += [(f"log of {server.base_url}", server.log_tail()) for server in running]
    return report
