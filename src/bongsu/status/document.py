"""What /status says, as a value: the JSON's shape, and what the page is drawn from."""

import msgspec


class FeatureState(msgspec.Struct):
    """level: "works", "partly", "delayed", "stopped", or "unknown" until two looks agree; since_ms: measured, null
    while unknown. sites: the same of each site that answers.
    """

    name: str
    tier: int
    level: str
    since_ms: int | None
    sites: dict[str, str]


class SiteState(msgspec.Struct):
    """answers: null until it is known. since_ms: since when it does, or does not. answered_ms: its last answer."""

    name: str
    is_here: bool
    answers: bool | None
    refuses: bool
    is_leaving: bool
    since_ms: int | None
    answered_ms: int | None


class IncidentState(msgspec.Struct):
    """number: as in the record, null for what goes on and may not be in it yet. parts: the worst each came to."""

    number: int | None
    since_ms: int
    ended_ms: int | None
    parts: dict[str, str]
    seen_by: list[str]


class Document(msgspec.Struct):
    """All that /status says. Times are milliseconds since the epoch by this site's clock, and measured.

    level: of everything together. looked_ms: when this site looked last; null: not yet. incident: what goes on now, as
    this site sees it; incidents: those of the record, newest first.
    """

    name: str
    version: str
    server_name: str
    site: str
    now_ms: int
    started_ms: int
    looked_ms: int | None
    level: str
    features: list[FeatureState]
    sites: list[SiteState]
    incident: IncidentState | None
    incidents: list[IncidentState]
    record_altered: bool
