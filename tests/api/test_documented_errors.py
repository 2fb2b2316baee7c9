"""Errors that the protocol documents and that no other test comes to; and the list of those that cannot come here.

docs/conformance.md says which statuses tests saw. Whatever is documented for an operation that works must be among
them, or in NOT_HERE with a reason.
"""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from PIL import Image
from tests import seen
from tests.api.allowed import allowed
from tests.api.schema import VARIABLE, Specification, specification
from tests.api.talking import V1, V3, Json, Talker, ask, room, segment
from tests.conformance import DOCUMENT, rows
from tests.server import Server, data_folder

MEDIA = "/_matrix/media/v3"
REDIRECTS = {307, 308}
NO_OTHER_SERVERS = "there is no other server that a file could come from"
BY_PRESSURE = "files are refused under pressure only, which takes a crowd: tests/hostile/test_pressure.py"
NO_IDENTITY_SERVER = "there is no identity server that says whose an address is"
NO_TEXT_MESSAGES = "this server sends no text messages"
NOT_HERE: dict[str, dict[int, str]] = {
    **{
        name: {**dict.fromkeys(REDIRECTS, "this server sends files itself"), 502: NO_OTHER_SERVERS, 429: BY_PRESSURE}
        for name in (
            *("getContent", "getContentOverrideName", "getContentThumbnail"),
            *("getContentAuthed", "getContentOverrideNameAuthed"),
        )
    },
    "getLoginFlows": {404: "signing in the old way is always possible"},
    "getAuthMetadata": {404: "signing in by OAuth is always possible, too"},
    "bind3PID": {200: NO_IDENTITY_SERVER},
    "inviteBy3PID": {
        200: NO_IDENTITY_SERVER,
        403: NO_IDENTITY_SERVER,
        429: "the same path as inviteUser, which has it",
    },
    "requestTokenTo3PIDMSISDN": {200: NO_TEXT_MESSAGES, 403: NO_TEXT_MESSAGES},
    "requestTokenToResetPasswordMSISDN": {200: NO_TEXT_MESSAGES},
    "requestTokenToRegisterMSISDN": {200: NO_TEXT_MESSAGES},
    "getContentThumbnailAuthed": dict.fromkeys(REDIRECTS, "this server sends files itself") | {502: NO_OTHER_SERVERS},
    "getLocalAliases": {400: "what is no room id looks like a room that one may not know of"},
    "initialSync": {404: "the document speaks of an avatar, which nobody asked for"},
    "getPresence": {404: "nobody learns who exists: people without a common room get 403"},
    "getProfileField": {403: "profiles are shown to everybody"},
    "getUserProfile": {403: "profiles are shown to everybody"},
    "setPushRule": {404: "a rule that does not exist is made"},
}


@pytest.fixture
def told() -> Specification:
    found = specification()
    if found is None:
        pytest.skip(f"the Matrix specification is not here; name its folder in {VARIABLE}")
    return found


# --- the document ---


async def test_the_document_lists_what_answers(told: Specification, http: aiohttp.ClientSession) -> None:
    """When this fails: `make conformance`, or `python -m tests.conformance --list` where no test is new."""
    listed = {(row.method, row.path, row.name): row.is_there for row in rows(DOCUMENT.read_text("utf-8"))}
    operations = [(each["method"], each["path"], each["operationId"]) for each in told.endpoints()]
    assert list(listed) == operations
    works = {each: each[0] in await allowed(http, each[1]) for each in operations}
    assert {each for each in operations if listed[each] != works[each]} == set()


def test_every_documented_answer_was_seen(told: Specification) -> None:
    lacks = {}
    for row in rows(DOCUMENT.read_text("utf-8")):
        unseen = set(told.statuses(row.name)) - set(row.statuses) - NOT_HERE.get(row.name, {}).keys()
        if row.is_there and row.statuses and unseen:
            lacks[row.name] = unseen
    assert lacks == {}


def test_what_cannot_come_is_not_seen() -> None:
    """A reason that does not hold any more is struck out."""
    for row in rows(DOCUMENT.read_text("utf-8")):
        assert set(row.statuses).isdisjoint(NOT_HERE.get(row.name, {})), row.name


# --- single errors ---


@pytest.mark.parametrize(
    ("method", "path", "body", "refusal"),
    [
        ("GET", f"{room('!none:x', V1)}/relations/$e/m.thread", None, (404, "M_NOT_FOUND")),
        ("GET", f"{room('!none:x', V1)}/relations/$e/m.thread/m.room.message", None, (404, "M_NOT_FOUND")),
        ("POST", f"{V1}/login/get_token", {"auth": "x"}, (400, "M_BAD_JSON")),
    ],
)
async def test_refusals(alice: Talker, method: str, path: str, body: Json | None, refusal: tuple[int, str]) -> None:
    assert await alice.refused(method, path, body) == refusal


async def test_a_field_of_a_profile_with_no_possible_name(alice: Talker) -> None:
    path = f"{V3}/profile/{segment(alice.user_id)}/{segment('No Name')}"
    assert await alice.refused("DELETE", path) == (400, "M_INVALID_PARAM")


