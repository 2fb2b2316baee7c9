"""A server that nobody asks for them does without the large libraries: each is loaded by who needs it first."""

import subprocess
import sys
from typing import Final

import pytest

# With what they bring these are as large as all else together.
_LARGE: Final = (
    *("cryptography", "webauthn", "OpenSSL", "joserfc", "http_ece"),
    *("aiohttp", "yarl", "aiosmtplib", "selectolax", "PIL", "pyvips", "segno", "rich", "pygments"),
)


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What is loaded before a server takes its first request."""
    told = "from bongsu import cli, main; import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    out = subprocess.run([sys.executable, "-c", told], check=True, capture_output=True, text=True)
    return set(out.stdout.split())


def test_what_a_server_stands_on_is_seen_here(loaded: set[str]) -> None:
    assert {"asyncpg", "uvicorn", "structlog", "bongsu"} <= loaded


@pytest.mark.parametrize("name", _LARGE)
def test_a_large_library_waits_until_it_is_needed(loaded: set[str], name: str) -> None:
    assert name not in loaded
