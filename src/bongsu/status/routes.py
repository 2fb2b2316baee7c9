"""GET /status (for people, and JSON for programs) · GET /status.json · GET /status/assets/{file_name}
GET /_bongsu/peer/v1/probe · GET /_bongsu/peer/v1/facts

What is answered here is in memory: no database is asked, no other site, nobody's token.
"""

from collections.abc import Callable, Mapping
from typing import Final

from bongsu import __version__
from bongsu.core.json import encode
from bongsu.core.tiers import Tier
from bongsu.http import page
from bongsu.http.request import Request
from bongsu.http.response import Response, reply
from bongsu.http.router import Auth, Route
from bongsu.status.document import Document, FeatureState, IncidentState, SiteState
from bongsu.status.facts import FACTS_PATH, FactFinder
from bongsu.status.features import FEATURES
from bongsu.status.incidents import Incident
from bongsu.status.render import PAGES, render
from bongsu.status.rules import Level, Track
from bongsu.status.watch import PROBE_PATH, Watch, site_part

_NO_STORE: Final = {"cache-control": "no-store", "vary": "accept, accept-language"}


class StatusPage:
    """The routes of the status service."""

    def __init__(self, watch: Watch, facts: FactFinder, server_name: str, now_ms: Callable[[], int]) -> None:
        self._watch = watch
        self._facts = facts
        self._server_name = server_name
        self._now_ms = now_ms
        self._started_ms = now_ms()
        self._assets = page.Assets(PAGES, "/status/assets")

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/status", self.show, Auth.NONE, tier=Tier.RUNNING),
            Route("GET", "/status.json", self.json, Auth.NONE, tier=Tier.RUNNING),
            Route("GET", "/status/assets/{file_name}", self._assets.serve, Auth.NONE, tier=Tier.RUNNING),
            Route("GET", PROBE_PATH, self.probe, Auth.PEER, tier=Tier.RUNNING),
            Route("GET", FACTS_PATH, self.facts, Auth.PEER, tier=Tier.RUNNING),
        ]

    async def show(self, request: Request) -> Response:
        liked = page.preferred(request.header("accept") or "")
        if next((kind for kind in liked if kind in ("text/html", "application/json")), "") == "application/json":
            return await self.json(request)
        language = page.language_of(request)
        body = render(self.document(), language, self._assets.links())
        headers = {**page.HEADERS, **_NO_STORE, "content-language": language}
        return Response(body, content_type=page.HTML, headers=headers)

    async def json(self, _: Request) -> Response:
        return Response(encode(self.document()), headers={**page.HEADERS, **_NO_STORE})

    async def probe(self, _: Request) -> Response:
        return reply(self._watch.said())

    async def facts(self, _: Request) -> Response:
        return reply(await self._facts.find())

    def document(self) -> Document:
        watch = self._watch
        features = [self._feature(feature.key, feature.tier.number) for feature in FEATURES]
        return Document(
            name="Bongsu",
            version=__version__,
            server_name=self._server_name,
            site=watch.site,
            now_ms=self._now_ms(),
            started_ms=self._started_ms,
            looked_ms=watch.looked_ms,
            level=_overall(watch.tracks, [feature.name for feature in features]),
            features=features,
            sites=[self._site(name) for name in watch.views],
            incident=self._going_on(),
            incidents=[_of_record(incident) for incident in reversed(watch.past)],
            record_altered=watch.record.is_altered,
        )

    def _feature(self, key: str, tier: int) -> FeatureState:
        watch = self._watch
        track = watch.tracks.get(key, Track())
        answering = [name for name, view in watch.views.items() if view.said is not None]
        sites = {name: _word(watch.tracks.get(f"{name}/{key}", Track())) for name in answering}
        return FeatureState(key, tier, _word(track), _since(track), sites)

    def _site(self, name: str) -> SiteState:
        view = self._watch.views[name]
        is_here = name == self._watch.site
        track = self._watch.tracks.get(site_part(name), Track())
        has_left = view.said is None and view.was_leaving
        answers = None if track.level is None else track.level is Level.WORKS and not has_left
        is_leaving = view.said.is_leaving if view.said else view.was_leaving
        since_ms = self._started_ms if is_here else _since(track)
        return SiteState(
            name, is_here, True if is_here else answers, view.refuses, is_leaving, since_ms, view.answered_ms
        )

    def _going_on(self) -> IncidentState | None:
        episode = self._watch.episode
        if episode is None:
            return None
        parts = {part: _word(self._watch.tracks.get(part, Track())) for part in episode.parts}
        return IncidentState(None, episode.since_ms, episode.ended_ms, parts, [self._watch.site])


def _overall(tracks: Mapping[str, Track], features: list[str]) -> str:
    """A site that is gone leaves everything working, with less to spare."""
    levels = [track.level for key, track in tracks.items() if key in features and track.level is not None]
    if len(levels) < len(features):
        return "unknown"
    gone = any(key.startswith("site:") and (track.level or 0) > Level.WORKS for key, track in tracks.items())
    return max(*levels, Level.PARTLY if gone else Level.WORKS).word


def _word(track: Track) -> str:
    return "unknown" if track.level is None else track.level.word


def _since(track: Track) -> int | None:
    return None if track.level is None else track.since_ms


def _of_record(incident: Incident) -> IncidentState:
    parts = {part: level.word for part, level in incident.parts.items()}
    return IncidentState(incident.number, incident.since_ms, incident.ended_ms, parts, incident.seen_by)
