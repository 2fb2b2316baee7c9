"""Push rules: which events a person is told about (client-server API, "Push Notifications").

A person's rules stand in kinds, and the first enabled rule that matches decides. What is stored is only what differs
from the predefined rules: {"rules": own rules by kind, most important first, "enabled": {"kind/rule_id": flag},
"actions": {"kind/rule_id": actions of a predefined rule}}. Nothing stored, or {}, means the predefined rules.
Edits are pure: they return a new stored value, or raise Refusal and change nothing.

Evaluation runs for every reader of every message, so rules are compiled once. Whatever depends only on the event's
type, room and sender is decided once for each such combination and remembered; what is left for an ordinary message
is a handful of look-ups in its content. Rulesets that compile to the same rules share one index: nearly everybody has
the predefined rules, and the person's own id is passed in at evaluation instead of being compiled in.

Globs are matched without backtracking. A pattern is cut at its stars, and the pieces are searched one after another,
each at its first place: since a star takes anything, the first place leaves the most text for the rest. To match at
word boundaries, text and pattern are cut into words and single other characters, and a mark is set at every cut and
at both ends: then "starts and ends at a word boundary" is an ordinary search for the marked piece.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final, NoReturn
from weakref import WeakValueDictionary

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param, missing_param, not_found
from bongsu.core.ids import check_text, is_room_id, is_user_id
from bongsu.core.json import JsonObject, encode

KINDS: Final = ("override", "content", "room", "sender", "underride")  # in the order they are asked
MASTER: Final = ".m.rule.master"
NOTIFICATION_LEVEL_DEFAULT: Final = 50  # of m.room.power_levels' "notifications"

_NOTIFY: Final = "notify"
_IGNORED_ACTIONS: Final = ("dont_notify", "coalesce")  # old clients send them; they mean nothing
_SOUND: Final[JsonObject] = {"set_tweak": "sound", "value": "default"}
_RING: Final[JsonObject] = {"set_tweak": "sound", "value": "ring"}
_HIGHLIGHT: Final[JsonObject] = {"set_tweak": "highlight"}


# --- the predefined rules ---


def _predefined(rule_id: str, actions: Iterable[Any], *conditions: JsonObject, enabled: bool = True) -> JsonObject:
    return {
        "rule_id": rule_id,
        "default": True,
        "enabled": enabled,
        "conditions": [dict(condition) for condition in conditions],
        "actions": [action if isinstance(action, str) else dict(action) for action in actions],
    }


def _event_match(key: str, pattern: str) -> JsonObject:
    return {"kind": "event_match", "key": key, "pattern": pattern}


def _override_defaults(user_id: str) -> list[JsonObject]:
    mentioned = {"kind": "event_property_contains", "key": "content.m\\.mentions.user_ids", "value": user_id}
    room_mentioned = {"kind": "event_property_is", "key": "content.m\\.mentions.room", "value": True}
    may_notify_room = {"kind": "sender_notification_permission", "key": "room"}
    edit = {"kind": "event_property_is", "key": "content.m\\.relates_to.rel_type", "value": "m.replace"}
    member = _event_match("type", "m.room.member")
    invite = _event_match("content.membership", "invite")
    no_state_key = _event_match("state_key", "")
    return [
        _predefined(MASTER, [], enabled=False),
        _predefined(".m.rule.suppress_notices", [], _event_match("content.msgtype", "m.notice")),
        _predefined(".m.rule.invite_for_me", [_NOTIFY, _SOUND], member, invite, _event_match("state_key", user_id)),
        _predefined(".m.rule.member_event", [], member),
        _predefined(".m.rule.is_user_mention", [_NOTIFY, _SOUND, _HIGHLIGHT], mentioned),
        _predefined(".m.rule.is_room_mention", [_NOTIFY, _HIGHLIGHT], room_mentioned, may_notify_room),
        _predefined(".m.rule.tombstone", [_NOTIFY, _HIGHLIGHT], _event_match("type", "m.room.tombstone"), no_state_key),
        _predefined(".m.rule.reaction", [], _event_match("type", "m.reaction")),
        _predefined(".m.rule.room.server_acl", [], _event_match("type", "m.room.server_acl"), no_state_key),
        _predefined(".m.rule.suppress_edits", [], edit),
    ]


def _underride_defaults() -> list[JsonObject]:
    message = _event_match("type", "m.room.message")
    encrypted = _event_match("type", "m.room.encrypted")
    two = {"kind": "room_member_count", "is": "2"}
    return [
        _predefined(".m.rule.call", [_NOTIFY, _RING], _event_match("type", "m.call.invite")),
        _predefined(".m.rule.encrypted_room_one_to_one", [_NOTIFY, _SOUND], two, encrypted),
        _predefined(".m.rule.room_one_to_one", [_NOTIFY, _SOUND], two, message),
        _predefined(".m.rule.message", [_NOTIFY], message),
        _predefined(".m.rule.encrypted", [_NOTIFY], encrypted),
    ]


def defaults(user_id: str) -> JsonObject:
    """The predefined ruleset of a person, by kind: fresh JSON, the caller's to change."""
    return {
        "override": _override_defaults(user_id),
        "content": [],
        "room": [],
        "sender": [],
        "underride": _underride_defaults(),
    }


