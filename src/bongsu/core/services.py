"""Application services: bridges and bots that answer for whole ranges of people, aliases and rooms.

A registration is what their makers ship as registration.yaml (application service API, "Registration"). A pattern fits
an id when it matches at its beginning, as the files that are around expect.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import Refusal, invalid_param

_OLD_EPHEMERAL: Final = "de.sorunome.msc2409.ephemeral"
_KINDS: Final = ("users", "aliases", "rooms")


class Namespace(msgspec.Struct, frozen=True):
    regex: str
    exclusive: bool = False


class Namespaces(msgspec.Struct, frozen=True):
    users: list[Namespace] = []
    aliases: list[Namespace] = []
    rooms: list[Namespace] = []


class Registration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """url: None for a service that is told nothing.

    ephemeral: tell it of typing, receipts and presence; the other two say so in the words of before.
    """

    id: str
    as_token: str
    hs_token: str
    sender_localpart: str
    url: str | None = None
    namespaces: Namespaces = Namespaces()
    rate_limited: bool = True
    protocols: list[str] | None = None
    ephemeral: bool = msgspec.field(default=False, name="receive_ephemeral")
    plain_ephemeral: bool = msgspec.field(default=False, name="push_ephemeral")
    old_ephemeral: bool = msgspec.field(default=False, name="de.sorunome.msc2409.push_ephemeral")


def parse(given: object) -> Registration:
    """A registration as its file says it. M_INVALID_PARAM for one that cannot be."""
    if isinstance(given, dict) and isinstance(given.get("namespaces"), dict):  # an empty list in YAML is often null
        named = {kind: found for kind, found in given["namespaces"].items() if found is not None}
        given = {**given, "namespaces": named}
    try:
        registration = msgspec.convert(given, Registration)
    except msgspec.ValidationError as error:
        raise invalid_param(f"the registration does not fit: {error}") from None
    registration = msgspec.structs.replace(registration, url=(registration.url or "").rstrip("/") or None)
    _check(registration)
    return registration


def _check(registration: Registration) -> None:
    ids.check_text(registration.id, "id")
    if not registration.id or "/" in registration.id:
        raise invalid_param("id must be a name without a slash")
    for name in ("as_token", "hs_token"):
        token = getattr(registration, name)
        if len(token) < limits.SERVICE_TOKEN_CHARACTERS_MIN or not (token.isascii() and token.isprintable()):
            raise invalid_param(f"{name} must have at least {limits.SERVICE_TOKEN_CHARACTERS_MIN} ASCII characters")
    if registration.url is not None and urlsplit(registration.url).scheme not in ("http", "https"):
        raise invalid_param("url must begin with http:// or https://")
    for kind in _KINDS:
        for namespace in getattr(registration.namespaces, kind):
            _check_pattern(namespace.regex)


def _check_pattern(regex: str) -> None:
    if len(regex) > limits.SERVICE_PATTERN_CHARACTERS_MAX:
        raise invalid_param("a pattern of a namespace is too long")
    try:
        re.compile(regex)
    except re.error as error:
        raise invalid_param(f"{regex!r} is no pattern: {error}") from None


class Service:
    """A registration, ready to be asked whom it answers for. sender: the user id of the service itself."""

    def __init__(self, registration: Registration, server_name: str) -> None:
        self.registration = registration
        self.id = registration.id
        self.sender = ids.user_id(registration.sender_localpart, server_name)
        self._all = {kind: _patterns(getattr(registration.namespaces, kind)) for kind in _KINDS}
        self._own = {
            kind: _patterns(each for each in getattr(registration.namespaces, kind) if each.exclusive)
            for kind in _KINDS
        }

    @property
    def wants_ephemeral(self) -> bool:
        return bool(self.ephemeral_names)

    @property
    def ephemeral_names(self) -> list[str]:
        """What transactions call the ephemeral events; none where the service wants none."""
        given = self.registration
        names = {"ephemeral": given.ephemeral or given.plain_ephemeral, _OLD_EPHEMERAL: given.old_ephemeral}
        return [name for name, is_wanted in names.items() if is_wanted]

    @property
    def names_aliases(self) -> bool:
        return bool(self._all["aliases"])

    def has_user(self, user_id: str) -> bool:
        return user_id == self.sender or _fits(self._all["users"], user_id)

    def has_alias(self, alias: str) -> bool:
        return _fits(self._all["aliases"], alias)

    def has_room(self, room_id: str) -> bool:
        return _fits(self._all["rooms"], room_id)

    def owns_user(self, user_id: str) -> bool:
        """Is it for this service alone to have?"""
        return user_id == self.sender or _fits(self._own["users"], user_id)

    def owns_alias(self, alias: str) -> bool:
        return _fits(self._own["aliases"], alias)


def _patterns(namespaces: Iterable[Namespace]) -> Sequence[re.Pattern[str]]:
    return [re.compile(namespace.regex) for namespace in namespaces]


def _fits(patterns: Sequence[re.Pattern[str]], identifier: str) -> bool:
    return any(pattern.match(identifier) for pattern in patterns)


def exclusive(what: str) -> Refusal:
    return Refusal(400, "M_EXCLUSIVE", f"{what} is kept for a service")


# --- networks ---


def instance_id(service_id: str, network_id: str) -> str:
    """What clients call one network of one service."""
    return f"{service_id}|{network_id}"


def protocol_for_clients(service_id: str, said: Any) -> dict[str, Any] | None:
    """What a service says of a protocol, with ids for its networks; None for what clients could not read."""
    if not isinstance(said, dict) or not isinstance(said.get("field_types"), dict):
        return None
    if not all(isinstance(said.get(name), list) for name in ("user_fields", "location_fields")):
        return None
    instances = said.get("instances")
    shown = [
        {**each, "instance_id": instance_id(service_id, str(each.get("network_id", "")))}
        for each in (instances if isinstance(instances, list) else [])
        if isinstance(each, dict)
    ]
    return {**said, "icon": str(said.get("icon", "")), "instances": shown}


def merged(protocols: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One protocol that several services speak: the first one's words, and everybody's networks."""
    return {**protocols[0], "instances": [each for protocol in protocols for each in protocol["instances"]]}
