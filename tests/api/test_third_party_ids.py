"""Mail addresses of people: proven by a mail that a real SMTP server takes, used to sign in and for new passwords."""

import asyncio
import re
import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.api.holding import Hold, begin
from tests.api.talking import V3, Talker, ask, sign_up
from tests.server import Server, free_port
from tests.waiting import until

from bongsu.core import limits
from bongsu.matrix.interactive import secret_hash

CONFIRM = "/_bongsu/confirm"
NO_PROOF = "M_THREEPID_AUTH_FAILED"


class MailBox:
    """An SMTP server's handler. busy: how many mails it turns away for now; refused: addresses it never takes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.busy = 0
        self.refused: set[str] = set()

    async def handle_RCPT(self, _s: Any, _session: Any, envelope: Envelope, address: str, _o: Any) -> str:
        if address in self.refused:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        if self.busy > 0:
            self.busy -= 1
            return "451 come again"
        assert isinstance(envelope.content, bytes)
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        return "250 OK"

    async def turned_away(self) -> bool:
        return self.busy < 1_000

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]

    async def wait_for(self, address: str, count: int = 1, seconds_max: float = 20) -> EmailMessage:
        async def found() -> list[EmailMessage]:
            return self.to(address)

        return (await until(found, lambda mails: len(mails) >= count, seconds_max))[-1]


@pytest.fixture(scope="module")
def box() -> Iterator[tuple[MailBox, int]]:
    handler, port = MailBox(), free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, port
    controller.stop()


@pytest.fixture
def mails(box: tuple[MailBox, int]) -> MailBox:
    return box[0]


def worker(server: Server, port: int, *more: str) -> Server:
    """A worker on the same database that sends mail."""
    one = Server(
        server.data_dir,
        *("--password-hashing", "fast", "--smtp-host", "127.0.0.1", "--smtp-port", str(port)),
        *("--smtp-security", "none", "--mail-from", "Bongsu <chat@test.example>"),
        *("--mail-link-hosts", "app.test.example", *more),
    )
    one._command += ["--public-base-url", one.base_url]
    one.launch()
    one.wait_ready()
    return one


@pytest.fixture(scope="module")
async def http(server: Server, box: tuple[MailBox, int]) -> AsyncIterator[aiohttp.ClientSession]:
    one = worker(server, box[1], "--registration-mail", "optional")
    async with aiohttp.ClientSession(one.base_url) as session:
        yield session
    one.stop()


@pytest.fixture(scope="module")
async def frank(server: Server, box: tuple[MailBox, int]) -> AsyncIterator[aiohttp.ClientSession]:
    """A worker that says who has an account, and wants an address of everybody."""
    one = worker(
        server, box[1], "--reveal-addresses", "--registration-mail", "required", "--mail-domains", "mail.example"
    )
    async with aiohttp.ClientSession(one.base_url) as session:
        yield session
    one.stop()


class Proof:
    """One address being proven by one client."""

    def __init__(self, http: aiohttp.ClientSession | None, path: str, address: str | None = None) -> None:
        self._http = http
        self._path = f"{V3}/{path}/email/requestToken"
        self.address = address or f"{secrets.token_hex(6)}@mail.example"
        self.secret = secrets.token_hex(8)
        self.sid = ""

    async def begin(self, attempt: int = 1, language: str = "en", **more: Any) -> "Proof":
        body = {"client_secret": self.secret, "email": self.address, "send_attempt": attempt, **more}
        assert self._http is not None
        status, said = await ask(self._http, "POST", self._path, body, {"accept-language": language})
        assert status == 200, said
        assert set(said) == {"sid"}
        self.sid = said["sid"]
        return self

    @property
    def creds(self) -> dict[str, str]:
        return {"sid": self.sid, "client_secret": self.secret}

    async def press(self, mails: MailBox, count: int = 1) -> str:
        """Follows the link of the newest mail and presses the button. The page after that."""
        link = link_in(await mails.wait_for(self.address, count))
        token = re.search(r"token=([\w-]+)", link)
        assert token is not None
        assert self._http is not None
        async with self._http.post(CONFIRM, data={"token": token[1], "lang": "en"}) as answer:
            assert answer.status == 200
            return await answer.text()


def link_in(mail: EmailMessage) -> str:
    found = re.search(r"http://\S+", mail.get_content())
    assert found is not None, mail.get_content()
    return found[0]


async def add(person: Talker, proof: Proof) -> tuple[int, Any]:
    auth = {"type": "m.login.password", "user": person.user_id, "password": person._password}
    return await person.ask("POST", f"{V3}/account/3pid/add", {**proof.creds, "auth": auth})


async def with_address(http: aiohttp.ClientSession, mails: MailBox, person: Talker) -> str:
    proof = await Proof(http, "account/3pid").begin()
    await proof.press(mails)
    status, said = await add(person, proof)
    assert status == 200, said
    return proof.address


# --- proving ---


async def test_an_address_is_proven_by_a_click_and_added(
    http: aiohttp.ClientSession, mails: MailBox, alice: Talker
) -> None:
    assert await alice.get(f"{V3}/account/3pid") == {"threepids": []}
    assert (await alice.get(f"{V3}/capabilities"))["capabilities"]["m.3pid_changes"] == {"enabled": True}
    proof = await Proof(http, "account/3pid").begin(next_link="https://app.test.example/#/back")
    mail = await mails.wait_for(proof.address)
    assert mail["From"] == "Bongsu <chat@test.example>"
    for _ in range(2):  # scanners and previews look at it; that proves nothing
        async with http.get(link_in(mail)) as answer:
            text = await answer.text()
            assert (answer.status, 'method="post"' in text, proof.address in text) == (200, True, True)
            assert "form-action 'self'" in answer.headers["content-security-policy"]
            assert answer.headers["referrer-policy"] == "no-referrer"
    status, said = await add(alice, proof)
    assert (status, said["errcode"]) == (400, NO_PROOF)
    assert 'href="https://app.test.example/#/back"' in await proof.press(mails)
    assert (await add(alice, proof))[0] == 200
    assert (await add(alice, proof))[0] == 200  # a retry
    [kept] = (await alice.get(f"{V3}/account/3pid"))["threepids"]
    assert (kept["medium"], kept["address"]) == ("email", proof.address)
    assert 0 < kept["validated_at"] <= kept["added_at"]


async def test_adding_wants_the_password(http: aiohttp.ClientSession, mails: MailBox, alice: Talker) -> None:
    proof = await Proof(http, "account/3pid").begin()
    await proof.press(mails)
    status, said = await alice.ask("POST", f"{V3}/account/3pid/add", proof.creds)
    assert (status, said["flows"]) == (401, [{"stages": ["m.login.password"]}])
    old = {"three_pid_creds": {**proof.creds, "id_server": "id.example", "id_access_token": "x"}}
    status, said = await alice.ask("POST", f"{V3}/account/3pid", old)
    assert (status, said["flows"]) == (401, [{"stages": ["m.login.password"]}])
    auth = {"type": "m.login.password", "user": alice.user_id, "password": alice._password}
    wrong = {"three_pid_creds": {**old["three_pid_creds"], "client_secret": "another"}, "auth": auth}
    assert await alice.refused("POST", f"{V3}/account/3pid", wrong) == (403, NO_PROOF)
    assert (await alice.ask("POST", f"{V3}/account/3pid", {**old, "auth": auth}))[0] == 200


async def test_retries_make_no_second_mail_and_reminders_do(http: aiohttp.ClientSession, mails: MailBox) -> None:
    proof = await Proof(http, "register").begin()
    first, sid = await mails.wait_for(proof.address), proof.sid
    await proof.begin()
    await proof.begin(attempt=2)
    second = await mails.wait_for(proof.address, 2)
    assert proof.sid == sid
    assert len(mails.to(proof.address)) == 2
    assert first["Message-ID"] != second["Message-ID"]
    async with http.get(link_in(first)) as answer:  # the older link has ended
        assert answer.status == 404
    await proof.press(mails, 2)


async def test_a_proof_is_not_kept_alive_by_reminders(
    http: aiohttp.ClientSession, mails: MailBox, alice: Talker
) -> None:
    proof = await Proof(http, "account/3pid").begin()
    await proof.press(mails)
    await proof.begin(attempt=2)
    status, said = await add(alice, proof)
    assert (status, said["errcode"]) == (400, NO_PROOF)
    await proof.press(mails, 2)
    assert (await add(alice, proof))[0] == 200


async def test_korean_mail_and_page(http: aiohttp.ClientSession, mails: MailBox) -> None:
    proof = await Proof(http, "register").begin(language="ko-KR,ko;q=0.9")
    mail = await mails.wait_for(proof.address)
    assert "이메일 주소 확인" in mail["Subject"]
    async with http.get(link_in(mail)) as answer:
        text = await answer.text()
        assert ('lang="ko"' in text, "네, 계속합니다" in text) == (True, True)
    async with http.get(f"{CONFIRM}/assets/confirm.css") as answer:
        assert answer.status == 200


async def test_mail_servers_that_are_busy_or_refuse(http: aiohttp.ClientSession, mails: MailBox) -> None:
    mails.busy = 1
    proof = await Proof(http, "register").begin()
    await mails.wait_for(proof.address)
    gone = Proof(http, "register")
    mails.refused.add(gone.address)
    await gone.begin()
    await (await Proof(http, "register").begin()).press(mails)
    assert mails.to(gone.address) == []


async def owe(database: asyncpg.Connection, recipient: str) -> str:
    """A mail that is due, to an address that nobody looked at."""
    mail_id = secrets.token_hex(16)
    await database.execute(
        "INSERT INTO mails (mail_id, recipient, subject, body, expires_at)"
        " VALUES ($1, $2, 'Subject', 'Body', now() + interval '1 hour')",
        *(mail_id, recipient),
    )
    return mail_id


async def test_a_mail_that_cannot_be_made_waits_alone(
    http: aiohttp.ClientSession, mails: MailBox, database: asyncpg.Connection
) -> None:
    bad = await owe(database, "=?utf-8?q?a1=0d=0ab?=@mail.example")
    await mails.wait_for((await Proof(http, "register").begin()).address)

    async def tries() -> int:
        return int(await database.fetchval("SELECT tries FROM mails WHERE mail_id = $1", bad))

    await until(tries, lambda many: many >= 2, 15)  # postponed by a second, not left to whoever claims it next
    await database.execute("DELETE FROM mails WHERE mail_id = $1", bad)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/",
        "https://app.test.example@evil.example/",
        "https://evil.example\\@app.test.example/",
        "javascript:alert(1)//app.test.example",
        "//app.test.example",
        "http://app.test.example/",
    ],
)
async def test_links_lead_nowhere_else(http: aiohttp.ClientSession, mails: MailBox, link: str) -> None:
    proof = await Proof(http, "register").begin(next_link=link)
    page = await proof.press(mails)
    assert 'class="go"' not in page
    assert "evil" not in page


async def test_links_that_are_none(http: aiohttp.ClientSession) -> None:
    for token in ("", "x" * 43, "%00"):
        async with http.get(f"{CONFIRM}?token={token}") as answer:
            assert answer.status == 404
        async with http.post(CONFIRM, data={"token": token}) as answer:
            assert answer.status == 404
    async with http.post(CONFIRM, data={f"field{number}": "x" for number in range(12)}) as answer:
        assert answer.status == 404
    for data, status in ((b"token=a&token=b", 400), (b"token=a" * 20_000, 413)):
        headers = {"content-type": "application/x-www-form-urlencoded"}
        async with http.post(CONFIRM, data=data, headers=headers) as answer:
            assert answer.status == status


# --- using ---


async def test_signing_in_with_an_address(http: aiohttp.ClientSession, mails: MailBox, alice: Talker) -> None:
    address = await with_address(http, mails, alice)
    identifier = {"type": "m.id.thirdparty", "medium": "email", "address": address.upper()}
    body = {"type": "m.login.password", "password": alice._password}
    for how in ({"identifier": identifier}, {"medium": "email", "address": address}):
        status, said = await ask(http, "POST", f"{V3}/login", {**body, **how})
        assert (status, said["user_id"]) == (200, alice.user_id)
    for wrong in ({**identifier, "address": "nobody@mail.example"}, {**identifier, "medium": "msisdn"}):
        status, said = await ask(http, "POST", f"{V3}/login", {**body, "identifier": wrong})
        assert (status, said["errcode"]) == (403, "M_FORBIDDEN")
    status, said = await ask(http, "POST", f"{V3}/login", {**body, "identifier": {"type": "m.id.thirdparty"}})
    assert (status, said["errcode"]) == (400, "M_MISSING_PARAM")


async def test_a_forgotten_password(http: aiohttp.ClientSession, mails: MailBox, alice: Talker) -> None:
    address = await with_address(http, mails, alice)
    path, body = f"{V3}/account/password", {"new_password": "quite another 1"}
    proof = await Proof(http, "account/password", address).begin()
    status, said = await ask(http, "POST", path, body)
    assert (status, said["flows"]) == (401, [{"stages": ["m.login.email.identity"]}])
    auth = {"type": "m.login.email.identity", "threepid_creds": proof.creds, "session": said["session"]}
    status, said = await ask(http, "POST", path, {**body, "auth": auth})
    assert (status, said["errcode"]) == (401, NO_PROOF)
    await proof.press(mails, 2)
    status, said = await ask(http, "POST", path, {**body, "auth": auth})
    assert status == 200, said
    assert await alice.refused("GET", f"{V3}/account/whoami") == (401, "M_UNKNOWN_TOKEN")
    login = {"type": "m.login.password", "user": alice.user_id, "password": body["new_password"]}
    assert (await ask(http, "POST", f"{V3}/login", login))[0] == 200
    again = {"type": "m.login.email.identity", "threepid_creds": proof.creds}
    status, said = await ask(http, "POST", path, {"new_password": "and again 12", "auth": again})
    assert (status, said["errcode"]) == (401, NO_PROOF)  # a proof is good once


async def test_a_proof_is_for_one_purpose(http: aiohttp.ClientSession, mails: MailBox, alice: Talker) -> None:
    address = await with_address(http, mails, alice)
    proof = await Proof(http, "register").begin()
    await proof.press(mails)
    status, said = await add(alice, proof)
    assert (status, said["errcode"]) == (400, NO_PROOF)
    auth = {"type": "m.login.email.identity", "threepid_creds": proof.creds}
    status, said = await ask(http, "POST", f"{V3}/account/password", {"new_password": "something 123", "auth": auth})
    assert (status, said["errcode"]) == (401, NO_PROOF)
    assert address


async def test_making_an_account_with_an_address(
    http: aiohttp.ClientSession, frank: aiohttp.ClientSession, mails: MailBox
) -> None:
    body = {"username": f"mail-{secrets.token_hex(6)}", "password": secrets.token_hex(16)}
    status, said = await ask(frank, "POST", f"{V3}/register", body)
    assert (status, said["flows"]) == (401, [{"stages": ["m.login.email.identity"]}])
    status, said = await ask(http, "POST", f"{V3}/register", body)
    assert said["flows"] == [{"stages": ["m.login.dummy"]}, {"stages": ["m.login.email.identity"]}]
    proof = await Proof(http, "register").begin()
    await proof.press(mails)
    auth = {"type": "m.login.email.identity", "threepid_creds": proof.creds, "session": said["session"]}
    status, made = await ask(http, "POST", f"{V3}/register", {**body, "auth": auth})
    assert status == 200, made
    [kept] = (await Talker(http, made).get(f"{V3}/account/3pid"))["threepids"]
    assert kept["address"] == proof.address


async def test_what_is_not_told(http: aiohttp.ClientSession, mails: MailBox, alice: Talker, bob: Talker) -> None:
    """Whether somebody has an account is told to who reads the mail, and to nobody else."""
    address = await with_address(http, mails, alice)
    for path in ("register", "account/3pid"):
        proof = await Proof(http, path, address).begin()
        assert proof.sid
    await mails.wait_for(address, 3)
    assert all("http" not in mail.get_content() for mail in mails.to(address)[1:])
    unknown = await Proof(http, "account/password").begin()
    assert "http" not in (await mails.wait_for(unknown.address)).get_content()
    raced = await Proof(http, "account/3pid").begin()
    await raced.press(mails)
    assert (await add(alice, raced))[0] == 200
    status, said = await add(bob, raced)
    assert (status, said["errcode"]) == (400, "M_THREEPID_IN_USE")


async def test_what_is_told_where_the_operator_wants_it(
    http: aiohttp.ClientSession, frank: aiohttp.ClientSession, mails: MailBox, alice: Talker
) -> None:
    address = await with_address(http, mails, alice)
    body = {"client_secret": "s", "email": address, "send_attempt": 1}
    for path, email, errcode in (
        ("register", address, "M_THREEPID_IN_USE"),
        ("account/3pid", address, "M_THREEPID_IN_USE"),
        ("account/password", "nobody@mail.example", "M_THREEPID_NOT_FOUND"),
    ):
        status, said = await ask(frank, "POST", f"{V3}/{path}/email/requestToken", {**body, "email": email})
        assert (status, said["errcode"]) == (400, errcode)
        status, said = await ask(frank, "POST", f"{V3}/{path}/email/requestToken", {**body, "email": "a@other.example"})
        assert (status, said["errcode"]) == (403, "M_THREEPID_DENIED")


async def test_taking_an_address_away(http: aiohttp.ClientSession, mails: MailBox, alice: Talker, bob: Talker) -> None:
    address = await with_address(http, mails, alice)
    mine = {"medium": "email", "address": address}
    none = {"id_server_unbind_result": "no-support"}
    assert await bob.post(f"{V3}/account/3pid/delete", mine) == none  # it is not Bob's
    assert await alice.post(f"{V3}/account/3pid/unbind", mine) == none
    assert len((await alice.get(f"{V3}/account/3pid"))["threepids"]) == 1
    assert await alice.post(f"{V3}/account/3pid/delete", mine) == none
    assert await alice.get(f"{V3}/account/3pid") == {"threepids": []}
    bind = {"sid": "x", "client_secret": "x", "id_server": "id.example", "id_access_token": "x"}
    assert await alice.refused("POST", f"{V3}/account/3pid/bind", bind) == (400, "M_SERVER_NOT_TRUSTED")


async def put_address(database: asyncpg.Connection, user_id: str) -> str:
    address = f"{secrets.token_hex(6)}@mail.example"
    await database.execute(
        "INSERT INTO third_party_ids (medium, address, user_id, validated_ms, added_ms) VALUES ('email', $1, $2, 1, 1)",
        *(address, user_id),
    )
    return address


async def proven(database: asyncpg.Connection, purpose: str, address: str | None = None) -> Proof:
    """A proof that was given already, without a mail."""
    proof = Proof(None, "account/3pid", address)
    proof.sid = secrets.token_hex(12)
    await database.execute(
        "INSERT INTO validations (sid, purpose, secret_hash, address, send_attempt, token_hash, validated_at,"
        " expires_at) VALUES ($1, $2, $3, $4, 1, $5, now(), now() + interval '1 hour')",
        *(proof.sid, purpose, secret_hash(proof.secret), proof.address, secrets.token_bytes(32)),
    )
    return proof


async def test_a_person_has_so_many_addresses(alice: Talker, database: asyncpg.Connection) -> None:
    """Also when several come at once; and repeating the last one, whose answer was lost, is no more than before."""
    for _ in range(limits.MAIL_ADDRESSES_PER_USER_MAX - 1):
        await put_address(database, alice.user_id)
    proofs = [await proven(database, "add") for _ in range(4)]
    async with Hold(database, "LOCK TABLE third_party_ids IN SHARE MODE") as hold:
        adding = [begin(add(alice, proof)) for proof in proofs]
        await hold.waiting(len(adding))
        await hold.release()
        answers = await asyncio.gather(*adding)
    assert sorted(said.get("errcode", "") for _, said in answers) == ["", *["M_THREEPID_DENIED"] * 3]
    [last] = [proof for proof, (status, _) in zip(proofs, answers, strict=True) if status == 200]
    assert (await add(alice, last))[0] == 200
    kept = (await alice.get(f"{V3}/account/3pid"))["threepids"]
    assert len(kept) == limits.MAIL_ADDRESSES_PER_USER_MAX


async def test_an_account_that_ends_takes_no_address_along(
    alice: Talker, bob: Talker, database: asyncpg.Connection
) -> None:
    proof = await proven(database, "add")
    auth = {"type": "m.login.password", "user": alice.user_id, "password": alice._password}
    same = (
        "INSERT INTO third_party_ids (medium, address, user_id, validated_ms, added_ms) VALUES ('email', $1, $2, 1, 1)"
    )
    async with Hold(database, same, proof.address, bob.user_id) as hold:
        adding = begin(add(alice, proof))
        await hold.waiting(1)
        ending = begin(alice.ask("POST", f"{V3}/account/deactivate", {"auth": auth}))
        await hold.waiting(2, ending)
        await hold.release()
        await asyncio.gather(adding, ending)
    assert await database.fetchval("SELECT count(*) FROM third_party_ids WHERE user_id = $1", alice.user_id) == 0


async def test_an_address_that_is_taken_away_meanwhile_resets_no_password(
    http: aiohttp.ClientSession, alice: Talker, database: asyncpg.Connection
) -> None:
    address = await put_address(database, alice.user_id)
    proof = await proven(database, "password", address)
    auth = {"type": "m.login.email.identity", "threepid_creds": proof.creds}
    body = {"new_password": "quite another 1", "auth": auth}
    async with Hold(database, "SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE", alice.user_id) as hold:
        resetting = begin(ask(http, "POST", f"{V3}/account/password", body))
        await hold.waiting(1)
        await alice.post(f"{V3}/account/3pid/delete", {"medium": "email", "address": address})
        await hold.release()
        status, said = await resetting
    assert (status, said["errcode"]) == (400, "M_THREEPID_NOT_FOUND")
    assert (await alice.get(f"{V3}/account/whoami"))["user_id"] == alice.user_id
    await alice.another_device()  # the password is the one before


# --- bad input, and servers without mail ---


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        ({"email": "no address"}, (400, "M_INVALID_PARAM")),
        ({"email": "a@b\r\nBcc: c@d"}, (400, "M_INVALID_PARAM")),
        ({"email": "가@mail.example"}, (400, "M_INVALID_PARAM")),
        ({"email": "=?utf-8?q?v=69ctim?=@mail.example"}, (400, "M_INVALID_PARAM")),
        ({"email": "=?utf-8?q?a1=0d=0ab?=@mail.example"}, (400, "M_INVALID_PARAM")),
        ({"email": "=?utf-8?b?!?=@mail.example"}, (400, "M_INVALID_PARAM")),
        ({"client_secret": "with space"}, (400, "M_INVALID_PARAM")),
        ({"client_secret": ""}, (400, "M_INVALID_PARAM")),
        ({"send_attempt": -1}, (400, "M_INVALID_PARAM")),
        ({"send_attempt": "1"}, (400, "M_BAD_JSON")),
        ({"next_link": 5}, (400, "M_BAD_JSON")),
    ],
)
async def test_requests_that_cannot_be(
    http: aiohttp.ClientSession, change: dict[str, Any], refusal: tuple[int, str]
) -> None:
    body = {"client_secret": "s", "email": "a@mail.example", "send_attempt": 1, **change}
    for path in ("register", "account/password", "account/3pid"):
        status, said = await ask(http, "POST", f"{V3}/{path}/email/requestToken", body)
        assert (status, said["errcode"]) == refusal
        del body["email"]
        status, said = await ask(http, "POST", f"{V3}/{path}/email/requestToken", body)
        assert status == 400
        body["email"] = change.get("email", "a@mail.example")


async def test_without_mail_or_telephone(base_url: str, http: aiohttp.ClientSession) -> None:
    body = {"client_secret": "s", "email": "a@mail.example", "send_attempt": 1}
    phone = {"client_secret": "s", "country": "KR", "phone_number": "1000000000", "send_attempt": 1}
    denied, unsupported = (403, "M_THREEPID_DENIED"), (400, "M_THREEPID_MEDIUM_NOT_SUPPORTED")
    async with aiohttp.ClientSession(base_url) as plain:
        for path, refusal in (("register", denied), ("account/password", denied), ("account/3pid", unsupported)):
            status, said = await ask(plain, "POST", f"{V3}/{path}/email/requestToken", body)
            assert (status, said["errcode"]) == refusal
            for session in (plain, http):
                status, said = await ask(session, "POST", f"{V3}/{path}/msisdn/requestToken", phone)
                assert (status, said["errcode"]) == refusal
        person = await sign_up(plain, "plain")
        assert (await person.get(f"{V3}/capabilities"))["capabilities"]["m.3pid_changes"] == {"enabled": False}


def certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate, key) of a mail server on this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


async def test_mail_over_tls_with_a_password(server: Server, tmp_path: Path) -> None:
    handler, port = MailBox(), free_port()
    cert, key = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    seen: list[tuple[bytes, bytes]] = []

    def sign_in(_s: Any, _session: Any, _envelope: Any, _mechanism: str, data: LoginPassword) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"secret")

    controller = Controller(
        handler,
        hostname="localhost",
        port=port,
        tls_context=context,
        require_starttls=True,
        authenticator=sign_in,
        auth_required=True,
    )
    controller.start()
    ways = ("--smtp-host", "localhost", "--smtp-security", "starttls", "--smtp-ca", str(cert))
    one = worker(server, port, *ways, "--smtp-user", "bongsu", "--smtp-password", "secret")
    try:
        async with aiohttp.ClientSession(one.base_url) as session:
            proof = await Proof(session, "register").begin()
            await handler.wait_for(proof.address)
        assert set(seen) == {(b"bongsu", b"secret")}
    finally:
        one.stop()
        controller.stop()


async def test_mail_that_is_owed_survives_a_kill(server: Server, box: tuple[MailBox, int]) -> None:
    handler, port = box
    handler.busy = 1_000
    one = worker(server, port)
    async with aiohttp.ClientSession(one.base_url) as session:
        proof = await Proof(session, "register").begin()
        await until(handler.turned_away, bool, 20)
    one.kill()
    handler.busy = 0
    one.restart()
    await handler.wait_for(proof.address, seconds_max=60)  # what was just being sent is another's after half a minute
    one.stop()