async def test_a_guest_makes_no_media_id(http: aiohttp.ClientSession) -> None:
    _, answer = await ask(http, "POST", f"{V3}/register", {}, kind="guest")
    guest = Talker(http, answer)
    assert await guest.refused("POST", "/_matrix/media/v1/create") == (403, "M_GUEST_ACCESS_FORBIDDEN")


async def test_where_nobody_registers_no_token_is_valid() -> None:
    """On a server of its own: a token that another test made would open the registration."""
    path = f"{V1}/register/m.login.registration_token/validity"
    with data_folder() as folder:
        closed = Server.start(folder, "--password-hashing", "fast", "--no-open-registration")
        async with aiohttp.ClientSession(closed.base_url) as http:
            status, answer = await ask(http, "GET", path, token="any")
        closed.stop()
    assert (status, answer.get("errcode")) == (403, "M_FORBIDDEN")


async def test_a_client_that_names_no_host_is_not_told_the_address(base_url: str) -> None:
    host, port = base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    path = "/.well-known/matrix/client"
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    seen.note("GET", path, status)
    assert status == 404
    writer.close()


# --- files, as clients asked before they needed a token ---


def worker(server: Server, option: str) -> Iterator[Server]:
    """One more worker of the server, until the end of this file; it does what others do, pushes among them."""
    started = Server.start(server.data_dir, "--password-hashing", "fast", "--push-private-addresses", option)
    yield started
    started.stop()


@pytest.fixture(scope="module")
def lenient(server: Server) -> Iterator[Server]:
    """A worker that serves files to clients without a token."""
    yield from worker(server, "--unauthenticated-media")


@pytest.fixture(scope="module")
def closed(server: Server) -> Iterator[Server]:
    """A worker with which nobody can register."""
    yield from worker(server, "--no-open-registration")


@pytest.fixture
async def strict(closed: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(closed.base_url) as session:
        yield session


@pytest.fixture
async def old(lenient: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(lenient.base_url) as session:
        yield session


async def uploaded(
    http: aiohttp.ClientSession, person: Talker, data: bytes = b"no picture", content_type: str = "image/x-none"
) -> str:
    """The server name and id of a file."""
    headers = {"Authorization": f"Bearer {person.access_token}", "Content-Type": content_type}
    async with http.post(f"{MEDIA}/upload", data=data, headers=headers) as response:
        return str((await response.json())["content_uri"]).removeprefix("mxc://")


async def test_old_clients_get_files(http: aiohttp.ClientSession, old: aiohttp.ClientSession, alice: Talker) -> None:
    item = await uploaded(http, alice)
    for path in (f"{MEDIA}/download/{item}", f"{MEDIA}/download/{item}/name.bin"):
        async with old.get(path) as response:
            assert (response.status, await response.read()) == (200, b"no picture")


async def test_old_clients_get_no_picture_of_what_is_none(
    http: aiohttp.ClientSession, old: aiohttp.ClientSession, alice: Talker
) -> None:
    path = f"{MEDIA}/thumbnail/{await uploaded(http, alice)}"
    for width in ("x", "8"):
        status, answer = await ask(old, "GET", path, width=width, height="8")
        assert status == 400, answer
        assert answer["errcode"] in ("M_UNKNOWN", "M_INVALID_PARAM")


async def test_old_clients_wait_for_files_as_others_do(
    http: aiohttp.ClientSession, old: aiohttp.ClientSession, alice: Talker
) -> None:
    item = (await alice.post("/_matrix/media/v1/create"))["content_uri"].removeprefix("mxc://")
    signed_in = {"Authorization": f"Bearer {alice.access_token}"}
    for session, prefix, headers in ((old, MEDIA, None), (http, f"{V1}/media", signed_in)):
        for path in (f"download/{item}", f"download/{item}/name.bin", f"thumbnail/{item}"):
            asked = f"{prefix}/{path}"
            status, answer = await ask(session, "GET", asked, None, headers, timeout_ms=1, width=8, height=8)
            assert (status, answer["errcode"]) == (504, "M_NOT_YET_UPLOADED")


async def test_old_clients_get_no_thumbnail_of_a_giant(
    http: aiohttp.ClientSession, old: aiohttp.ClientSession, alice: Talker
) -> None:
    giant = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(giant, "PNG")
    item = await uploaded(http, alice, giant.getvalue(), "image/png")
    status, answer = await ask(old, "GET", f"{MEDIA}/thumbnail/{item}", width=8, height=8)
    assert (status, answer["errcode"]) == (413, "M_TOO_LARGE")


async def test_a_file_that_comes_later_is_no_larger_than_others(http: aiohttp.ClientSession, alice: Talker) -> None:
    item = (await alice.post("/_matrix/media/v1/create"))["content_uri"].removeprefix("mxc://")
    bytes_max = (await alice.get(f"{V1}/media/config"))["m.upload.size"]
    headers = {"Authorization": f"Bearer {alice.access_token}", "Content-Length": str(bytes_max + 1)}
    async with http.put(f"{MEDIA}/upload/{item}", data=b"x", headers=headers) as response:
        assert (response.status, (await response.json())["errcode"]) == (413, "M_TOO_LARGE")
