"""What may be set as a pusher, judged without the network."""

import base64
from typing import Any

import pytest

from bongsu.core.errors import Refusal
from bongsu.core.pushers import LANES, lane_of, parse, parse_key

GATEWAY = "/_matrix/push/v1/notify"


def body(url: str, **more: Any) -> dict[str, Any]:
    names = {"app_display_name": "a", "device_display_name": "d", "lang": "en"}
    return {"kind": "http", "app_id": "app", "pushkey": "key", **names, "data": {"url": url}, **more}


def is_allowed(url: str, *, allows_private: bool, **more: Any) -> bool:
    asked = body(url, **more)
    try:
        parse(asked, parse_key(asked), allows_private=allows_private)
    except Refusal as refusal:
        if refusal.errcode != "M_INVALID_PARAM":
            raise
        return False
    return True


@pytest.mark.parametrize(
    ("url", "public", "private"),
    [
        (f"https://push.example{GATEWAY}", True, True),
        (f"https://push.example:8443{GATEWAY}", True, True),
        (f"https://93.184.215.14{GATEWAY}", True, True),
        (f"http://push.example{GATEWAY}", False, True),
        (f"http://10.0.0.1{GATEWAY}", False, True),
        (f"https://10.0.0.1{GATEWAY}", False, True),
        (f"https://[::1]{GATEWAY}", False, True),
        (f"https://[::ffff:10.0.0.1]{GATEWAY}", False, True),
        (f"https://localhost{GATEWAY}", False, True),
        ("https://push.example/", False, False),
        (f"https://push.example{GATEWAY}#x", False, False),
        (f"https://a@push.example{GATEWAY}", False, False),
        (f"https://push.example:0{GATEWAY}", False, False),
        (f"https://push.example:99999{GATEWAY}", False, False),
        (f"file://push.example{GATEWAY}", False, False),
        (f"https://push.example/ {GATEWAY}", False, False),
        (f"https://püsh.example{GATEWAY}", False, False),
        (f"https://push.example{GATEWAY}?{'x' * 3_000}", False, False),
    ],
)
def test_gateways_stand_in_the_public_internet_unless_allowed(url: str, public: bool, private: bool) -> None:
    assert is_allowed(url, allows_private=False) is public
    assert is_allowed(url, allows_private=True) is private


def test_a_subscription_has_a_key_and_a_secret() -> None:
    key = "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
    secret = base64.urlsafe_b64encode(bytes(16)).rstrip(b"=").decode()
    url = "https://push.example/send/x"
    for kind, pushkey, auth, allowed in (
        ("webpush", key, secret, True),
        ("org.matrix.msc4174.webpush", key + "=", secret + "==", True),
        ("webpush", key[:-4], secret, False),
        ("webpush", "A" + key[1:], secret, False),
        ("webpush", "no base64!", secret, False),
        ("webpush", key, secret[:-3], False),
        ("webpush", key, "!" * 22, False),
        ("webpush", key, 5, False),
        ("http", key, secret, False),  # a gateway has its own path
    ):
        data = {"url": url, "auth": auth}
        assert is_allowed(url, allows_private=False, kind=kind, pushkey=pushkey, data=data) is allowed


def test_lanes_are_even() -> None:
    counts = [0] * LANES
    for number in range(3_200):
        counts[lane_of(f"@person-{number}:example.org")] += 1
    assert min(counts) > 50
