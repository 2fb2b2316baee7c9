"""At the door: who is refused, how, and that nobody takes the places of the others."""

from collections import Counter
from pathlib import Path

import pytest

from bongsu.config import Settings
from bongsu.core import limits
from bongsu.core.errors import Refusal
from bongsu.core.tiers import Level, Tier
from bongsu.http.shedding import Shedding
from bongsu.main import Worker
from bongsu.store.database import Database


def asks(shedding: Shedding, tier: Tier, who: bytes = b"somebody") -> str:
    """As the application does."""
    if tier.shed_at > shedding.level:
        return "passes"
    try:
        return "forgotten" if shedding.forgets(tier, who) else "passes"
    except Refusal as refusal:
        return _said(refusal, limits.SHED_TEXT_RETRY_MS if tier is Tier.TEXT else limits.SHED_RETRY_MS)


def _said(refusal: Refusal, retry_ms: tuple[int, int]) -> str:
    """Both forms of the time agree, and it is one that a client can keep to."""
    wait_ms, seconds = refusal.fields["retry_after_ms"], int(refusal.headers["retry-after"])
    assert retry_ms[0] <= wait_ms <= retry_ms[1]
    assert (seconds - 1) * 1000 < wait_ms <= seconds * 1000
    return "refused" if (refusal.status, refusal.errcode) == (429, "M_LIMIT_EXCEEDED") else str(refusal)


@pytest.mark.parametrize("level", list(Level)[:-1])
def test_what_passes_at_each_level(level: Level) -> None:
    shedding = Shedding()
    shedding.set(level, 1.0)
    for tier in Tier:
        said = asks(shedding, tier)
        if tier is Tier.TEXT or tier.shed_at > level:
            assert said == "passes"
        else:
            assert said == ("forgotten" if tier in (Tier.TYPING, Tier.PRESENCE) else "refused")


def test_who_is_refused_together_does_not_come_back_together() -> None:
    shedding, waits = Shedding(), set()
    shedding.set(Level.PREVIEWS, 1.0)
    for _ in range(200):
        with pytest.raises(Refusal) as refused:
            shedding.forgets(Tier.PREVIEW, b"")
        waits.add(refused.value.fields["retry_after_ms"])
    assert len(waits) > 100


def test_a_share_of_the_text_passes() -> None:
    shedding = Shedding(iter([0.1, 0.6, 0.0, 0.3, 0.9, 0.5]).__next__)  # a refusal takes a second one for its time
    shedding.set(Level.TEXT, 0.5)
    assert [asks(shedding, Tier.TEXT, who) for who in (b"a", b"b", b"c", b"d")] == [
        *("passes", "refused", "passes", "refused")
    ]


def test_who_sends_much_does_not_take_the_places_of_others() -> None:
    shedding = Shedding()
    shedding.set(Level.TEXT, 1.0)
    many = Counter(asks(shedding, Tier.TEXT, b"a flood") for _ in range(100))
    assert many == {"passes": 1, "refused": 99}
    assert asks(shedding, Tier.TEXT, b"somebody") == "passes"
    shedding.set(Level.TEXT, 1.0)
    assert asks(shedding, Tier.TEXT, b"a flood") == "passes"


TIERS = {
    "/rooms/{room_id}/send/{event_type}/{txn_id}": Tier.TEXT,
    "/rooms/{room_id}/redact/{event_id}/{txn_id}": Tier.TEXT,
    "/sync": Tier.SYNC,
    "/login": Tier.SIGN_IN,
    "/register": Tier.SIGN_IN,
    "/refresh": Tier.SIGN_IN,
    "/keys/claim": Tier.TALKING,
    "/sendToDevice/{event_type}/{txn_id}": Tier.TALKING,
    "/join/{room_id_or_alias}": Tier.TALKING,
    "/rooms/{room_id}/receipt/{receipt_type}/{event_id}": Tier.RECEIPT,
    "/rooms/{room_id}/typing/{user_id}": Tier.TYPING,
    "/presence/{user_id}/status": Tier.PRESENCE,
    "/publicRooms": Tier.SEARCH,
    "/rooms/{room_id}/messages": Tier.HISTORY,
}


SIGN_IN = (  # pages and apps
    *("/account", "/oauth2", "/.well-known/openid", "/.well-known/oauth"),
    *("/_bongsu/confirm", "/_bongsu/v1/passkeys"),
)


SERVICES = ("/_bongsu/v1/boards", "/_bongsu/v1/bookings", "/_bongsu/v1/channels", "/_bongsu/v1/openapi.json")


def test_every_route_has_its_tier(tmp_path: Path) -> None:
    """Whoever adds a route that is not part of talking says here what it is for."""
    worker = Worker(Settings(data=tmp_path), Database("postgresql://nowhere/nothing"))
    tiers = {route.template: route.tier for route in worker.app._router.routes}
    for path, tier in TIERS.items():
        assert tiers[f"/_matrix/client/v3{path}"] is tier, path
    for template, tier in tiers.items():
        if "/thumbnail/" in template or template.endswith("/preview_url"):
            assert tier is Tier.PREVIEW, template
        elif "/media/" in template or template.startswith("/_bongsu/v1/uploads/"):
            assert tier is Tier.FILES, template
        elif template.startswith(SIGN_IN):
            assert tier is Tier.SIGN_IN or "/assets/" in template, template
        elif template == "/_bongsu/v1/webpush":
            assert tier is Tier.PUSH
        elif template == "/_bongsu/v1/account/export":
            assert tier is Tier.HISTORY
        elif template.startswith("/_bongsu/v1/sent/"):
            assert tier is Tier.TEXT
        elif template.startswith(SERVICES):
            assert tier is Tier.SERVICE, template
        elif not template.startswith("/_matrix"):
            assert tier in (Tier.RUNNING, Tier.TALKING) or template.startswith("/_synapse"), template
    worker.passwords.close()