_PREDEFINED: Final[Mapping[str, JsonObject]] = {
    f"{kind}/{rule['rule_id']}": rule for kind, rules in defaults("").items() for rule in rules
}


# --- the ruleset a person has ---


def _own_rules(stored: JsonObject | None, kind: str) -> list[JsonObject]:
    rules: list[JsonObject] = (stored or {}).get("rules", {}).get(kind, [])
    return rules


def _shown(stored: JsonObject | None, kind: str, rule: JsonObject) -> JsonObject:
    """A rule as clients see it, with what the person changed about it."""
    name = f"{kind}/{rule['rule_id']}"
    changes = stored or {}
    shown = {"default": False, "enabled": True, **rule}
    shown["enabled"] = changes.get("enabled", {}).get(name, shown["enabled"])
    shown["actions"] = changes.get("actions", {}).get(name, shown["actions"])
    return shown


def ruleset(user_id: str, stored: JsonObject | None) -> JsonObject:
    """The whole "global" ruleset: own rules before predefined ones, but the master rule before all."""
    merged: JsonObject = {}
    for kind, predefined in defaults(user_id).items():
        ordered = [rule for rule in predefined if rule["rule_id"] == MASTER]
        ordered += _own_rules(stored, kind)
        ordered += [rule for rule in predefined if rule["rule_id"] != MASTER]
        merged[kind] = [_shown(stored, kind, rule) for rule in ordered]
    return merged


def get_rule(user_id: str, stored: JsonObject | None, kind: str, rule_id: str) -> JsonObject:
    """One rule as clients see it; M_NOT_FOUND when there is none, M_INVALID_PARAM when there is no such kind."""
    _check_kind(kind)
    found: JsonObject | None = next(
        (rule for rule in ruleset(user_id, stored)[kind] if rule["rule_id"] == rule_id), None
    )
    return found or _no_such_rule()


# --- edits ---


def _no_such_rule() -> NoReturn:
    raise not_found("there is no such push rule")


def _opened(stored: JsonObject | None) -> JsonObject:
    """A copy of a stored value that an edit may change; single rules are shared, and replaced whole."""
    changes = stored or {}
    return {
        "rules": {kind: list(rules) for kind, rules in changes.get("rules", {}).items()},
        "enabled": dict(changes.get("enabled", {})),
        "actions": dict(changes.get("actions", {})),
    }


def _sealed(changes: JsonObject) -> JsonObject:
    """The stored value of an edited copy, without empty parts, and within the limits."""
    changes["rules"] = {kind: rules for kind, rules in changes["rules"].items() if rules}
    sealed = {part: value for part, value in changes.items() if value}
    _check_limits(sealed)
    return sealed


def put_rule(
    stored: JsonObject | None,
    kind: str,
    rule_id: str,
    body: JsonObject,
    *,
    before: str | None = None,
    after: str | None = None,
) -> JsonObject:
    """Adds an own rule, or replaces it; whether it is enabled stays as it was.

    before, after: the own rule it shall be just more, or just less, important than; `before` counts when both are
    given. With neither a new rule becomes the most important of its kind, and an old one keeps its place.
    """
    _check_kind(kind)
    _check_own_id(kind, rule_id)
    changes = _opened(stored)
    rule = _own_rule(kind, rule_id, body)
    changes["rules"][kind] = _placed(changes["rules"].get(kind, []), rule, before, after)
    return _sealed(changes)


def delete_rule(stored: JsonObject | None, kind: str, rule_id: str) -> JsonObject:
    """Removes an own rule; a predefined one can only be disabled (M_INVALID_PARAM)."""
    changes, name = _edit_of_existing(stored, kind, rule_id)
    if name in _PREDEFINED:
        raise invalid_param("a predefined push rule cannot be removed; disable it instead")
    changes["rules"][kind] = [rule for rule in changes["rules"][kind] if rule["rule_id"] != rule_id]
    changes["enabled"].pop(name, None)
    return _sealed(changes)


