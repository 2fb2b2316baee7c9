"""Three Debian hosts become three sites, with nothing but what `bongsu site init` wrote, and serve people over TLS.

The certificates, passwords, units and the installer are the real ones. What is not: there is no systemd (hosts.py runs
what the units say), and Debian's packages and Bongsu's programs are this machine's instead of being fetched.
"""

import asyncio
import json
import shutil
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.api.talking import V3, Talker, segment, sign_up
from tests.deploy import hosts
from tests.deploy.hosts import NETWORK, Host

NAMES = ("seoul", "busan", "daejeon")
SERVER_NAME = "example.org"
PUBLIC_NAME = "chat.example.org"
READY_SECONDS_MAX = 90.0
SERVICES = (
    "bongsu-firewall.service",
    "bongsu-etcd.service",
    "bongsu-tunnel.service",
    "bongsu-patroni.service",
    "bongsu-worker@8010.service",
    "bongsu-worker@8011.service",
    "bongsu-proxy.service",
)
WORKERS = tuple(unit for unit in SERVICES if "worker" in unit)
_RESTORE = (
    *("/opt/bongsu/bin/python", "-m", "bongsu", "backup", "restore", "--config", "/etc/bongsu/bongsu.toml"),
    *("--into", "/var/lib/bongsu/restored"),
)
_FORGET = "printf 'bongsu\\nYes I am aware\\n' | /opt/bongsu/bin/patronictl -c /etc/bongsu/patroni.yml remove bongsu"
DESCRIPTION = f'server_name = "{SERVER_NAME}"\npublic_name = "{PUBLIC_NAME}"\nopen_registration = true\n' + "".join(
    f'[[site]]\nname = "{name}"\naddress = "{NETWORK}.{number}"\npublic_name = "{name}.{PUBLIC_NAME}"\n'
    for number, name in enumerate(NAMES, 1)
)

pytestmark = [
    pytest.mark.skipif(bool(hosts.why_not()), reason=str(hosts.why_not())),
    pytest.mark.xdist_group("heavy"),
]


class Sites:
    """The hosts, and the folder they were made from."""

    def __init__(self, folder: Path) -> None:
        self.hosts: dict[str, Host] = {}
        self._description = folder / "sites.toml"
        self._description.write_text(DESCRIPTION)
        self._out = folder / "out"
        self.ca = self._out / "ca" / "ca.crt"

    def init(self, *options: str) -> None:
        """As an operator types it."""
        command = ("site", "init", str(self._description), "--out", str(self._out), *options)
        hosts.run(sys.executable, "-m", "bongsu", *command)

    def install(self, host: Host) -> str:
        """Copies the site's folder to the host and runs the installer there."""
        host.run("chmod", "711", "/root")  # this machine's Python may lie in it
        target = host.root_path("/root/bongsu")
        shutil.copytree(self._out / host.name, target, dirs_exist_ok=True)
        programs = ("--programs", Path(sys.prefix), "--no-packages", "--no-start")
        return host.run("/usr/bin/python3", "/root/bongsu/install.py", *programs)

    def start(self, host: Host) -> None:
        for unit in SERVICES:
            host.start(unit)

    def stop_database(self, host: Host) -> None:
        """systemctl stop of workers, archive and Patroni, with the PostgreSQL that Patroni would have stopped."""
        for unit in (*WORKERS, "bongsu-archive.service", "bongsu-patroni.service"):
            if host.runs(unit):
                host.stop(unit)
        pid = host.root_path("/var/lib/bongsu-db/postgres/postmaster.pid")
        if pid.exists():
            host.run("kill", "-INT", pid.read_text().split()[0])
            deadline = time.monotonic() + 30
            while pid.exists():
                assert time.monotonic() < deadline, host.log()
                time.sleep(0.05)

    def databases_answer(self) -> bool:
        """Each asked on its own host: what Patroni says of a site that was just away may be old."""
        ask = ("/opt/bongsu-postgresql/bin/pg_isready", "--host")
        numbered = enumerate(self.hosts.values(), 1)
        return all("accepting" in host.run(*ask, f"127.0.77.{n}", check=False) for n, host in numbered)

    def members(self, host: Host) -> dict[str, dict[str, Any]] | None:
        """What Patroni says of the sites, as an operator asks it on that host; None while etcd elects its leader.

        A site that has ended is no member any more once its lease in etcd has.
        """
        command = ("/opt/bongsu/bin/patronictl", "-c", "/etc/bongsu/patroni.yml", "list", "-f", "json")
        said = host.run(*command, check=False)
        return {member["Member"]: member for member in json.loads(said)} if said.startswith("[") else None

    def log(self) -> str:
        return "\n".join(host.log() for host in self.hosts.values())


