"""Large files that come piece by piece: what was cut off goes on, at another worker, too."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import aiohttp
import pytest
from tests.api.talking import Json, Talker, sign_up

from bongsu.core import limits

LEAST = limits.UPLOAD_PIECE_BYTES_MIN


class Upload:
    """A file of this person that waits for its bytes."""

    def __init__(self, http: aiohttp.ClientSession, person: Talker, item: str, data: bytes) -> None:
        self.http = http
        self.person = person
        self.item = item
        self.data = data

    async def ask(self, method: str, path: str, body: bytes | None = None, **query: str) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {self.person.access_token}", "Content-Type": "video/mp4"}
        async with self.http.request(method, path, data=body, headers=headers, params=query) as answer:
            return answer.status, await answer.json()

    async def held(self) -> tuple[int, Json]:
        return await self.ask("GET", f"/_bongsu/v1/uploads/{self.item}")

    async def put(self, start: int, end: int, size: int | str | None = None, name: str = "") -> tuple[int, Json]:
        query = {"size": str(len(self.data) if size is None else size), **({"filename": name} if name else {})}
        return await self.ask("PUT", f"/_bongsu/v1/uploads/{self.item}/{start}", self.data[start:end], **query)

    async def download(self) -> tuple[int, bytes, str]:
        headers = {"Authorization": f"Bearer {self.person.access_token}"}
        path = f"/_matrix/client/v1/media/download/{self.item}?timeout_ms=0"
        async with self.http.get(path, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers.get("content-disposition", "")


async def _waiting(http: aiohttp.ClientSession, person: Talker, size: int) -> Upload:
    uri = (await person.post("/_matrix/media/v1/create"))["content_uri"]
    return Upload(http, person, uri.removeprefix("mxc://"), secrets.token_bytes(size))


@pytest.fixture
async def upload(http: aiohttp.ClientSession, alice: Talker) -> Upload:
    return await _waiting(http, alice, 2 * LEAST + 10)


async def test_a_file_comes_in_pieces(upload: Upload) -> None:
    assert await upload.held() == (200, {"held": 0, "is_whole": False})
    assert await upload.put(0, LEAST) == (200, {"held": LEAST, "is_whole": False})
    assert (await upload.download())[0] == 504
    assert await upload.put(LEAST, 2 * LEAST) == (200, {"held": 2 * LEAST, "is_whole": False})
    assert await upload.held() == (200, {"held": 2 * LEAST, "is_whole": False})
    whole = {"held": len(upload.data), "is_whole": True}
    assert await upload.put(2 * LEAST, len(upload.data), name="봉수.mp4") == (200, whole)
    status, body, disposition = await upload.download()
    assert (status, body) == (200, upload.data)
    assert "filename" in disposition
    assert await upload.held() == (200, whole)
    status, said = await upload.put(0, LEAST)
    assert (status, said["errcode"]) == (409, "M_CANNOT_OVERWRITE_MEDIA")


async def test_another_worker_of_the_site_goes_on(upload: Upload, elsewhere: aiohttp.ClientSession) -> None:
    await upload.put(0, LEAST)
    there = Upload(elsewhere, upload.person, upload.item, upload.data)
    assert await there.held() == (200, {"held": LEAST, "is_whole": False})
    assert (await there.put(LEAST, len(there.data)))[1]["is_whole"]
    assert (await upload.download())[1] == upload.data


async def test_a_piece_that_is_sent_again_changes_nothing(upload: Upload) -> None:
    await upload.put(0, LEAST)
    assert await upload.put(0, LEAST) == (200, {"held": LEAST, "is_whole": False})
    assert (await upload.put(LEAST, len(upload.data)))[1]["is_whole"]
    assert (await upload.download())[1] == upload.data


async def test_a_piece_that_was_cut_off_is_not_there(upload: Upload) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield upload.data[:LEAST]
        raise ConnectionResetError

    await upload.put(0, LEAST)
    headers = {"Authorization": f"Bearer {upload.person.access_token}"}
    path = f"/_bongsu/v1/uploads/{upload.item}/{LEAST}?size={len(upload.data)}"
    with pytest.raises((aiohttp.ClientError, ConnectionResetError)):
        await upload.http.put(path, data=half(), headers=headers)
    assert await upload.held() == (200, {"held": LEAST, "is_whole": False})


async def test_the_same_piece_from_two_sides_at_once(upload: Upload) -> None:
    said = await asyncio.gather(upload.put(0, LEAST), upload.put(0, 2 * LEAST))
    assert [status for status, _ in said] == [200, 200]
    held = (await upload.held())[1]["held"]
    assert held in (LEAST, 2 * LEAST)
    assert (await upload.put(held, len(upload.data)))[1]["is_whole"]
    assert (await upload.download())[1] == upload.data


async def test_bytes_of_another_wording_are_not_put_together(upload: Upload) -> None:
    """Such as the same file, encrypted once more."""
    await upload.put(0, LEAST)
    path = f"/_bongsu/v1/uploads/{upload.item}"
    assert await upload.ask("GET", path, tag="other") == (200, {"held": 0, "is_whole": False})
    upload.data = secrets.token_bytes(LEAST)
    status, said = await upload.ask("PUT", f"{path}/0", upload.data, size=str(LEAST), tag="other")
    assert (status, said["is_whole"]) == (200, True)
    assert (await upload.download())[1] == upload.data


async def test_of_one_file_one_wording_is_kept(upload: Upload) -> None:
    """However many tags somebody thinks of, an id takes no more room than one file."""
    await upload.put(0, LEAST)
    path = f"/_bongsu/v1/uploads/{upload.item}"
    size = str(2 * LEAST)
    status, said = await upload.ask("PUT", f"{path}/0", upload.data[:LEAST], size=size, tag="other")
    assert (status, said["held"]) == (200, LEAST)
    assert (await upload.held())[1]["held"] == 0
    assert (await upload.ask("GET", path, tag="other"))[1]["held"] == LEAST


@pytest.mark.parametrize("tag", ["../../x", "a/b", "", "x" * 65, "가"])
async def test_a_tag_that_is_none(upload: Upload, tag: str) -> None:
    status, said = await upload.ask("GET", f"/_bongsu/v1/uploads/{upload.item}", tag=tag)
    assert (status, said.get("errcode")) == ((400, "M_INVALID_PARAM") if tag else (200, None))


@pytest.mark.parametrize(
    ("start", "end", "size", "status", "errcode"),
    [
        (LEAST, 2 * LEAST, None, 409, "BONGSU_GAP"),
        (0, LEAST - 1, None, 400, "M_INVALID_PARAM"),
        (0, LEAST, 10, 413, "M_TOO_LARGE"),
        (0, 10, limits.UPLOAD_BYTES_MAX + 1, 413, "M_TOO_LARGE"),
        (11, 11, 10, 400, "M_INVALID_PARAM"),
        (0, 10, "-1", 400, "M_INVALID_PARAM"),
        (0, 10, "ten", 400, "M_INVALID_PARAM"),
        (0, 10, "9" * 17, 400, "M_INVALID_PARAM"),
    ],
)
async def test_pieces_that_are_refused(
    upload: Upload, start: int, end: int, size: int | str | None, status: int, errcode: str
) -> None:
    got, said = await upload.put(start, end, size)
    assert (got, said["errcode"]) == (status, errcode)
    assert await upload.held() == (200, {"held": 0, "is_whole": False})
    if errcode == "BONGSU_GAP":
        assert said["held"] == 0


async def test_nobody_else_goes_on_with_it(upload: Upload, http: aiohttp.ClientSession, bob: Talker) -> None:
    await upload.put(0, LEAST)
    his = Upload(http, bob, upload.item, upload.data)
    for status, said in (await his.held(), await his.put(LEAST, len(his.data))):
        assert (status, said["errcode"]) == (403, "M_FORBIDDEN")
    for item in (upload.item + "x", upload.item.partition("/")[0] + "/..%2F..%2Fetc"):
        status, said = await Upload(http, bob, item, b"").held()
        assert (status, said["errcode"]) == (404, "M_NOT_FOUND")


async def test_an_unknown_person_learns_nothing(upload: Upload) -> None:
    async with upload.http.get(f"/_bongsu/v1/uploads/{upload.item}") as answer:
        assert (answer.status, (await answer.json())["errcode"]) == (401, "M_MISSING_TOKEN")


async def test_other_people_upload_on(http: aiohttp.ClientSession, upload: Upload) -> None:
    """Each file's pieces are its own."""
    other = await _waiting(http, await sign_up(http, "carol"), LEAST + 1)
    await upload.put(0, LEAST)
    assert (await other.put(0, LEAST))[1]["held"] == LEAST
    assert (await other.put(LEAST, LEAST + 1))[1]["is_whole"]
    assert (await other.download())[1] == other.data
