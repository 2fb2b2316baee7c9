"""What every folder of tests may use: one server for the whole run."""

import gc
import os
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from tests import seen
from tests.server import Server, data_folder, running

# The same examples every time, so that a red run is red again. BONGSU_TEST_RANDOM=1 looks for new ones.
settings.register_profile("same", derandomize=True, print_blob=True)
settings.register_profile("random", print_blob=True)
settings.load_profile("random" if os.environ.get("BONGSU_TEST_RANDOM") else "same")


seen.listen()


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One worker on a new data folder, shared by all tests that do not harm it."""
    with data_folder() as data_dir:
        yield Server.start(data_dir)


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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the newest lines of every running server's log."""
    report = yield
    if report.failed:
        report.sections += [(f"log of {server.base_url}", server.log_tail()) for server in running]
    return report
