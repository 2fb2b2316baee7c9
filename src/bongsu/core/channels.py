"""Channels: who may do what for one, names that are shown, what followers agree to, and when what may be sent.

Pure. Times in ms since the epoch; hours are those of Korea.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, Literal

import msgspec

from bongsu.core import ids, limits
from bongsu.core.errors import Refusal, forbidden, invalid_param
from bongsu.core.usernames import CHANNEL

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
KOREA_MS: Final = 9 * _HOUR_MS  # ahead of UTC, all year

# --- who may do what ---


class Role(StrEnum):
    OWNER = "owner"
    EDITOR = "editor"
    AGENT = "agent"


class Deed(StrEnum):
    """What is done for a channel. Looking at its home is for everybody."""

    EDIT = "edit"
    CLOSE = "close"
    APPOINT = "appoint"
    SEE_STAFF = "see_staff"
    POST = "post"
    BROADCAST = "broadcast"
    SEE_FOLLOWERS = "see_followers"
    SEE_AUDIT = "see_audit"
    SEE_DESK = "see_desk"
    DESK = "desk"
    SET_DESK = "set_desk"
    SEE_REPLIES = "see_replies"
    SET_REPLIES = "set_replies"
    SEE_TEMPLATES = "see_templates"
    SET_TEMPLATES = "set_templates"
    SEND_TEMPLATES = "send_templates"
    KEYS = "keys"
    WEBHOOKS = "webhooks"


_ALL: Final = frozenset(Role)
_EDITORS: Final = frozenset({Role.OWNER, Role.EDITOR})
_OWNER: Final = frozenset({Role.OWNER})
_AGENTS: Final = frozenset({Role.OWNER, Role.AGENT})  # what customers write is read by those who answer alone
MAY: Final = {
    Deed.EDIT: _EDITORS,
    Deed.CLOSE: _OWNER,
    Deed.APPOINT: _OWNER,
    Deed.SEE_STAFF: _ALL,
    Deed.POST: _EDITORS,
    Deed.BROADCAST: _EDITORS,
    Deed.SEE_FOLLOWERS: _EDITORS,
    Deed.SEE_AUDIT: _OWNER,
    Deed.SEE_DESK: _AGENTS,
    Deed.DESK: _AGENTS,
    Deed.SET_DESK: _OWNER,
    Deed.SEE_REPLIES: _ALL,
    Deed.SET_REPLIES: _ALL,
    Deed.SEE_TEMPLATES: _ALL,
    Deed.SET_TEMPLATES: _EDITORS,
    Deed.SEND_TEMPLATES: _EDITORS,
    Deed.KEYS: _OWNER,
    Deed.WEBHOOKS: _OWNER,
}


def may(role: Role | None, deed: Deed) -> bool:
    """role None: somebody who does not work for the channel."""
    return role in MAY[deed]


def check_may(role: Role | None, deed: Deed) -> None:
    if role is None:
        raise forbidden("this is for those who work for the channel")
    if not may(role, deed):
        allowed = " or ".join(each.value for each in Role if each in MAY[deed])
        raise forbidden(f"this is for the channel's {allowed}")


def account_of(channel_id: str, server_name: str) -> str:
    """The user id in whose name it speaks."""
    return ids.user_id(CHANNEL + channel_id, server_name)


# --- names ---

# Letters of other scripts that are drawn as a Latin one, and figures that are taken for letters.
_DRAWN_ALIKE: Final = str.maketrans(
    {
        **dict(zip("авсԁеɡһіјӏкмоԛрѕтуѵԝхн", "abcdeghijikmoqpstyvwxh", strict=True)),
        **dict(zip("αβγεηικνορτυχω", "abyenikvoptuxw", strict=True)),
        **dict(zip("ıɩłøđħ", "iiiodh", strict=True)),
        **dict(zip("01l|5", "oiiis", strict=True)),
    }
)
_MARKS: Final = frozenset("✓✔☑✅🗸🗹🔵🔷🔹💙💠☆★⭐🏅🎖®™©✪✯❂")  # what could be taken for the official mark
_NOT_SEEN: Final = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
_NOT_SEEN_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")  # letters of their class, and blank


def skeleton(name: str) -> str:
    """The name as eyes take it: two names that look alike have one skeleton. Empty: it has no letter or figure."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    plain = (letter for letter in unicodedata.normalize("NFD", folded) if not unicodedata.combining(letter))
    drawn = unicodedata.normalize("NFC", "".join(plain)).translate(_DRAWN_ALIKE)
    return "".join(letter for letter in drawn if letter.isalnum()).replace("rn", "m").replace("vv", "w")


