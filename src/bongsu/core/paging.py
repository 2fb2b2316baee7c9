"""Lists in pages: a token names the last row's place, so that what comes or goes meanwhile moves nobody's page."""

from collections.abc import Sequence

import msgspec

from bongsu.core import base64url, limits
from bongsu.core.errors import invalid_param

Place = tuple[int, str]  # what a list is ordered by, and the row's id


class Page(msgspec.Struct, frozen=True):
    """count rows behind `after`; None: from the beginning."""

    count: int
    after: Place | None


def token(place: Place) -> str:
    return base64url.encode(msgspec.json.encode(place))


def place(text: str) -> Place:
    """The place that a token names. 400 for what is no token."""
    if len(text) > limits.PAGE_TOKEN_BYTES_MAX:
        raise invalid_param("from must be a token that an earlier page gave")
    try:
        found = msgspec.json.decode(base64url.decode(text), type=tuple[int, str])
    except (ValueError, msgspec.MsgspecError):
        raise invalid_param("from must be a token that an earlier page gave") from None
    if abs(found[0]) > limits.INTEGER_MAX or "\x00" in found[1]:
        raise invalid_param("from must be a token that an earlier page gave")
    return found


def next_token(page: Page, places: Sequence[Place]) -> dict[str, str]:
    """The member `next_batch` of an answer, unless the list ends here. places: of the rows that were found."""
    return {"next_batch": token(places[-1])} if places and len(places) >= page.count else {}
