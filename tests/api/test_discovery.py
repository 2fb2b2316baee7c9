"""What the server says of itself, and what it says to whoever asks for something it does not have."""

import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from tests.api.allowed import allowed
from tests.api.schema import VARIABLE, specification
from tests.api.talking import V1, V3, Talker, ask

METHODS = ("GET", "PUT", "POST", "DELETE")
ALLOWED = {"GET", "POST", "PUT", "DELETE", "OPTIONS"}

# Operations of the specification that the server may lack. Every other one must be there.
NOT_YET = {
    "auth_metadata",
    "events",
    "initialSync",
    "login/sso",
    "mutual_rooms",
    "notifications",
    "openid",
    "policy_server",
    "preview_url",
    "pushers",
    "report",
    "room_keys",
    "search",
    "support",
    "turnServer",
}


def _operations() -> Iterator[tuple[str, str]]:
    """(method, path) of every operation of the specification, each name in braces standing for itself."""
    told = specification()
    for line in told.endpoints() if told is not None else ():
        yield line["method"], line["path"].replace("{", "%7B").replace("}", "%7D")


def _may_lack(path: str) -> bool:
    return any(f"/{part}/" in f"{path}/" for part in NOT_YET)


async def test_versions(http: aiohttp.ClientSession, alice: Talker) -> None:
    status, answer = await ask(http, "GET", "/_matrix/client/versions")
    assert status == 200
    assert {"v1.1", "v1.11", "v1.16"} <= set(answer["versions"])
    assert await alice.get("/_matrix/client/versions") == answer


async def test_capabilities(alice: Talker, http: aiohttp.ClientSession) -> None:
    said = (await alice.get(f"{V3}/capabilities"))["capabilities"]
    assert said["m.room_versions"]["default"] in said["m.room_versions"]["available"]
    assert said["m.change_password"] == {"enabled": True}
    assert said["m.profile_fields"]["enabled"] is True
    assert (await ask(http, "GET", f"{V3}/capabilities"))[0] == 401


async def test_well_known(http: aiohttp.ClientSession, base_url: str) -> None:
    status, known = await ask(http, "GET", "/.well-known/matrix/client")
    assert (status, known["m.homeserver"]) == (200, {"base_url": base_url})


async def test_every_operation_is_known_by_name(http: aiohttp.ClientSession) -> None:
    """Each is served, or is refused as one that this server does not have."""
    operations = list(_operations())
    if not operations:
        pytest.skip(f"the Matrix specification is not here; name its folder in {VARIABLE}")
    for method, path in operations:
        async with http.request(method, path, allow_redirects=False) as response:
            if response.status in (404, 405):
                errcode = (await response.json())["errcode"]
                assert errcode != "M_UNRECOGNIZED" or _may_lack(path), f"{method} {path} is missing"
            else:
                assert response.status < 500, f"{method} {path}"
            _check_cors(response.headers)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", f"{V3}/sync", "GET"),
        ("PUT", f"{V3}/createRoom", "POST"),
        ("DELETE", f"{V3}/rooms/!r/state/x/y", "GET, PUT"),
        ("PATCH", "/_matrix/client/versions", "GET"),
        ("GET", f"{V3}/rooms/!r/join", "POST"),
        ("POST", f"{V1}/rooms/!r/threads", "GET"),
    ],
)
async def test_wrong_methods(http: aiohttp.ClientSession, method: str, path: str, allow: str) -> None:
    async with http.request(method, path) as response:
        assert response.status == 405
        assert (await response.json())["errcode"] == "M_UNRECOGNIZED"
        assert response.headers["allow"] == allow
        _check_cors(response.headers)


async def test_every_operation_refuses_a_wrong_method(http: aiohttp.ClientSession) -> None:
    operations = list(_operations())
    if not operations:
        pytest.skip(f"the Matrix specification is not here; name its folder in {VARIABLE}")
    for path in {path for _, path in operations}:
        async with http.request("PATCH", path) as response:
            assert response.status in (404, 405), f"PATCH {path}"
            assert (await response.json())["errcode"] == "M_UNRECOGNIZED"
            assert response.status == 405 or _may_lack(path), f"PATCH {path}"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/_matrix/client/v3/nothing", "/_matrix/client/v9/sync", "/_matrix/nothing", "/no"])
