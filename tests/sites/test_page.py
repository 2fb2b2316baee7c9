"""The live page: what it shows is so, and only its own script can press its buttons."""

import json
import urllib.error
import urllib.request
from http.client import HTTPResponse

import pytest

from bongsu.lab import Lab
from bongsu.lab.page import sent
from bongsu.lab.texts import TEXTS
from tests.sites.conftest import in_lab

pytestmark = in_lab


def ask(lab: Lab, path: str, method: str = "GET", **headers: str) -> HTTPResponse:
    assert lab.page is not None
    asked = urllib.request.Request(
        lab.page + path, method=method, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    answer: HTTPResponse = urllib.request.urlopen(asked, timeout=10)
    return answer


def refused(lab: Lab, path: str, method: str = "GET", **headers: str) -> int:
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(lab, path, method, **headers)
    return error.value.code


@pytest.mark.parametrize(("language", "word"), [("en", "Three sites"), ("ko", "세 곳의 센터")])
def test_it_speaks_both_languages_and_runs_no_script_but_its_own(lab: Lab, language: str, word: str) -> None:
    answer = ask(lab, f"?lang={language}")
    assert word in answer.read().decode()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("lab.css", "lab.js"):
        assert ask(lab, name).status == 200


def test_it_shows_the_sites_as_they_are(lab: Lab) -> None:
    def roles() -> list[str]:
        return [site["role"] for site in json.loads(ask(lab, "state.json").read())["sites"]]

    lab.wait(lambda _: sorted(roles()) == ["leader", "standby", "standby"])


def test_its_buttons_work(lab: Lab) -> None:
    site = lab.sites[0]
    ask(lab, f"do/freeze/{site}", "POST", x_bongsu_lab="1")
    assert lab.status().sites[0].faults == ("freeze",)
    ask(lab, f"do/heal/{site}", "POST", x_bongsu_lab="1")
    assert lab.status().sites[0].faults == ()


def test_pages_from_elsewhere_can_neither_read_it_nor_press_its_buttons(lab: Lab) -> None:
    assert refused(lab, "state.json", host="attacker.example") == 421
    assert refused(lab, f"do/burn/{lab.sites[0]}", "POST") == 403
    assert refused(lab, "do/burn/atlantis", "POST", x_bongsu_lab="1") == 404
    assert refused(lab, f"do/explode/{lab.sites[0]}", "POST", x_bongsu_lab="1") == 404


def test_every_text_is_there_in_both_languages() -> None:
    assert TEXTS["en"].keys() == TEXTS["ko"].keys()


def test_acknowledged_messages_are_counted_and_nothing_else() -> None:
    route = "/_matrix/client/v3/rooms/{room_id}/send/{event_type}/{txn_id}"
    lines = [
        f'bongsu_http_requests_total{{method="PUT",route="{route}",status="200"}} 41.0',
        f'bongsu_http_requests_total{{method="PUT",route="{route}",status="503"}} 7.0',
        'bongsu_http_requests_total{method="GET",route="/_matrix/client/v3/sync",status="200"} 9.0',
    ]
    assert sent("\n".join(lines)) == 41