class _Names(AbstractResolver):
    """The zone that the sites' DNS example describes."""

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[ResolveResult]:
        address = f"{NETWORK}.{NAMES.index(host.split('.', maxsplit=1)[0]) + 1}"
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    folder = tmp_path_factory.mktemp("deploy")
    sites = Sites(folder)
    sites.init()
    with hosts.hosts(NAMES) as booted:
        sites.hosts = {host.name: host for host in booted}
        for host in booted:
            sites.install(host)
        for host in booted:
            host.run("install", "-d", "-o", "bongsu", "/srv/bongsu-backup")
            sites.start(host)
        try:
            yield sites
        finally:
            (folder / "hosts.log").write_text(sites.log())


@pytest.fixture
async def clients(sites: Sites) -> AsyncIterator[dict[str, aiohttp.ClientSession]]:
    """A client of each site's proxy, that trusts the sites' authority and nobody else."""
    trust = ssl.create_default_context(cafile=str(sites.ca))
    open_clients = {
        name: aiohttp.ClientSession(
            f"https://{name}.{PUBLIC_NAME}",
            connector=aiohttp.TCPConnector(ssl=trust, resolver=_Names()),
            timeout=aiohttp.ClientTimeout(30),
        )
        for name in NAMES
    }
    for name, client in open_clients.items():
        await _wait_ready(sites, name, client)
    yield open_clients
    for client in open_clients.values():
        await client.close()


async def _wait_ready(sites: Sites, name: str, client: aiohttp.ClientSession) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while (reason := await _why_not_ready(client)) is not None:
        assert time.monotonic() < deadline, f"{name} is not ready, {reason}:\n{sites.log()}"
        await asyncio.sleep(0.2)


async def _why_not_ready(client: aiohttp.ClientSession) -> str | None:
    try:
        async with client.get("/health/ready", timeout=aiohttp.ClientTimeout(5)) as answer:
            return None if answer.status == 200 else f"{answer.status} {await answer.text()}"
    except (aiohttp.ClientError, TimeoutError) as error:
        return repr(error)


async def _heard(person: Talker, room: str) -> list[str]:
    page = await person.get(f"{V3}/rooms/{segment(room)}/messages", dir="b", limit=100)
    return [event["content"]["body"] for event in reversed(page["chunk"]) if event["type"] == "m.room.message"]


async def _hears(person: Talker, room: str, texts: list[str]) -> None:
    """Soon: a worker that did not write them hears of them a moment later."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while (heard := await _heard(person, room)) != texts:
        assert len(heard) < len(texts), heard
        assert time.monotonic() < deadline, heard
        await asyncio.sleep(0.05)


async def _say(person: Talker, room: str, text: str) -> None:
    path = f"{V3}/rooms/{segment(room)}/send/m.room.message/{segment(text)}"
    await person.put(path, {"msgtype": "m.text", "body": text})


async def test_who_signs_up_in_one_site_is_heard_in_the_others(
    sites: Sites, clients: dict[str, aiohttp.ClientSession]
) -> None:
    alice = await sign_up(clients["seoul"], "alice")
    room: str = (await alice.post(f"{V3}/createRoom", {}))["room_id"]
    for name in NAMES:
        await _say(alice.through(clients[name]), room, name)
    for name in NAMES:
        await _hears(alice.through(clients[name]), room, list(NAMES))
    members = await _settled(sites, sites.hosts["seoul"])
    assert sorted(member["Role"] for member in members.values()) == ["Leader", "Quorum Standby", "Quorum Standby"]


async def _position_after(person: Talker, text: str) -> int:
    """Of a sync that shows the text: a worker that did not write it hears of it a moment later."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while text not in json.dumps(synced := await person.get(f"{V3}/sync")):
        assert time.monotonic() < deadline
    return int(synced["next_batch"].removeprefix("s"))


