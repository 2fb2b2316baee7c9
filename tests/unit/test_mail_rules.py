"""Mail addresses, and where links in mails may lead."""

import pytest

from bongsu.core.errors import Refusal
from bongsu.core.mail import allowed_link, canonical, canonical_or_none, check_opaque

HOSTS = ("app.example", "localhost")


@pytest.mark.parametrize("address", ["Ann@Example.org", " ann@example.org ", "ann@example.org"])
def test_one_address_in_several_forms(address: str) -> None:
    assert canonical(address) == "ann@example.org"


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "@x",
        "ann@",
        "a b@x",
        "a@b@c",
        "a@x\r\nBcc: b@y",
        "ann@x..y",
        "ann@-x",
        "<a@x>",
        "a@x,b@y",
        "안@x",
        "a" * 65 + "@x",
    ],
)
def test_what_is_no_address(address: str) -> None:
    assert canonical_or_none(address) is None


@pytest.mark.parametrize("link", ["https://app.example/", "https://app.example:8443/#/x?y=z", "http://localhost:8080/"])
def test_links_to_known_hosts(link: str) -> None:
    assert allowed_link(link, HOSTS) == link


@pytest.mark.parametrize(
    "link",
    [
        None,
        "",
        "https://evil.example/",
        "https://app.example.evil.example/",
        "https://app.example@evil.example/",
        "https://user@app.example/",
        "https://evil.example\\@app.example/",
        "https:app.example",
        "//app.example/",
        "javascript://app.example/%0aalert(1)",
        "http://app.example/",
        "https://app.example/ x",
        "https://[app.example/",
        "https://app.example/" + "x" * 2_000,
    ],
)
def test_links_to_anywhere_else(link: str | None) -> None:
    assert allowed_link(link, HOSTS) is None


def test_opaque_words() -> None:
    assert check_opaque("aZ0.=_-", "sid") == "aZ0.=_-"
    for wrong in ("", "a b", "a/b", "x" * 256, "가"):
        with pytest.raises(Refusal):
            check_opaque(wrong, "sid")
