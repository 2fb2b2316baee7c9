"""What a channel's own programs may do: scopes of the keys that its owner gives them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from bongsu.core.errors import invalid_param

KEY_PREFIX: Final = "bck_"  # so that a key is told from people's tokens at a look, and found where it should not be


class Scope(StrEnum):
    TEMPLATES_SEND = "templates:send"
    DESK_BOT = "desk:bot"
    WEBHOOKS_MANAGE = "webhooks:manage"


def check_scopes(said: Iterable[str]) -> list[str]:
    """Each once; 400 for none, and for one that there is not."""
    known = [each.value for each in Scope]
    wanted = sorted(set(said))
    if not wanted or any(each not in known for each in wanted):
        raise invalid_param(f"scopes is a list with some of {', '.join(known)}")
    return wanted