def set_enabled(stored: JsonObject | None, kind: str, rule_id: str, enabled: bool) -> JsonObject:
    changes, name = _edit_of_existing(stored, kind, rule_id)
    if enabled == (name not in _PREDEFINED or _PREDEFINED[name]["enabled"]):
        changes["enabled"].pop(name, None)
    else:
        changes["enabled"][name] = enabled
    return _sealed(changes)


def set_actions(stored: JsonObject | None, kind: str, rule_id: str, actions: object) -> JsonObject:
    """Replaces the actions of a rule, own or predefined."""
    changes, name = _edit_of_existing(stored, kind, rule_id)
    checked = _check_actions(actions)
    if name not in _PREDEFINED:
        changes["rules"][kind] = [
            {**rule, "actions": checked} if rule["rule_id"] == rule_id else rule for rule in changes["rules"][kind]
        ]
    elif checked == _PREDEFINED[name]["actions"]:
        changes["actions"].pop(name, None)
    else:
        changes["actions"][name] = checked
    return _sealed(changes)


def followed(stored: JsonObject, old: str, new: str) -> JsonObject | None:
    """The rules about a room also for its successor; None where there are none, or the successor has its own."""
    changes = _opened(stored)
    added = False
    for kind in ("override", "room", "underride"):
        rules = _own_rules(stored, kind)
        about_old = next((rule for rule in rules if rule["rule_id"] == old), None)
        if about_old is None or any(rule["rule_id"] == new for rule in rules):
            continue
        added = True
        changes["rules"][kind] = [*rules, _about(about_old, old, new)]
        if f"{kind}/{old}" in changes["enabled"]:
            changes["enabled"][f"{kind}/{new}"] = changes["enabled"][f"{kind}/{old}"]
    return _sealed(changes) if added else None


def _about(rule: JsonObject, old: str, new: str) -> JsonObject:
    copy = {**rule, "rule_id": new}
    if "conditions" in rule:
        copy["conditions"] = [
            {**condition, "pattern": new} if condition.get("pattern") == old else condition
            for condition in rule["conditions"]
        ]
    return copy


def _edit_of_existing(stored: JsonObject | None, kind: str, rule_id: str) -> tuple[JsonObject, str]:
    """(an editable copy, the rule's name in it); M_NOT_FOUND when the person has no such rule."""
    _check_kind(kind)
    name = f"{kind}/{rule_id}"
    if name not in _PREDEFINED and all(rule["rule_id"] != rule_id for rule in _own_rules(stored, kind)):
        _no_such_rule()
    return _opened(stored), name


def _place_of(rules: list[JsonObject], rule_id: str) -> int:
    for place, rule in enumerate(rules):
        if rule["rule_id"] == rule_id:
            return place
    raise Refusal(400, "M_UNKNOWN", "the rule named by before or after is not one of your own rules of this kind")


def _placed(rules: list[JsonObject], rule: JsonObject, before: str | None, after: str | None) -> list[JsonObject]:
    others = [other for other in rules if other["rule_id"] != rule["rule_id"]]
    if before is not None:
        place = _place_of(others, before)
    elif after is not None:
        place = _place_of(others, after) + 1
    else:
        place = _place_of(rules, rule["rule_id"]) if len(others) < len(rules) else 0
    return [*others[:place], rule, *others[place:]]


# --- checks of what clients send ---


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise invalid_param(f"the kind of a push rule is one of {', '.join(KINDS)}")


def _check_own_id(kind: str, rule_id: str) -> None:
    check_text(rule_id, "the rule id")
    if not rule_id or rule_id.startswith("."):
        raise invalid_param("a rule id must not be empty, and ids that begin with a dot are the server's")
    if "/" in rule_id or "\\" in rule_id:
        raise invalid_param("a rule id must hold neither / nor \\")
    if kind == "room" and not is_room_id(rule_id):
        raise invalid_param("the id of a room rule is the id of its room")
    if kind == "sender" and not is_user_id(rule_id):
        raise invalid_param("the id of a sender rule is the id of its user")


def _own_rule(kind: str, rule_id: str, body: JsonObject) -> JsonObject:
    """A rule as it is stored: its id, its actions, and the one parameter that its kind has."""
    if "actions" not in body:
        raise missing_param("a push rule needs actions")
    rule: JsonObject = {"rule_id": rule_id, "actions": _check_actions(body["actions"])}
    if kind in ("override", "underride"):
        rule["conditions"] = _check_conditions(body.get("conditions", []))
    elif kind == "content":
        if "pattern" not in body:
            raise missing_param("a content rule needs a pattern")
        rule["pattern"] = _check_string(body, "pattern")
        if not rule["pattern"]:
            raise invalid_param("the pattern of a content rule must not be empty")
    return rule


