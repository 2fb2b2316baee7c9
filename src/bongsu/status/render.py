"""From the document to the page. Pure. All of it is drawn here, so that the page says the same without scripts; the
script only asks for the page again and puts in what has changed.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Final

from bongsu.core import limits
from bongsu.http.page import languages, template
from bongsu.status.document import Document, FeatureState, IncidentState, SiteState
from bongsu.status.texts import TEXTS, UNITS

PAGES: Final = Path(__file__).parent / "pages"
_TEMPLATE: Final = template(PAGES / "status.html")
_SITE: Final = "site:"
_SIZES: Final = (86_400, 3_600, 60, 1)


def render(document: Document, language: str, links: Mapping[str, str]) -> bytes:
    """The whole page. Whatever stands in it is escaped here."""
    return _Page(document, language).draw(links).encode()


class _Page:
    def __init__(self, document: Document, language: str) -> None:
        self._document = document
        self._language = language
        self._texts = TEXTS[language]
        self._silent = [site for site in document.sites if site.answers is False and not site.is_leaving]

    def draw(self, links: Mapping[str, str]) -> str:
        document, texts = self._document, self._texts
        plain = {
            **texts,
            **links,
            "lang": self._language,
            "server_name": document.server_name,
            "past_title": texts["past"],
            "title": texts["title"].format(server_name=document.server_name),
        }
        headline, lead = self._headline()
        return _TEMPLATE.substitute(
            {
                **{name: escape(text) for name, text in plain.items()},
                "languages": languages(self._language, texts["language"]),
                "level": "unknown" if self._is_blind() else document.level,
                "headline": escape(headline),
                "lead": lead,
                "now": self._now(),
                "looked": self._say("looked", time=self._time(document.looked_ms)),
                "feature_rows": "".join(self._feature(feature) for feature in document.features),
                "site_rows": "".join(self._site(site) for site in document.sites),
                "sites_lead": self._say("sites_lead", site=f"<strong>{escape(document.site)}</strong>"),
                "alone": "" if len(document.sites) > 1 else f'<p class="hint">{escape(texts["alone"])}</p>',
                "altered": f'<p class="altered">{escape(texts["altered"])}</p>' if document.record_altered else "",
                "past": self._past(),
            }
        )

    # --- the answer in one line ---

    def _is_blind(self) -> bool:
        looked_ms = self._document.looked_ms
        return looked_ms is not None and self._document.now_ms - looked_ms > limits.STATUS_STALE_MS

    def _headline(self) -> tuple[str, str]:
        """In words, and what it means for people (markup)."""
        texts, level = self._texts, self._document.level
        if self._is_blind():
            return texts["blind"], self._say("lead_blind", time=self._time(self._document.looked_ms))
        if level == "works":
            return texts["all_works"], escape(texts["lead_works"])
        if level == "partly":
            return self._partly()
        if level == "unknown":
            return texts["unknown"], escape(texts["lead_unknown"])
        return texts[f"some_{level}"], f"{escape(texts['lead_bad'])} {self._still()}"

    def _still(self) -> str:
        """What goes on all the same."""
        names = [self._part(feature.name) for feature in self._document.features if feature.level == "works"]
        return self._say("still", features=escape(", ".join(names))) if names else ""

    def _partly(self) -> tuple[str, str]:
        if any(feature.level == "partly" for feature in self._document.features):
            return self._texts["some_partly"], escape(self._texts["lead_some_partly"])
        names = ", ".join(site.name for site in self._silent)
        return self._texts["all_partly"], self._say("lead_partly", sites=f"<strong>{escape(names)}</strong>")

    # --- what goes on ---

    def _now(self) -> str:
        incident = self._document.incident
        if incident is None:
            return ""
        key, at_ms = ("just_over", incident.ended_ms) if incident.ended_ms else ("going_on_since", incident.since_ms)
        until_ms = self._document.now_ms if incident.ended_ms is None else incident.ended_ms
        lasted = self._duration(until_ms - incident.since_ms)
        word = "lasted" if incident.ended_ms else "so_far"
        return (
            f'<section class="card now" aria-labelledby="now-title"><h2 id="now-title">{self._text("going_on")}</h2>'
            f"<p><strong>{self._say(key, time=self._time(at_ms))}</strong></p>"
            f"<dl><div><dt>{self._text('affected')}</dt><dd>{escape(self._parts(incident.parts))}</dd></div>"
            f"<div><dt>{self._text(word)}</dt><dd>{escape(lasted)}</dd></div></dl></section>"
        )

    def _parts(self, parts: Iterable[str]) -> str:
        return ", ".join(self._part(part) for part in sorted(parts, key=_place))

    def _part(self, part: str) -> str:
        if part.startswith(_SITE):
            return self._texts["site_part"].format(name=part.removeprefix(_SITE))
        return self._texts.get(part, part)

    # --- lists ---

    def _feature(self, feature: FeatureState) -> str:
        sites = ""
        if len(set(feature.sites.values())) > 1:  # the site that does better is the one to use
            states = (f"{escape(name)}: {escape(self._word(level))}" for name, level in feature.sites.items())
            sites = f'<span class="where">{" · ".join(states)}</span>'
        since = self._since(feature.since_ms) if feature.level != "works" else ""
        return self._row(feature.level, self._part(feature.name), self._word(feature.level), since, sites)

    def _site(self, site: SiteState) -> str:
        level, word, note = self._site_state(site)
        here = f'<span class="where">{self._text("here")}</span>' if site.is_here else note
        since = self._since(site.since_ms) if level in ("stopped", "delayed") else ""
        return self._row(level, site.name, word, since, here)

    def _site_state(self, site: SiteState) -> tuple[str, str, str]:
        """Level, word, and what else is known (markup)."""
        if site.is_leaving:
            return "partly", self._texts["leaving"], ""
        if site.answers is None:
            return "unknown", self._texts["unknown_level"], ""
        if site.refuses:
            return "delayed", self._texts["refuses"], ""
        if site.answers:
            return "works", self._texts["answers"], ""
        if site.answered_ms is None:
            return "stopped", self._texts["silent"], f'<span class="where">{self._text("never_answered")}</span>'
        last = self._say("last_answer", time=self._time(site.answered_ms))
        return "stopped", self._texts["silent"], f'<span class="where">{last}</span>'

    def _row(self, level: str, name: str, word: str, since: str, more: str) -> str:
        return (
            f'<li data-level="{level}"><span class="mark" aria-hidden="true"></span>'
            f'<span class="name">{escape(name)}</span><span class="word">{escape(word)}</span>'
            f'<span class="since">{since}</span>{more}</li>'
        )

    def _since(self, since_ms: int | None) -> str:
        if since_ms is None:
            return ""
        lasting = self._say("for", duration=escape(self._duration(self._document.now_ms - since_ms)))
        return f"{self._say('since', time=self._time(since_ms))} ({lasting})"

    def _past(self) -> str:
        incidents = self._document.incidents[: limits.INCIDENTS_SHOWN_MAX]
        if not incidents:
            return f"<p>{self._text('past_none')}</p>"
        return f'<ol class="past">{"".join(map(self._incident, incidents))}</ol>'

    def _incident(self, incident: IncidentState) -> str:
        ended = self._time(incident.ended_ms) if incident.ended_ms else self._text("not_ended")
        until_ms = incident.ended_ms or self._document.now_ms
        rows = (
            ("began", self._time(incident.since_ms)),
            ("ended", ended),
            ("lasted", escape(self._duration(until_ms - incident.since_ms))),
            ("affected", escape(self._parts(incident.parts))),
            ("seen_by", escape(", ".join(incident.seen_by))),
        )
        inside = "".join(f"<div><dt>{self._text(key)}</dt><dd>{value}</dd></div>" for key, value in rows)
        title = self._say("incident_number", number=str(incident.number))
        return f"<li><h3>{title}</h3><dl>{inside}</dl></li>"

    # --- words ---

    def _text(self, key: str) -> str:
        return escape(self._texts[key])

    def _say(self, key: str, **markup: str) -> str:
        return escape(self._texts[key], quote=False).format(**markup)

    def _word(self, level: str) -> str:
        return self._texts["unknown_level" if level == "unknown" else level]

    def _time(self, at_ms: int | None) -> str:
        """In UTC; the script says it in the reader's own time."""
        if at_ms is None:
            return "–"
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        return f'<time datetime="{at:%Y-%m-%dT%H:%M:%SZ}">{at:%Y-%m-%d %H:%M:%S} UTC</time>'

    def _duration(self, ms: int) -> str:
        return duration(ms, self._language)


def duration(ms: int, language: str) -> str:
    """The two largest units of a time, rounded down."""
    seconds = max(0, ms // 1000)
    first = next((index for index, size in enumerate(_SIZES) if seconds >= size), len(_SIZES) - 1)
    parts = []
    for index in range(first, min(first + 2, len(_SIZES))):
        count, seconds = divmod(seconds, _SIZES[index])
        parts.append(f"{count}{UNITS[language][index]}")
    return " ".join(parts)


def _place(part: str) -> tuple[bool, int]:
    """What people use stands before sites, in the order of the texts."""
    order = list(TEXTS["en"])
    return part.startswith(_SITE), order.index(part) if part in order else len(order)
