"""Texts that the operator approves once and programs send often: what may stand in them, and in their variables.

A variable stands as #{name} in the text or in a link. What is put in cannot become anything but what was approved: one
line, of its kind, within its length, without addresses that a client would make into a link.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from bongsu.core import limits
from bongsu.core.errors import Refusal, invalid_param, missing_param


class State(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REFUSED = "refused"
    RETIRED = "retired"  # was approved, and is sent no more


class Action(StrEnum):
    SUBMIT = "submit"
    WITHDRAW = "withdraw"
    APPROVE = "approve"
    REFUSE = "refuse"
    RETIRE = "retire"


class Reason(StrEnum):
    """Why somebody is told, though they may not follow the channel: none of it is advertising."""

    ORDER = "order"
    PAYMENT = "payment"
    DELIVERY = "delivery"
    RESERVATION = "reservation"
    HEALTH = "health"
    SECURITY = "security"
    PUBLIC = "public"  # of an authority
    SERVICE = "service"  # a change of what somebody uses


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    AMOUNT = "amount"  # whole; shown with commas
    DATE = "date"  # 2026-11-26
    TIME = "time"  # 14:30
    CODE = "code"  # letters and digits of ASCII, and -


class ButtonKind(StrEnum):
    LINK = "link"
    REPLY = "reply"  # says its label


class Variable(msgspec.Struct, frozen=True):
    name: str
    kind: Kind = Kind.TEXT
    characters_max: int = 50


class Button(msgspec.Struct, frozen=True):
    """url: of a link. Variables may stand in its path and query, not in its host."""

    kind: ButtonKind
    label: str
    url: str = ""


class Template(msgspec.Struct, frozen=True):
    """What is approved as a whole."""

    name: str
    reason: Reason
    body: str
    variables: tuple[Variable, ...] = ()
    buttons: tuple[Button, ...] = ()


_MOVES: Final = {
    (State.DRAFT, Action.SUBMIT): State.SUBMITTED,
    (State.SUBMITTED, Action.WITHDRAW): State.DRAFT,
    (State.SUBMITTED, Action.APPROVE): State.APPROVED,
    (State.SUBMITTED, Action.REFUSE): State.REFUSED,
    (State.APPROVED, Action.RETIRE): State.RETIRED,
}
_NAME: Final = re.compile(r"[^\W\d]\w{0,29}")
_PLACE: Final = re.compile(r"#\{([^{}]*)\}")
_KINDS: Final = {
    Kind.NUMBER: re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?"),
    Kind.AMOUNT: re.compile(r"[0-9]{1,15}"),
    Kind.DATE: re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    Kind.TIME: re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]"),
    Kind.CODE: re.compile(r"[A-Za-z0-9-]+"),
}
# What clients make into links by themselves: schemes, www., names of hosts, and Matrix's own identifiers. A host ends
# with two Latin letters or one of another script; of Hangul with what is such an ending, as Korean sentences may follow
# each other without a space. Repetitions have an end, lest a long text be looked at again and again.
_LINK: Final = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}:/|www\.|\w\.(?:[a-z]{2}|xn--|[^\W\d_a-z가-힣ᄀ-ᇿㄱ-ㆎ]|한국|닷컴|닷넷|삼성)"
    r"|(?:mailto|tel|sms|matrix|javascript|data):|[@#!$+][^\s:]{1,254}:\w",
    re.IGNORECASE,
)
_UNSEEN: Final = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")  # controls, marks that turn or hide text, nothing at all


def move(state: State, action: Action) -> State:
    """409 BONGSU_WRONG_STATE where that cannot be."""
    after = _MOVES.get((state, action))
    if after is None:
        raise Refusal(409, "BONGSU_WRONG_STATE", f"this version is {state.value}: it cannot {action.value} now")
    return after


# --- as it is written ---


def check(template: Template) -> Template:
    """Refuses what could not be sent, or would show something else than what is approved."""
    check_line(template.name, "name", limits.TEMPLATE_NAME_CHARACTERS_MAX)
    _check_body(template.body)
    if len(template.buttons) > limits.TEMPLATE_BUTTONS_MAX:
        raise invalid_param(f"a template has at most {limits.TEMPLATE_BUTTONS_MAX} buttons")
    for button in template.buttons:
        _check_button(button)
    _check_variables(template)
    return template


def check_line(text: str, name: str, characters_max: int) -> str:
    """One line that is read as it is written."""
    if not 0 < len(text.strip()) <= len(text) <= characters_max:
        raise invalid_param(f"{name} has 1 to {characters_max} characters")
    if any(_is_unseen(letter) for letter in text):
        raise invalid_param(f"{name} is one line, and holds no characters that cannot be seen")
    return text


def _check_body(body: str) -> None:
    if not 0 < len(body.strip()) <= len(body) <= limits.TEMPLATE_CHARACTERS_MAX:
        raise invalid_param(f"body has 1 to {limits.TEMPLATE_CHARACTERS_MAX} characters")
    if any(_is_unseen(letter) for letter in body if letter != "\n"):
        raise invalid_param("body holds no characters that cannot be seen, but for ends of lines")
    if any(_PLACE.search(word) and has_link(_PLACE.sub("x", word)) for word in body.split()):
        raise invalid_param("an address in the body is the same for everybody: variables stand in links of buttons")


def _check_button(button: Button) -> None:
    check_line(button.label, "label", limits.TEMPLATE_LABEL_CHARACTERS_MAX)
    if _PLACE.search(button.label):
        raise invalid_param("the label of a button is the same for everybody")
    if (button.kind is ButtonKind.LINK) != bool(button.url):
        raise invalid_param("a button of kind link has a url, and no other has")
    if button.url:
        _check_url(button.url)


def _check_url(url: str) -> None:
    fixed = _PLACE.sub("", url)
    if len(url) > limits.TEMPLATE_URL_CHARACTERS_MAX or not fixed.isascii() or any(each <= " " for each in fixed):
        raise invalid_param("the url of a button is percent-encoded, and not too long")
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise invalid_param("the url of a button is no address") from None
    if parts.scheme != "https" or not host or "@" in parts.netloc or "#" in parts.netloc or "\\" in url:
        raise invalid_param("the url of a button is https, and its host is the same for everybody")
    if _PLACE.search(url) and not url.removeprefix(f"https://{parts.netloc}").startswith(("/", "?")):
        raise invalid_param("variables of a url stand behind the first / of its path")


def _check_variables(template: Template) -> None:
    names = [each.name for each in template.variables]
    if len(names) != len(set(names)) or len(names) > limits.TEMPLATE_VARIABLES_MAX:
        raise invalid_param(f"at most {limits.TEMPLATE_VARIABLES_MAX} variables, and no two of one name")
    for variable in template.variables:
        if not _NAME.fullmatch(variable.name):
            raise invalid_param("the name of a variable has letters, digits and _, 30 at most")
        if not 1 <= variable.characters_max <= limits.TEMPLATE_VALUE_CHARACTERS_MAX:
            raise invalid_param(f"characters_max is from 1 to {limits.TEMPLATE_VALUE_CHARACTERS_MAX}")
    used = set(_named(template))
    if used != set(names):
        odd = ", ".join(sorted(used ^ set(names)))
        raise invalid_param(f"variables that are named and those that are used are not the same: {odd}")


def _named(template: Template) -> Iterable[str]:
    for text in (template.body, *(button.url for button in template.buttons)):
        yield from _PLACE.findall(text)


# --- as it is sent ---


class Filled(msgspec.Struct, frozen=True):
    """What one person reads."""

    body: str
    buttons: tuple[Button, ...]

    @property
    def readable(self) -> str:
        """The whole of it, for clients that know nothing of buttons."""
        lines = [f"▶ {button.label} {button.url}".rstrip() for button in self.buttons]
        return "\n".join([self.body, *([""] if lines else []), *lines])


def fill(template: Template, values: Mapping[str, str]) -> Filled:
    """400 for a value that is missing, not asked for, or not of its kind. A value is never looked at for variables."""
    named = {each.name: each for each in template.variables}
    if missing := sorted(named.keys() - values.keys()):
        raise missing_param(f"variables that are missing: {', '.join(missing)}")
    if odd := sorted(values.keys() - named.keys()):
        raise invalid_param(f"the template has no such variables: {', '.join(odd)[:200]}")
    shown = {name: _shown(named[name], value) for name, value in values.items()}
    body = _PLACE.sub(lambda match: shown[match[1]], template.body)
    _check_no_new_link(template.body, body)
    return Filled(body, tuple(_fill_button(button, values) for button in template.buttons))


def _fill_button(button: Button, values: Mapping[str, str]) -> Button:
    url = _PLACE.sub(lambda match: quote(values[match[1]].strip(), safe=""), button.url)
    return msgspec.structs.replace(button, url=url)


def _shown(variable: Variable, value: str) -> str:
    """The value as it is read."""
    name, value = variable.name, value.strip()
    check_line(value, name, variable.characters_max)
    if (rule := _KINDS.get(variable.kind)) is not None and not rule.fullmatch(value):
        raise invalid_param(f"{name} is no {variable.kind.value}")
    if variable.kind is Kind.DATE and not _is_date(value):
        raise invalid_param(f"{name} is no date")
    if variable.kind is Kind.AMOUNT:
        return f"{int(value):,}"
    if variable.kind is Kind.TEXT and has_link(value):
        raise invalid_param(f"{name} holds an address: those stand in the text that was approved")
    return value


def _is_date(value: str) -> bool:
    """Is there such a day?"""
    year, month, day = map(int, value.split("-"))
    is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 29 if is_leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1]


def has_link(text: str) -> bool:
    """Would some client show an address in it? Wide and full forms of letters and dots count as what they look like."""
    return _LINK.search(_folded(text)) is not None


def _check_no_new_link(written: str, filled: str) -> None:
    """Parts that are harmless by themselves must not make an address together."""
    if _links(filled) > _links(_PLACE.sub("x", written)):
        raise invalid_param("the values make an address together that was not approved")


def _links(text: str) -> int:
    return len(_LINK.findall(_folded(text)))


def _folded(text: str) -> str:
    """Without marks, which stand inside names of hosts in some scripts and are no letters."""
    plain = unicodedata.normalize("NFKC", text).replace("。", ".").replace("·", " ")
    return "".join(letter for letter in plain if not unicodedata.category(letter).startswith("M"))


def _is_unseen(letter: str) -> bool:
    return unicodedata.category(letter) in _UNSEEN