def _check_actions(actions: object) -> list[Any]:
    if not isinstance(actions, list):
        raise invalid_param("actions must be a list")
    for action in actions:
        if isinstance(action, dict):
            _check_tweak(action)
        elif action != _NOTIFY and action not in _IGNORED_ACTIONS:
            raise invalid_param('an action is "notify" or an object with set_tweak')
    return actions


def _check_tweak(action: JsonObject) -> None:
    tweak = action.get("set_tweak")
    if not isinstance(tweak, str):
        raise invalid_param("an action that is an object needs set_tweak, a string")
    if tweak == "sound" and not isinstance(action.get("value"), str):
        raise invalid_param("the value of the tweak sound must be a string")
    if tweak == "highlight" and not isinstance(action.get("value", True), bool):
        raise invalid_param("the value of the tweak highlight must be true or false")


def _check_conditions(conditions: object) -> list[JsonObject]:
    if not isinstance(conditions, list):
        raise invalid_param("conditions must be a list")
    for condition in conditions:
        if not isinstance(condition, dict) or not isinstance(condition.get("kind"), str):
            raise invalid_param("a condition must be an object with a kind")
        _check_condition(condition)
    return conditions


def _check_condition(condition: JsonObject) -> None:
    """Kinds that are not known here may come from newer clients: they are kept, and never match."""
    kind = condition["kind"]
    if kind in ("event_match", "event_property_is", "event_property_contains", "sender_notification_permission"):
        _check_string(condition, "key")
    if kind == "event_match":
        _check_string(condition, "pattern")
    elif kind in ("event_property_is", "event_property_contains"):
        if "value" not in condition or not _is_plain(condition["value"]):
            raise invalid_param(f"{kind} needs a value: a string, an integer, true, false or null")
    elif kind == "room_member_count" and not _COUNT.fullmatch(_check_string(condition, "is")):
        raise invalid_param("room_member_count needs a number, after one of ==, <, >, <=, >= or nothing")


def _check_string(holder: JsonObject, name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str):
        raise invalid_param(f"{name} must be a string")
    return check_text(value, name, limits.PUSH_PATTERN_BYTES_MAX)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return len(value.encode()) <= limits.PUSH_PATTERN_BYTES_MAX
    return value is None or (isinstance(value, int) and abs(value) <= limits.INTEGER_MAX)


def _searched_patterns(rules: Iterable[tuple[str, JsonObject]]) -> Iterator[str]:
    """What has to be searched for, condition by condition; "" stands for a search without a pattern."""
    for kind, rule in rules:
        if kind == "content":
            yield rule["pattern"]
        for condition in rule.get("conditions", ()):
            if condition["kind"] in ("event_property_contains", "contains_display_name"):
                yield ""
            elif condition["kind"] == "event_match":
                pattern = condition["pattern"]
                if condition["key"] == "content.body" or "*" in pattern or "?" in pattern:
                    yield pattern


def _check_limits(stored: JsonObject) -> None:
    rules = [(kind, rule) for kind, rules in stored.get("rules", {}).items() for rule in rules]
    if len(rules) > limits.PUSH_RULES_MAX:
        raise invalid_param(f"a person may have at most {limits.PUSH_RULES_MAX} push rules of their own")
    if len(encode(stored)) > limits.PUSH_RULES_BYTES_MAX:
        raise invalid_param(f"all push rules of a person may have at most {limits.PUSH_RULES_BYTES_MAX} bytes")
    patterns = list(_searched_patterns(rules))
    if len(patterns) > limits.PUSH_SEARCHES_MAX:
        raise invalid_param(f"at most {limits.PUSH_SEARCHES_MAX} push conditions may search a text or a list")
    if sum(len(pattern.encode()) for pattern in patterns if "?" in pattern) > limits.PUSH_QUESTION_MARKS_BYTES_MAX:
        raise invalid_param(f'patterns with "?" may have {limits.PUSH_QUESTION_MARKS_BYTES_MAX} bytes in all')


# --- dotted paths and globs ---