def check_name(said: str) -> str:
    """The name as it is stored. 400 for one that is empty, long, unseen, or bears what looks like the official mark."""
    name = unicodedata.normalize("NFC", " ".join(said.split()))
    if not 1 <= len(name) <= limits.CHANNEL_NAME_CHARACTERS_MAX or not skeleton(name):
        raise invalid_param(f"a name has 1 to {limits.CHANNEL_NAME_CHARACTERS_MAX} characters, a letter among them")
    if any(unicodedata.category(letter) in _NOT_SEEN or letter in _NOT_SEEN_LETTERS for letter in name):
        raise invalid_param("a name is one line of letters that can be seen")
    if any(letter in _MARKS for letter in name):
        raise invalid_param("a name bears no sign that could be taken for the official mark")
    return name


def resembles(bones: str, others: Iterable[str]) -> list[str]:
    """Those skeletons of certified names of which this one is a longer form, or a misspelt one."""
    return [other for other in others if bones != other and (other in bones or _is_one_off(bones, other))]


def _is_one_off(one: str, other: str) -> bool:
    """Do they differ in one letter, of a name long enough that this is no chance?"""
    if min(len(one), len(other)) < limits.CHANNEL_ALIKE_LETTERS_MIN or abs(len(one) - len(other)) > 1:
        return False
    shorter, longer = sorted((one, other), key=len)
    start = next((index for index, letter in enumerate(shorter) if letter != longer[index]), len(shorter))
    rest = shorter[start:] if len(shorter) < len(longer) else shorter[start + 1 :]
    return longer[start + 1 :] == rest


# --- opening hours ---

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Opening(msgspec.Struct, frozen=True):
    """On these days from one time to another, "09:00" to "18:00". Past midnight: closes is the earlier one."""

    days: list[Day]
    opens: str
    closes: str


def check_hours(hours: Sequence[Opening]) -> None:
    if len(hours) > limits.CHANNEL_HOURS_MAX or any(not 1 <= len(each.days) <= len(_DAYS) for each in hours):
        raise invalid_param(f"hours has at most {limits.CHANNEL_HOURS_MAX} entries, each of one day or more")
    for each in hours:
        if _minutes(each.opens) == _minutes(each.closes):
            raise invalid_param("it opens before it closes; a whole day is 00:00 to 24:00")