async def test_unknown_paths(http: aiohttp.ClientSession, method: str, path: str) -> None:
    status, answer = await ask(http, method, path)
    assert (status, answer["errcode"]) == (404, "M_UNRECOGNIZED")


@pytest.mark.parametrize(
    "path", [f"{V3}/sync", "/_matrix/client/versions", "/_matrix/client/v3/nothing", "/.well-known/matrix/client"]
)
async def test_browsers_may_ask_from_anywhere(http: aiohttp.ClientSession, path: str) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT"}
    async with http.options(path, headers=asked) as response:
        assert response.status in (200, 204)
        assert await response.read() == b""
        _check_cors(response.headers)
    async with http.get(path, headers={"Origin": "https://app.example"}) as response:
        _check_cors(response.headers)


async def test_browsers_may_ask_for_every_operation(http: aiohttp.ClientSession) -> None:
    told = specification()
    if told is None:
        pytest.skip(f"the Matrix specification is not here; name its folder in {VARIABLE}")
    for operation in told.endpoints():
        asked = {"Origin": "https://app.example", "Access-Control-Request-Method": operation["method"]}
        async with http.options(re.sub(r"\{[^}]+\}", "x", operation["path"]), headers=asked) as response:
            assert response.status == 204
            _check_cors(response.headers)


@pytest.mark.parametrize("old", ["r0", "v1"])
async def test_media_as_older_clients_spell_it(http: aiohttp.ClientSession, alice: Talker, old: str) -> None:
    headers = {"Authorization": f"Bearer {alice.access_token}"}
    async with http.post(f"/_matrix/media/{old}/upload", data=b"x", headers=headers) as response:
        assert (await response.json())["content_uri"].startswith("mxc://")
    assert (await alice.get(f"/_matrix/media/{old}/config"))["m.upload.size"] > 0


async def test_what_has_an_r0_form_answers_there(http: aiohttp.ClientSession) -> None:
    """Old clients say r0 where v3 stands today, in each operation that there was in both."""
    told = specification()
    if told is None:
        pytest.skip(f"the Matrix specification is not here; name its folder in {VARIABLE}")
    for operation in told.endpoints():
        now = operation["path"]
        if "/client/v3/" in now:
            assert await allowed(http, now) == await allowed(http, now.replace("/v3/", "/r0/")), now


async def test_who_asks_for_the_head_gets_no_body(http: aiohttp.ClientSession) -> None:
    async with http.get("/_matrix/client/versions") as whole, http.head("/_matrix/client/versions") as head:
        assert (head.status, await head.read()) == (200, b"")
        assert head.headers["content-length"] == str(len(await whole.read()))


def _check_cors(headers: Any) -> None:
    assert headers["access-control-allow-origin"] == "*"
    assert set(headers["access-control-allow-methods"].replace(" ", "").split(",")) >= ALLOWED
    stated = headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert {"x-requested-with", "content-type", "authorization"} <= set(stated)


@pytest.mark.parametrize(
    ("header", "errcode"),
    [
        (None, "M_MISSING_TOKEN"),
        ("Bearer ", "M_MISSING_TOKEN"),
        ("Basic x", "M_MISSING_TOKEN"),
        ("Bearer x", "M_UNKNOWN_TOKEN"),
    ],
)
async def test_who_is_not_signed_in(http: aiohttp.ClientSession, header: str | None, errcode: str) -> None:
    status, answer = await ask(http, "GET", f"{V3}/sync", None, {"Authorization": header} if header else None)
    assert (status, answer["errcode"]) == (401, errcode)


async def test_the_token_may_stand_in_the_query(alice: Talker, http: aiohttp.ClientSession) -> None:
    token = alice.access_token
    assert (await ask(http, "GET", f"{V3}/account/whoami", access_token=token))[0] == 200
