"""What a route says of itself, for the description that is generated (workflow/openapi.py)."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Described(msgspec.Struct, frozen=True):
    """summary: a sentence. body: the type that is read (msgspec). query: names of parameters.

    answers: the type of each answer by its status, None for one that is no JSON. errors: codes of the service's own by
    status. is_write: it takes an Idempotency-Key.
    """

    summary: str
    answers: dict[int, Any]
    body: Any = None
    query: tuple[str, ...] = ()
    errors: Mapping[int, tuple[str, ...]] = {}
    is_write: bool = False