def is_open(hours: Sequence[Opening], now_ms: int) -> bool:
    """Without any hours it is always open."""
    day, minute = divmod((now_ms + KOREA_MS) // 60_000, 1_440)
    today = (day + 3) % 7  # the epoch began on a Thursday
    return not hours or any(_is_open(each, today, minute) for each in hours)


def has_opened(hours: Sequence[Opening], after_ms: int, now_ms: int) -> bool:
    """Did it open since then? Of what is longer ago than a week, nobody remembers the hours that held."""
    first, last = ((ms + KOREA_MS) // _DAY_MS for ms in (after_ms, now_ms))
    if not hours or last - first > 7:
        return True
    opened = (
        day * _DAY_MS + _minutes(each.opens) * 60_000 - KOREA_MS
        for day in range(first, last + 1)
        for each in hours
        if _DAYS[(day + 3) % 7] in each.days
    )
    return any(after_ms < each <= now_ms for each in opened)


def _is_open(opening: Opening, today: int, minute: int) -> bool:
    opens, closes = _minutes(opening.opens), _minutes(opening.closes)
    if opens < closes:
        return _DAYS[today] in opening.days and opens <= minute < closes
    return (_DAYS[today] in opening.days and minute >= opens) or (_DAYS[today - 1] in opening.days and minute < closes)


def _minutes(text: str) -> int:
    hour, colon, minute = text.partition(":")
    if not (len(text) == 5 and colon and text.isascii() and hour.isdigit() and minute.isdigit()):
        raise invalid_param("a time of the day looks like 09:00")
    found = int(hour) * 60 + int(minute)
    if found > 1_440 or int(minute) > 59:
        raise invalid_param("a time of the day is between 00:00 and 24:00")
    return found


# --- what followers agree to ---


class Consent(StrEnum):
    FOLLOW = "follow"
    ADVERTISING = "advertising"
    ADVERTISING_AT_NIGHT = "advertising_at_night"


TEXT_VERSION: Final = "2026-11"  # changes with every change of a text, and old ones stay where they were agreed to
TEXTS: Final = {
    Consent.FOLLOW: (
        "이 채널을 추가하고, 이 채널이 보내는 메시지를 채팅으로 받습니다. 언제든지 그만둘 수 있습니다.",
        "I follow this channel and get its messages in a chat. I can stop at any time.",
    ),
    Consent.ADVERTISING: (
        "이 채널의 광고성 정보를 받는 데 동의합니다(선택). 언제든지 거부할 수 있습니다.",
        "I agree to get advertising from this channel (optional). I can refuse it at any time.",
    ),
    Consent.ADVERTISING_AT_NIGHT: (
        "밤(오후 9시~오전 8시)에도 이 채널의 광고성 정보를 받는 데 동의합니다(선택).",
        "I agree to get advertising from this channel at night, too, from 21:00 to 08:00 in Korea (optional).",
    ),
}


class Agreed(msgspec.Struct, frozen=True):
    """What holds between a person and a channel. Advertising at night needs advertising, and that to follow."""

    follow: bool = False
    advertising: bool = False
    advertising_at_night: bool = False

    def without(self, consent: Consent) -> "Agreed":
        """And without what rests upon it."""
        if consent is Consent.FOLLOW:
            return Agreed()
        return Agreed(self.follow, self.advertising and consent is not Consent.ADVERTISING, False)


def check_agreed(wanted: Agreed) -> None:
    if wanted.advertising_at_night and not wanted.advertising:
        raise invalid_param("advertising_at_night needs advertising")


def changes(before: Agreed, after: Agreed) -> list[tuple[Consent, bool]]:
    """What the ledger is told: (consent, whether it was given), what is withdrawn in the opposite order."""
    changed = [(each, getattr(after, each.value)) for each in Consent if getattr(before, each) != getattr(after, each)]
    given = [pair for pair in changed if pair[1]]
    return [*(pair for pair in reversed(changed) if not pair[1]), *given]


def folded(ledger: Iterable[tuple[Consent, bool]]) -> Agreed:
    """What holds after all that the ledger tells."""
    held = dict(ledger)
    return Agreed(*(held.get(each, False) for each in Consent))


# --- broadcasts ---


class State(StrEnum):
    SCHEDULED = "scheduled"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


class Action(StrEnum):
    BEGIN = "begin"
    END = "end"
    CANCEL = "cancel"


_MOVES: Final = {
    (State.SCHEDULED, Action.BEGIN): State.RUNNING,
    (State.SCHEDULED, Action.CANCEL): State.CANCELLED,
    (State.RUNNING, Action.END): State.DONE,
    (State.RUNNING, Action.CANCEL): State.CANCELLED,
}
LIVE: Final = frozenset({State.SCHEDULED, State.RUNNING})


def move(state: State, action: Action) -> State:
    """The state after it. 409 BONGSU_WRONG_STATE where that cannot be."""
    after = _MOVES.get((state, action))
    if after is None:
        raise Refusal(409, "BONGSU_WRONG_STATE", f"this broadcast is {state.value}: it cannot {action.value} now")
    return after


def advertising_from(now_ms: int) -> int:
    """When advertising may be sent to those who did not agree to it at night: now, or when the night is over."""
    day, within = divmod(now_ms + KOREA_MS, _DAY_MS)
    begins, ends = limits.ADVERTISING_HOUR_FROM * _HOUR_MS, limits.ADVERTISING_HOUR_UNTIL * _HOUR_MS
    if begins <= within < ends - limits.ADVERTISING_MARGIN_MS:
        return now_ms
    return (day + (within >= begins)) * _DAY_MS + begins - KOREA_MS


def due_at(now_ms: int, agreed: Agreed, *, is_advertising: bool, quiet_until: int | None = None) -> int | None:
    """When a follower may get a broadcast; None: not at all. quiet_until: the end of quiet hours, if it is in them."""
    if not agreed.follow or (is_advertising and not agreed.advertising):
        return None
    due = now_ms if quiet_until is None else max(now_ms, quiet_until)
    return advertising_from(due) if is_advertising and not agreed.advertising_at_night else due