async def _leads(sites: Sites, host: Host) -> None:
    """Until that site is the leader."""
    await _until_leader_is(sites, host, host.name)


async def _leaderless(sites: Sites, host: Host) -> None:
    await _until_leader_is(sites, host, None)


async def _until_leader_is(sites: Sites, host: Host, name: str | None) -> None:
    deadline = time.monotonic() + READY_SECONDS_MAX
    while (members := sites.members(host)) is None or name != next(
        (one for one, said in members.items() if said["Role"] == "Leader"), None
    ):
        assert time.monotonic() < deadline, sites.log()
        await asyncio.sleep(0.2)


async def _settled(sites: Sites, host: Host) -> dict[str, dict[str, Any]]:
    """Until every site's database answers and two of them follow a leader."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while True:
        members = await asyncio.to_thread(sites.members, host) or {}
        follow = [member for member in members.values() if member["Role"] == "Quorum Standby"]
        if len(follow) == 2 and await asyncio.to_thread(sites.databases_answer):
            return members
        assert time.monotonic() < deadline, f"{members}\n{sites.log()}"
        await asyncio.sleep(0.5)


PORTS = {
    "etcd for clients": (2379, b"GET /health HTTP/1.0\r\n\r\n"),
    "etcd for members": (2380, b"GET /version HTTP/1.0\r\n\r\n"),
    "Patroni": (8009, b"GET /liveness HTTP/1.0\r\n\r\n"),
    "PostgreSQL": (5432, bytes([0, 0, 0, 8, 4, 210, 22, 47])),  # "may we speak TLS?": the one behind the tunnel says N
}
_KNOCK = """
import socket, ssl, sys
address, port, how, question = sys.argv[1], int(sys.argv[2]), sys.argv[3], bytes.fromhex(sys.argv[4])
with socket.create_connection((address, port), 3) as plain:
    line = plain
    if how != "plain":
        context = ssl.create_default_context(cafile="/etc/bongsu/tls/ca.crt")
        if how != "nameless":
            context.load_cert_chain(f"{how}.crt", f"{how}.key")
        line = context.wrap_socket(plain, server_hostname=address)
    line.sendall(question)
    print("answer:", line.recv(100))
