"""Pieces of the pages. Whatever is put into them is escaped here; what is called markup is not escaped again."""

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Final

from bongsu.http.page import template

PAGES: Final = Path(__file__).parent / "pages"
_TEMPLATE: Final = template(PAGES / "account.html")


def whole(words: Mapping[str, str], languages: str, body: str) -> bytes:
    """words: lang, title, server_name, and the addresses of the page's files. languages, body: markup."""
    plain = {name: escape(text) for name, text in words.items()}
    return _TEMPLATE.substitute(plain, languages=languages, body=body).encode()


def paragraph(text: str, kind: str = "") -> str:
    return f"<p{_kind(kind)}>{escape(text)}</p>"


def heading(text: str, level: int = 1) -> str:
    return f"<h{level}>{escape(text)}</h{level}>"


def link(address: str, text: str, kind: str = "") -> str:
    return f'<a href="{escape(address)}"{_kind(kind)}>{escape(text)}</a>'


def alert(text: str) -> str:
    return f'<p class="alert" role="alert">{escape(text)}</p>'


def notice(text: str) -> str:
    return f'<p class="notice" role="status">{escape(text)}</p>'


def field(
    name: str,
    label: str,
    *,
    kind: str = "text",
    hint: str = "",
    error: str = "",
    css: str = "",
    is_first: bool = False,
    **more: str,
) -> str:
    """A labelled field; what is said about it is tied to it. more: further attributes, "" for one without a value."""
    told = [f"{name}-{what}" for what, text in (("hint", hint), ("error", error)) if text]
    attributes = {"id": name, "name": name, "type": kind, "required": "", **more}
    if told:
        attributes["aria-describedby"] = " ".join(told)
    if error:
        attributes["aria-invalid"] = "true"
    if css:
        attributes["class"] = css
    if is_first or error:
        attributes["autofocus"] = ""
    said = f'<p class="hint" id="{name}-hint">{escape(hint)}</p>' if hint else ""
    wrong = f'<p class="error" id="{name}-error">{escape(error)}</p>' if error else ""
    shown = f'<label for="{name}">{escape(label)}</label>{said}<input{_attributes(attributes)}>{wrong}'
    return f'<div class="field">{shown}</div>'


def owner(user_id: str) -> str:
    """Beside a password: a password manager reads it, a person does not need it."""
    unseen = {"class": "unseen", "tabindex": "-1", "aria-hidden": "true", "readonly": ""}
    return f"<input{_attributes({'type': 'text', 'autocomplete': 'username', 'value': user_id, **unseen})}>"


def tick(name: str, label: str, *, is_on: bool = False) -> str:
    on = " checked" if is_on else ""
    return (
        f'<div class="tick"><input type="checkbox" id="{name}" name="{name}" value="yes"{on}>'
        f'<label for="{name}">{escape(label)}</label></div>'
    )


def hidden(fields: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(text)}">' for name, text in fields.items()
    )


def button(text: str, *, name: str = "", value: str = "", kind: str = "") -> str:
    named = f' name="{escape(name)}" value="{escape(value)}"' if name else ""
    return f'<button type="submit"{named}{_kind(kind)}>{escape(text)}</button>'


def form(action: str, csrf: str, *inside: str, fields: Mapping[str, str] | None = None, **more: str) -> str:
    """more: further attributes; an underscore stands for a dash."""
    attributes = {name.replace("_", "-"): value for name, value in more.items()}
    kept = hidden({"csrf": csrf, **(fields or {})})
    return f'<form method="post" action="{escape(action)}"{_attributes(attributes)}>{kept}{"".join(inside)}</form>'


def buttons(*markup: str) -> str:
    return f'<div class="buttons">{"".join(markup)}</div>'


def rows(items: Iterable[str]) -> str:
    """A list; each item is markup."""
    return f'<ul class="rows">{"".join(f"<li>{item}</li>" for item in items)}</ul>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    inside = "".join(f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in pairs)
    return f"<dl>{inside}</dl>"


def _kind(kind: str) -> str:
    return f' class="{escape(kind)}"' if kind else ""


def _attributes(attributes: Mapping[str, str]) -> str:
    return "".join(f' {name}="{escape(text)}"' if text else f" {name}" for name, text in attributes.items())
