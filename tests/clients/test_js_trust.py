"""Trust and recovery with matrix-js-sdk: cross-signing, verification by emoji, secret storage, room keys in a backup.

One run of js/trust.mjs; each step reports what happened, judged here.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients.node import conversation

pytestmark = pytest.mark.xdist_group("js")
Saw = Callable[[str], Any]
OLD = ["불이 올랐다 🔥", "seen"]  # said before the tablet and the laptop came
EMOJI = 7  # that two devices show when nobody stands between them


@pytest.fixture(scope="module")
async def saw(base_url: str) -> Saw:
    """What a step reported."""
    return await conversation("trust.mjs", base_url)


async def test_secrets_and_a_backup(saw: Saw) -> None:
    assert saw("secrets_and_a_backup") == {"crossSigning": True, "secretStorage": True, "backup": "1"}


async def test_what_is_said_is_backed_up(saw: Saw) -> None:
    assert saw("what_is_said_is_backed_up") == {"read": OLD}


async def test_a_device_that_is_verified_reads_what_was_said_before(saw: Saw) -> None:
    """It is sent the secrets by the one that verified it, and fetches the keys with them."""
    assert saw("a_tablet_that_is_verified_gets_the_secrets") == {"emoji": EMOJI, "read": OLD}


async def test_a_device_with_the_recovery_key_reads_what_was_said_before(saw: Saw) -> None:
    """Nobody needs to be there for it: it finds its secrets on the server."""
    assert saw("a_laptop_with_the_recovery_key") == {"imported": 2, "total": 2, "read": OLD}


async def test_people_verify_each_other(saw: Saw) -> None:
    """Alice's other device hears of it, and Bob's does of his own."""
    assert saw("people_verify_each_other") == {"emoji": EMOJI}


async def test_keys_that_are_made_anew(saw: Saw) -> None:
    """They need the password, and whoever verified the old ones is told."""
    assert saw("keys_that_are_made_anew") == {"refusals": [True]}


async def test_a_backup_that_is_made_anew(saw: Saw) -> None:
    assert saw("a_backup_that_is_made_anew") == {"left": "M_NOT_FOUND"}
