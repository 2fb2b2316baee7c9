"""What the board answers, as it is described. Times are ms since the epoch; a test holds the real answers to it."""

from typing import Literal

import msgspec

from bongsu.core.boards import Act, Distribution, Place, Role, Severity, State

Tier = Literal["owner", "coordinators", "on_call", "contacts"]


class BoardSaid(msgspec.Struct):
    """role: of who asks; waiting: unanswered requests, the longest of them since `since`."""

    room_id: str
    title: str
    role: Role
    waiting: int
    since: int | None


class BoardsSaid(msgspec.Struct):
    boards: list[BoardSaid]
    now: int
    next_batch: str | None = None


class PersonSaid(msgspec.Struct):
    user_id: str
    role: Role
    hospital: str
    on_call: bool
    phone: str | None = None


class WholeBoard(msgspec.Struct):
    """hospital: for which who asks speaks, as a provider; may: the acts that their role allows."""

    room_id: str
    title: str
    role: Role
    hospital: str
    may: list[Act]
    people: list[PersonSaid]
    tiers: list[Tier]
    next_batch: str | None = None


class BedSaid(msgspec.Struct):
    """number: what people call it; places: that are open; free: those of them that nobody holds.

    version: to be named when free is published anew.
    """

    bed_id: str
    hospital: str
    kinds: list[str]
    place: Place
    note: str
    published_by: str
    published: int
    valid_until: int
    is_withdrawn: bool
    is_valid: bool
    places: int
    free: int
    version: int
    number: int


class BedsSaid(msgspec.Struct):
    beds: list[BedSaid]
    now: int
    next_batch: str | None = None


class RequestSaid(msgspec.Struct):
    """patient, note and where exactly: empty for whom it does not concern. waited_ms: None once it is answered."""

    request_id: str
    patient: str
    severity: Severity
    needs: list[str]
    place: Place
    note: str
    requested_by: str
    created: int
    deadline: int
    state: State
    owner: str
    waiting_since: int
    tier: Tier
    due: int | None
    closed: int | None
    bed_id: str | None
    offer_id: int | None
    hospital: str | None
    waited_ms: int | None
    number: int


class RequestsSaid(msgspec.Struct):
    requests: list[RequestSaid]
    now: int
    next_batch: str | None = None


class SuggestionSaid(msgspec.Struct):
    bed_id: str
    hospital: str
    distance_km: float | None
    same_area: bool
    spare: int


class SuggestionsSaid(msgspec.Struct):
    suggestions: list[SuggestionSaid]


class StatsSaid(msgspec.Struct):
    """counts, waiting_counts: how many times are at most as long as each of bins_ms, and then those that are longer."""

    time_to_assign_ms: Distribution
    without_bed_ms: Distribution
    waiting_now: int
    waiting_now_ms: Distribution
    bins_ms: list[int]
    counts: list[int]
    waiting_counts: list[int]


class AccessSaid(msgspec.Struct):
    """day: since the epoch."""

    user_id: str
    what: str
    day: int
    times: int


class AccessesSaid(msgspec.Struct):
    access: list[AccessSaid]
    next_batch: str | None = None


# --- of writes ---


class BoardMade(msgspec.Struct):
    room_id: str
    title: str


class Nothing(msgspec.Struct):
    pass


class BedPublished(msgspec.Struct):
    bed_id: str
    version: int


class BedWithdrawn(msgspec.Struct):
    """waiting_again: requests that had it."""

    waiting_again: list[str]


class RequestMade(msgspec.Struct):
    request_id: str
    owner: str
    deadline: int
    due: int


class RequestNow(msgspec.Struct):
    """offer_id: of an offer that was just made."""

    request_id: str
    state: State
    owner: str
    offer_id: int | None = None