"""


def _knock(host: Host, port: int, how: str, question: bytes) -> str:
    """What a port of seoul answers to another host. "" when the line is refused, or closed without a word."""
    python = ("/usr/bin/python3", "-c", _KNOCK)
    said = host.run(*python, f"{NETWORK}.1", str(port), how, question.hex(), check=False)
    answer = said.partition("answer: ")[2].strip()
    return "" if answer in ("b''", "") or answer.startswith(r"b'\x15\x03") else answer  # 21: a TLS alert


@pytest.fixture(scope="module")
def false_certificate(sites: Sites) -> str:
    """On busan: one for the right name, from an authority that nobody knows."""
    busan = sites.hosts["busan"]
    name = "/root/false"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    busan.run("openssl", "req", "-x509", *curve, "-subj", "/CN=busan", "-keyout", f"{name}.key", "-out", f"{name}.crt")
    return name


@pytest.mark.parametrize("what", PORTS)
async def test_sites_speak_with_nobody_who_shows_no_certificate_of_theirs(
    what: str, sites: Sites, clients: dict[str, aiohttp.ClientSession], false_certificate: str
) -> None:
    port, question = PORTS[what]
    busan = sites.hosts["busan"]
    own = "/etc/bongsu/tls/bongsu-db"
    assert _knock(busan, port, own, question), "a site was not heard, so the other findings mean nothing"
    for how in ("plain", "nameless", false_certificate):
        assert _knock(busan, port, how, question) == "", f"{what} answered {how}"


@pytest.mark.parametrize("port", [2379, 2380, 5432, 8009, 8448])
async def test_strangers_do_not_reach_what_is_for_sites(
    port: int, sites: Sites, clients: dict[str, aiohttp.ClientSession]
) -> None:
    with pytest.raises(TimeoutError), socket.create_connection((f"{NETWORK}.1", port), 1):
        pass


async def test_a_client_with_another_authority_trusts_no_site(sites: Sites) -> None:
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(), resolver=_Names())
    async with aiohttp.ClientSession(f"https://seoul.{PUBLIC_NAME}", connector=connector) as client:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.get("/health/live")


async def test_ways_of_sites_are_closed_to_clients(clients: dict[str, aiohttp.ClientSession]) -> None:
    for path in ("/_bongsu/peer/v1/anything", "/metrics"):
        async with clients["seoul"].get(path) as answer:
            assert answer.status == 404
    async with clients["seoul"].get(f"http://seoul.{PUBLIC_NAME}/", allow_redirects=False) as answer:
        assert answer.headers["location"].startswith("https://")


async def test_the_installer_changes_nothing_the_second_time(
    sites: Sites, clients: dict[str, aiohttp.ClientSession]
) -> None:
    said = await asyncio.to_thread(sites.install, sites.hosts["seoul"])
    assert said.split("Files\n")[1] == "This host is the site seoul\n"


async def test_a_site_without_workers_is_served_by_the_others(
    sites: Sites, clients: dict[str, aiohttp.ClientSession]
) -> None:
    alice = await sign_up(clients["busan"], "alice")
    daejeon = sites.hosts["daejeon"]
    for unit in WORKERS:
        daejeon.stop(unit)
    try:
        deadline = time.monotonic() + 30
        while await _why_not_ready(clients["daejeon"]) is not None:
            assert time.monotonic() < deadline, sites.log()
            await asyncio.sleep(0.1)
        assert (await alice.through(clients["daejeon"]).get(f"{V3}/account/whoami"))["user_id"] == alice.user_id
    finally:
        for unit in WORKERS:
            daejeon.start(unit)


async def test_every_site_takes_and_proves_its_own_backups(
    sites: Sites, clients: dict[str, aiohttp.ClientSession]
) -> None:
    members = await _settled(sites, sites.hosts["seoul"])
    for role in ("Leader", "Quorum Standby"):
        host = sites.hosts[next(name for name, member in members.items() if member["Role"] == role)]
        host.start("bongsu-archive.service")
        host.start("bongsu-backup.service")
        host.start("bongsu-backup-verify.service")
        record = json.loads(host.root_path("/var/lib/bongsu/backup/last.json").read_bytes())
        assert record["problems"] == []
        assert record["verified_position"] >= record["position"] > 0


async def test_the_loss_of_the_leading_site_is_survived_and_it_comes_back(
    sites: Sites, clients: dict[str, aiohttp.ClientSession]
) -> None:
    members = await _settled(sites, sites.hosts["seoul"])
    lost = next(name for name, member in members.items() if member["Role"] == "Leader")
    left = [name for name in NAMES if name != lost]
    alice = await sign_up(clients[left[0]], "alice")
    room: str = (await alice.post(f"{V3}/createRoom", {}))["room_id"]
    await _say(alice.through(clients[lost]), room, "before")

    sites.hosts[lost].crash()

    for name in left:
        await _wait_ready(sites, name, clients[name])
        await _say(alice.through(clients[name]), room, f"after, {name}")
    heard = ["before", *(f"after, {name}" for name in left)]
    await _hears(alice.through(clients[left[1]]), room, heard)

    sites.hosts[lost].boot()
    sites.start(sites.hosts[lost])
    await _settled(sites, sites.hosts[left[0]])
    await _wait_ready(sites, lost, clients[lost])
    await _say(alice.through(clients[lost]), room, "back")
    await _hears(alice.through(clients[left[0]]), room, [*heard, "back"])


async def test_all_sites_go_back_to_a_moment(sites: Sites, clients: dict[str, aiohttp.ClientSession]) -> None:
    """docs/runbooks/restore.md, step by step."""
    seoul = sites.hosts["seoul"]
    await _settled(sites, seoul)
    await _wait_ready(sites, "seoul", clients["seoul"])
    if not seoul.runs("bongsu-archive.service"):
        seoul.start("bongsu-archive.service")
    seoul.start("bongsu-backup.service")
    alice = await sign_up(clients["seoul"], "alice")
    room: str = (await alice.post(f"{V3}/createRoom", {}))["room_id"]
    await _say(alice, room, "kept")
    position = await _position_after(alice, "kept")
    await _say(alice, room, "a mistake")
    for host in sites.hosts.values():
        sites.stop_database(host)

    seoul.run(*_RESTORE, "--to", str(position), user="bongsu")
    await _leaderless(sites, seoul)
    seoul.run("sh", "-c", _FORGET)
    for host in sites.hosts.values():
        host.run("mv", "/var/lib/bongsu-db/postgres", "/var/lib/bongsu-db/postgres.before")
    seoul.run("cp", "-a", "/var/lib/bongsu/restored/postgres", "/var/lib/bongsu-db/postgres")
    seoul.run("chown", "-R", "bongsu-db:bongsu-db", "/var/lib/bongsu-db/postgres")
    seoul.start("bongsu-patroni.service")
    await _leads(sites, seoul)  # an empty site that starts before would begin a new database
    for name in ("busan", "daejeon"):
        sites.hosts[name].start("bongsu-patroni.service")
    await _settled(sites, seoul)
    for host in sites.hosts.values():
        for unit in WORKERS:
            host.start(unit)

    for name in NAMES:
        await _wait_ready(sites, name, clients[name])
        await _hears(alice.through(clients[name]), room, ["kept"])
    await _say(alice.through(clients["busan"]), room, "on we go")
    await _hears(alice.through(clients["daejeon"]), room, ["kept", "on we go"])
    said = seoul.run("/opt/bongsu/bin/patronictl", "-c", "/etc/bongsu/patroni.yml", "show-config")
    assert "synchronous_mode_strict: true" in said
    assert "synchronous_mode: quorum" in said


async def test_a_site_with_an_empty_disk_joins_two_that_live(
    sites: Sites, clients: dict[str, aiohttp.ClientSession]
) -> None:
    """docs/runbooks/rejoin.md, step by step."""
    seoul, busan = sites.hosts["seoul"], sites.hosts["busan"]
    await _settled(sites, seoul)
    alice = await sign_up(clients["seoul"], "alice")
    room: str = (await alice.post(f"{V3}/createRoom", {}))["room_id"]
    await _say(alice, room, "before")
    busan.crash()
    busan.wipe()
    await _wait_ready(sites, "seoul", clients["seoul"])

    sites.init("--rejoins", "busan")
    await _etcd_answers(seoul)
    found = next(line for line in _etcdctl(seoul, "member", "list").splitlines() if " busan," in line)
    _etcdctl(seoul, "member", "remove", found.split(",")[0])
    _etcdctl(seoul, "member", "add", "busan", f"--peer-urls=https://{busan.address}:2380")
    busan.boot()
    sites.install(busan)
    sites.start(busan)

    await _settled(sites, seoul)
    await _wait_ready(sites, "busan", clients["busan"])
    await _say(alice.through(clients["busan"]), room, "after")
    await _hears(alice.through(clients["daejeon"]), room, ["before", "after"])


async def _etcd_answers(host: Host) -> None:
    """Two members elect a leader of theirs when the lost one was it."""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while "is healthy" not in _etcdctl(host, "endpoint", "health", check=False):
        assert time.monotonic() < deadline, host.log()
        await asyncio.sleep(0.2)


def _etcdctl(host: Host, *command: str, check: bool = True) -> str:
    own = "/etc/bongsu/tls/etcd"
    trust = ("--cacert=/etc/bongsu/tls/ca.crt", f"--cert={own}.crt", f"--key={own}.key")
    where = f"--endpoints=https://{host.address}:2379"
    return host.run("env", "ETCDCTL_API=3", "etcdctl", "--command-timeout=30s", where, *trust, *command, check=check)