_NAMES: Final = re.compile(r"(?:^|\.)((?:\\[.\\]|[^.])*)", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([.\\])")


def property_path(key: str) -> tuple[str, ...]:
    r"""The names of a dot-separated path; "\." and "\\" stand for a dot and a backslash in a name."""
    if "\\" not in key:
        return tuple(key.split("."))
    return tuple(_ESCAPED.sub(r"\1", name) if "\\" in name else name for name in _NAMES.findall(key))


_path: Final = lru_cache(limits.PUSH_PATHS_CACHED_MAX)(property_path)


_EDGE: Final = "\udc00"  # marks both ends of a text, and its word boundaries; half a surrogate pair is in no JSON text
_WORDS: Final = re.compile(r"[A-Za-z0-9_]+|[^A-Za-z0-9_]")


def _cut(text: str) -> str:
    """A text without regard to case, with a mark between words. Boundaries are those of the text as it was written."""
    return _EDGE.join(_WORDS.findall(text)).casefold()


@lru_cache(limits.PUSH_TEXTS_CACHED_MAX)
def _words_of(text: str) -> str:
    return _EDGE + _cut(text) + _EDGE


@lru_cache(limits.PUSH_TEXTS_CACHED_MAX)
def _whole_of(text: str) -> str:
    return _EDGE + text.casefold() + _EDGE


@lru_cache(limits.PUSH_NAMES_CACHED_MAX)
def _name_as_words(name: str) -> str:
    return _EDGE + _cut(name) + _EDGE


def _piece_with_any(piece: str, words: bool) -> str:
    """A regular expression for a piece that holds "?". Marks are optional where a "?" stands, and never given back."""
    expression = ""
    gap = _EDGE + "?+" if words else ""
    for part in re.findall(r"\?|[^?]+", piece, re.DOTALL):
        literal = "[^" + _EDGE + "]" if part == "?" else re.escape(_cut(part) if words else part.casefold())
        expression += (gap if expression else "") + literal
    return expression


class _Glob(msgspec.Struct, frozen=True):
    """A compiled pattern. words: it shall match between any two word boundaries instead of the whole text."""

    words: bool
    pieces: tuple[str | re.Pattern[str], ...]

    def matches(self, text: str) -> bool:
        marked = _words_of(text) if self.words else _whole_of(text)
        place = 0
        for piece in self.pieces:
            if isinstance(piece, str):
                found = marked.find(piece, place)
                if found < 0:
                    return False
                place = found + len(piece)
            else:
                match = piece.search(marked, place)
                if match is None:
                    return False
                place = match.end()
        return True


def _piece(piece: str, words: bool, first: bool, last: bool) -> str | re.Pattern[str]:
    start, end = _EDGE if first else "", _EDGE if last else ""
    if "?" in piece:
        return re.compile(start + _piece_with_any(piece, words) + end)
    return start + (_cut(piece) if words else piece.casefold()) + end


def _glob(pattern: str, *, words: bool) -> _Glob:
    if words and not pattern:
        pattern = "*"  # nothing stands between word boundaries everywhere
    pieces = pattern.split("*")
    last = len(pieces) - 1
    return _Glob(words, tuple(_piece(piece, words, at == 0, at == last) for at, piece in enumerate(pieces)))


# --- conditions, compiled ---


class RoomFacts(msgspec.Struct, frozen=True):
    """What rules may ask about the room of an event, as it is after the event.

    joined_count: joined members; power_of: the power level of a user id; notification_levels: "notifications" of the
    power levels event; display_name: the reader's own name in the room (see CompiledRules.needs_display_name).
    """

    joined_count: int
    power_of: Callable[[str], int]
    notification_levels: Mapping[str, int]
    display_name: str | None
    room_id: str


class Outcome(msgspec.Struct, frozen=True):
    """What the deciding rule says. actions: its actions as a JSON array, for push gateways and GET /notifications."""

    notify: bool
    highlight: bool
    sound: str | None
    rule_id: str | None
    actions: bytes = b"[]"


SILENT: Final = Outcome(notify=False, highlight=False, sound=None, rule_id=None)

_ABSENT: Final = object()
_TYPE: Final = ("type",)
_ROOM: Final = ("room_id",)
_SENDER: Final = ("sender",)
_STATE_KEY: Final = ("state_key",)
_COUNT: Final = re.compile(r"(==|<=|>=|<|>)?([0-9]{1,15})", re.ASCII)
_COMPARE: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "": operator.eq,
    "==": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
_NOWHERE: Final = RoomFacts(0, lambda _: 0, {}, None, "")  # for conditions that do not ask about the room


def _at(event: object, path: tuple[str, ...]) -> object:
    for name in path:
        if not isinstance(event, dict):
            return _ABSENT
        event = event.get(name, _ABSENT)
    return event


class _Condition(msgspec.Struct, frozen=True):
    """Does an event fulfil it? This one is the condition nobody knows: it never holds."""

    is_personal: ClassVar[bool] = False  # the answer depends on the reader

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        return False

    def may_hold(self, event: JsonObject) -> bool:
        """For any reader at all?"""
        return True


class _AboutProperty(_Condition, frozen=True):
    path: tuple[str, ...]


class _Equals(_AboutProperty, frozen=True):
    """event_match without wildcards. text: casefolded."""

    text: str

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        value = _at(event, self.path)
        if not isinstance(value, str) or len(value) > len(self.text):
            return False  # casefolding makes no text shorter, and of a large one it takes long
        return value.casefold() == self.text


class _EqualsReader(_AboutProperty, frozen=True):
    """event_match of the reader's own id, kept out of the rule so that readers can share it."""

    is_personal: ClassVar[bool] = True

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        value = _at(event, self.path)
        return isinstance(value, str) and value.casefold() == reader.casefold()


class _Matches(_AboutProperty, frozen=True):
    """event_match with wildcards or in content.body."""

    glob: _Glob

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        value = _at(event, self.path)
        return isinstance(value, str) and self.glob.matches(value)


class _AboutValue(_AboutProperty, frozen=True):
    """type: of the value, since true and 1 are equal, here and between conditions."""

    value: str | int | bool | None
    type: type


class _Is(_AboutValue, frozen=True):
    """event_property_is."""

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        value = _at(event, self.path)
        return value == self.value and type(value) is self.type


class _Contains(_AboutValue, frozen=True):
    """event_property_contains."""

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        values = _at(event, self.path)
        if not isinstance(values, list) or self.value not in values:
            return False
        return any(value == self.value and type(value) is self.type for value in values)


class _ContainsReader(_AboutProperty, frozen=True):
    """event_property_contains of the reader's own id."""

    is_personal: ClassVar[bool] = True

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        values = _at(event, self.path)
        return isinstance(values, list) and reader in values

    def may_hold(self, event: JsonObject) -> bool:
        return isinstance(_at(event, self.path), list)


class _NamesReader(_Condition, frozen=True):
    """contains_display_name: in the body, between word boundaries; a name is no pattern."""

    is_personal: ClassVar[bool] = True

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        body = _at(event, _BODY)
        if not isinstance(body, str) or not room.display_name:
            return False
        if len(room.display_name) > limits.DISPLAY_NAME_BYTES_MAX:
            return False  # nobody is called by such a name
        return _name_as_words(room.display_name) in _words_of(body)


class _MemberCount(_Condition, frozen=True):
    """room_member_count."""

    comparison: str
    count: int

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        return _COMPARE[self.comparison](room.joined_count, self.count)


class _SenderMayNotify(_Condition, frozen=True):
    """sender_notification_permission."""

    key: str

    def holds(self, event: JsonObject, room: RoomFacts, reader: str) -> bool:
        needed = room.notification_levels.get(self.key, NOTIFICATION_LEVEL_DEFAULT)
        return room.power_of(event["sender"]) >= needed


_BODY: Final = ("content", "body")


def _compiled_match(key: str, pattern: str, reader: str) -> _Condition:
    path = _path(key)
    if path == _BODY:
        return _Matches(path, _glob(pattern, words=True))
    if pattern == reader:
        return _EqualsReader(path)
    if "*" in pattern or "?" in pattern:
        return _Matches(path, _glob(pattern, words=False))
    return _Equals(path, pattern.casefold())


def _compiled_count(text: str) -> _Condition:
    found = _COUNT.fullmatch(text)
    return _MemberCount(found[1] or "", int(found[2])) if found else _Condition()


def _compiled_condition(condition: object, reader: str) -> _Condition:
    """Anything of a wrong shape becomes a condition that never holds."""
    match condition:
        case {"kind": "event_match", "key": str(key), "pattern": str(pattern)}:
            return _compiled_match(key, pattern, reader)
        case {"kind": "event_property_is", "key": str(key), "value": str() | int() | None as value}:
            return _Is(_path(key), value, type(value))
        case {"kind": "event_property_contains", "key": str(key), "value": str() | int() | None as value}:
            return _ContainsReader(_path(key)) if value == reader else _Contains(_path(key), value, type(value))
        case {"kind": "contains_display_name"}:
            return _NamesReader()
        case {"kind": "room_member_count", "is": str(text)}:
            return _compiled_count(text)
        case {"kind": "sender_notification_permission", "key": str(key)}:
            return _SenderMayNotify(key)
    return _Condition()


# --- rules, compiled ---


class _Rule(msgspec.Struct, frozen=True):
    conditions: tuple[_Condition, ...]
    outcome: Outcome


def _outcome(rule_id: str, actions: list[Any]) -> Outcome:
    tweaks = {action["set_tweak"]: action for action in actions if isinstance(action, dict) and "set_tweak" in action}
    notify = _NOTIFY in actions
    sound = tweaks.get("sound", {}).get("value")
    return Outcome(
        notify=notify,
        highlight=notify and "highlight" in tweaks and tweaks["highlight"].get("value", True) is True,
        sound=sound if notify and isinstance(sound, str) else None,
        rule_id=rule_id,
        actions=encode(actions),
    )


def _compiled_conditions(kind: str, rule: JsonObject, reader: str) -> tuple[_Condition, ...]:
    match kind:
        case "content":
            return (_Matches(_BODY, _glob(rule["pattern"], words=True)),)
        case "room":
            return (_Is(_ROOM, rule["rule_id"], str),)
        case "sender":
            return (_Is(_SENDER, rule["rule_id"], str),)
    return tuple(_compiled_condition(condition, reader) for condition in rule.get("conditions", ()))


def _compiled_rules(rules: JsonObject, reader: str) -> Iterator[_Rule]:
    for kind in KINDS:
        for rule in rules.get(kind, ()):
            if not rule["enabled"]:
                continue
            conditions = _compiled_conditions(kind, rule, reader)
            if all(type(condition) is not _Condition for condition in conditions):
                yield _Rule(conditions, _outcome(rule["rule_id"], rule["actions"]))


_Test = Callable[[JsonObject, RoomFacts, str], bool]
_Candidates = tuple[tuple[tuple[_Condition, ...], Outcome], ...]
_Left = tuple[tuple[tuple[_Test, ...], Outcome], ...]


class _Met(msgspec.Struct, frozen=True):
    """What came of an event in a room. It keeps the content, so that no other takes its id().

    left: the rules that can still match it, with the tests that depend on the reader; for_all: what the first of them
    says, where it has no such test.
    """

    content: Mapping[str, Any]
    room: RoomFacts
    event: JsonObject
    left: _Left
    for_all: Outcome | None


class _Index:
    """The rules of one ruleset, sorted out by type, room and sender of events as these are met."""

    def __init__(self, rules: tuple[_Rule, ...]) -> None:
        self.rules = rules
        conditions = [condition for rule in rules for condition in rule.conditions]
        self.needs_display_name = any(isinstance(condition, _NamesReader) for condition in conditions)
        self._rooms = frozenset(_named(conditions, _ROOM))
        self._senders = frozenset(_named(conditions, _SENDER))
        self._candidates: dict[tuple[str, str | None, str | None], _Candidates] = {}
        self._silent: dict[str, bool] = {}
        self.met: dict[int, _Met] = {}  # by the content's id(): of those that were met last

    def meet(
        self, event_type: str, sender: str, state_key: str | None, content: Mapping[str, Any], room: RoomFacts
    ) -> _Met:
        """The readers of a message ask one after another, with the same objects: the first one's answer is kept."""
        event: JsonObject = {"type": event_type, "sender": sender, "room_id": room.room_id, "content": content}
        if state_key is not None:
            event["state_key"] = state_key
        left = self._narrowed(event, room)
        for_all = SILENT if not left else None if left[0][0] else left[0][1]
        if len(self.met) >= limits.PUSH_EVENTS_CACHED_MAX:
            self.met.clear()
        met = self.met[id(content)] = _Met(content, room, event, left, for_all)
        return met

    def _narrowed(self, event: JsonObject, room: RoomFacts) -> _Left:
        left: list[tuple[tuple[_Test, ...], Outcome]] = []
        for conditions, outcome in self.candidates(event["type"], room.room_id, event["sender"]):
            personal: list[_Test] = []
            for condition in conditions:
                if condition.is_personal:
                    if not condition.may_hold(event):
                        break
                    personal.append(condition.holds)
                elif not condition.holds(event, room, ""):
                    break
            else:
                left.append((tuple(personal), outcome))
                if not personal:
                    break  # it matches for everybody: no later rule is reached
        return tuple(left)

    def candidates(self, event_type: str, room_id: str, sender: str) -> _Candidates:
        """The rules that can still match, in order, with the conditions that are still open.

        Rooms and senders that no rule names are one and the same to it, so that few combinations are kept.
        """
        room = room_id if self._rooms and room_id.casefold() in self._rooms else None
        person = sender if self._senders and sender.casefold() in self._senders else None
        key = (event_type, room, person)
        found = self._candidates.get(key)
        if found is None:
            if len(self._candidates) >= limits.PUSH_TYPES_CACHED_MAX:
                self._candidates.clear()
            found = self._candidates[key] = tuple(self._sorted_out(*key))
        return found

    def is_silent_about(self, event_type: str) -> bool:
        """Is it sure that no event of this type notifies anybody whom its state key does not name?"""
        found = self._silent.get(event_type)
        if found is None:
            if len(self._silent) >= limits.PUSH_TYPES_CACHED_MAX:
                self._silent.clear()
            found = self._silent[event_type] = self._finds_silent(event_type)
        return found

    def _finds_silent(self, event_type: str) -> bool:
        known = {"type": event_type}
        for rule in self.rules:
            decided = [condition for condition in rule.conditions if _is_about_type(condition)]
            if not all(condition.holds(known, _NOWHERE, "") for condition in decided) or any(
                isinstance(condition, _EqualsReader) and condition.path == _STATE_KEY for condition in rule.conditions
            ):
                continue
            if rule.outcome.notify:
                return False
            if len(decided) == len(rule.conditions):
                break  # no later rule is reached
        return True

    def _sorted_out(
        self, event_type: str, room_id: str | None, sender: str | None
    ) -> Iterator[tuple[tuple[_Condition, ...], Outcome]]:
        known = {"type": event_type, "room_id": room_id or _ABSENT, "sender": sender or _ABSENT}
        for rule in self.rules:
            decided = [condition for condition in rule.conditions if _is_decided(condition)]
            if all(condition.holds(known, _NOWHERE, "") for condition in decided):
                yield tuple(c for c in rule.conditions if c not in decided), rule.outcome
                if len(decided) == len(rule.conditions):
                    return  # it matches every such event: no later rule is reached


def _is_about_type(condition: _Condition) -> bool:
    return isinstance(condition, _AboutProperty) and condition.path == _TYPE


def _is_decided(condition: _Condition) -> bool:
    """Can it be decided from the type alone, or from a room or sender that it names?"""
    match condition:
        case _Equals(path=path) | _Is(path=path):
            return path in (_TYPE, _ROOM, _SENDER)
        case _Matches(path=path):
            return path == _TYPE
    return False


def _named(conditions: Iterable[_Condition], path: tuple[str, ...]) -> Iterator[str]:
    for condition in conditions:
        if isinstance(condition, _Equals) and condition.path == path:
            yield condition.text
        elif isinstance(condition, _Is) and condition.path == path and isinstance(condition.value, str):
            yield condition.value.casefold()


_indexes: Final[WeakValueDictionary[tuple[_Rule, ...], _Index]] = WeakValueDictionary()


def _shared_index(rules: tuple[_Rule, ...]) -> _Index:
    """One index for all who have the same rules; it lives as long as somebody uses it."""
    index = _indexes.get(rules)
    if index is None:
        index = _indexes[rules] = _Index(rules)
    return index


class CompiledRules:
    """A person's rules, ready to be asked about events.

    needs_display_name: whether any rule asks for RoomFacts.display_name; if not, all readers can share one RoomFacts.
    """

    __slots__ = ("_index", "_user_id", "needs_display_name")

    def __init__(self, rules: JsonObject, user_id: str) -> None:
        """rules: as ruleset() gives them."""
        self._user_id = user_id
        self._index = _shared_index(tuple(_compiled_rules(rules, user_id)))
        self.needs_display_name = self._index.needs_display_name

    def is_silent_about(self, event_type: str) -> bool:
        """Is it sure that events of this type do not notify the reader, unless their state key is the reader's id?"""
        return self._index.is_silent_about(event_type)

    def evaluate(
        self, event_type: str, sender: str, state_key: str | None, content: Mapping[str, Any], room: RoomFacts
    ) -> Outcome:
        """What the first matching rule says; SILENT when none matches, and for the reader's own events.

        Rules see the type, sender, room_id, state_key and content of an event. content: parsed JSON, one object for
        one event.
        """
        reader = self._user_id
        if sender == reader:
            return SILENT
        met = self._index.met.get(id(content))
        if met is None or met.content is not content or met.room is not room:
            met = self._index.meet(event_type, sender, state_key, content, room)
        if met.for_all is not None:
            return met.for_all
        for tests, outcome in met.left:
            for test in tests:
                if not test(met.event, room, reader):
                    break
            else:
                return outcome
        return SILENT
