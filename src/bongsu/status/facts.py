"""What a site knows of itself, for the doctor: gathered when asked, each part by itself, each with a deadline.

What cannot be found out is named in `unknown` with the reason, so that silence is never taken for health. Secrets and
settings leave the site only as keyed hashes: equal or not is all that anybody learns.
"""

import asyncio
import hashlib
import hmac
import json
import os
import shutil
import socket
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from prometheus_client import REGISTRY

from bongsu import __version__
from bongsu.config import Settings
from bongsu.core import limits
from bongsu.core.chain import Seal
from bongsu.status import record
from bongsu.status.load import Load, LoadFacts
from bongsu.store.database import Database
from bongsu.store.replication import DatabaseFacts, database_facts

FACTS_PATH: Final = "/_bongsu/peer/v1/facts"
_SAME_EVERYWHERE: Final = (  # settings that must be the same in every site
    *("server_name", "public_base_url", "open_registration", "registration_secret", "password_hashing", "rate_limits"),
    *("presence", "unauthenticated_media", "push_private_addresses", "upload_bytes_max", "peer_secret", "dsn"),
    "webhook_private_addresses",
)
_EXPIRED: Final = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_MISSING_METRIC: Final = "bongsu_media_missing"


class Member(msgspec.Struct, frozen=True):
    """Of Patroni's cluster or of etcd's. role, state: Patroni's words. lag_bytes: null when unknown."""

    name: str
    host: str
    role: str = ""
    state: str = ""
    lag_bytes: int | None = None


class Etcd(msgspec.Struct, frozen=True):
    """members: as its cluster knows them; healthy: endpoints (urls) that say they are, ill: the others asked."""

    members: list[Member]
    healthy: list[str]
    ill: list[str]


class Backup(msgspec.Struct, frozen=True):
    """Milliseconds since the epoch; null: never."""

    finished_ms: int | None
    verified_ms: int | None


class Certificate(msgspec.Struct, frozen=True):
    """name: the file or address it is for."""

    name: str
    ends_ms: int


class Facts(msgspec.Struct, kw_only=True):
    """hashes: of settings, by name. machine: a hash that two sites on one machine share. backup, media_missing,
    patroni, etcd, seal: null when there is none here or it could not be found out; `unknown` says which.
    """

    site: str
    version: str
    now_ms: int
    sites: list[str]
    features: list[str]
    machine: str
    hashes: dict[str, str]
    disk_free: int
    disk_total: int
    database: DatabaseFacts | None = None
    patroni: list[Member] | None = None
    etcd: Etcd | None = None
    backup: Backup | None = None
    certificates: list[Certificate]
    media_missing: int | None = None
    load: LoadFacts | None = None
    seal: Seal | None = None
    record_altered: bool = False
    unknown: dict[str, str]


class FactFinder:
    """find() gathers. load: None when nobody measured it (a command, not a worker)."""

    def __init__(
        self,
        settings: Settings,
        database: Database | None,
        *,
        sites: list[str],
        features: list[str],
        now_ms: Callable[[], int],
        load: Load | None = None,
        is_altered: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._database = database
        self._sites = sites
        self._features = features
        self._now_ms = now_ms
        self._load = load
        self._is_altered = is_altered

    async def find(self) -> Facts:
        unknown: dict[str, str] = {}
        database, patroni, etcd, certificates = await asyncio.gather(
            self._try("database", unknown, self._of_database),
            self._try("patroni", unknown, self._of_patroni),
            self._try("etcd", unknown, self._of_etcd),
            self._try("certificates", unknown, lambda: asyncio.to_thread(self._of_certificates)),
        )
        usage = shutil.disk_usage(_existing(self._settings.data))
        return Facts(
            site=self._settings.site,
            version=__version__,
            now_ms=self._now_ms(),
            sites=self._sites,
            features=self._features,
            machine=_machine(self._settings),
            hashes=hashes(self._settings),
            disk_free=usage.free,
            disk_total=usage.total,
            database=database,
            patroni=patroni,
            etcd=etcd,
            backup=_backup(self._settings.data, unknown),
            certificates=certificates or [],
            media_missing=_metric(_MISSING_METRIC),
            load=self._load.facts() if self._load else None,
            seal=record.seal_in(self._settings.data),
            record_altered=self._is_altered(),
            unknown=unknown,
        )

    @staticmethod
    async def _try(name: str, unknown: dict[str, str], find: Callable[[], Awaitable[Any]]) -> Any:
        try:
            async with asyncio.timeout(limits.FACT_SECONDS_MAX):
                return await find()
        except TimeoutError:
            unknown[name] = f"no answer in {limits.FACT_SECONDS_MAX:g} s"
        except Exception as error:  # whatever it is, it is what the doctor wants to hear of
            unknown[name] = str(error) or type(error).__name__
        return None

    async def _of_database(self) -> DatabaseFacts | None:
        return await database_facts(self._database) if self._database else None

    async def _of_patroni(self) -> list[Member] | None:
        if self._settings.patroni is None:
            return None
        cluster = await _get(f"{self._settings.patroni}/cluster", self._settings)
        return [_patroni_member(member) for member in cluster["members"]]

    async def _of_etcd(self) -> Etcd | None:
        urls = self._settings.etcd
        if not urls:
            return None
        asked = await asyncio.gather(*map(self._etcd_health, urls))
        healthy = [url for url, is_healthy in zip(urls, asked, strict=True) if is_healthy]
        ill = [url for url in urls if url not in healthy]
        members = await self._etcd_members(healthy[0]) if healthy else []
        return Etcd(members, healthy, ill)

    async def _etcd_health(self, url: str) -> bool:
        try:
            said = await _get(f"{url}/health", self._settings)
        except Exception:
            return False
        return str(said.get("health")).lower() == "true"

    async def _etcd_members(self, url: str) -> list[Member]:
        said = await _get(f"{url}/v3/cluster/member/list", self._settings, post=b"{}")
        return [_etcd_member(member) for member in said.get("members", [])]

    def _of_certificates(self) -> list[Certificate]:
        """Of what this site is reached by, and of the authority it trusts."""
        found = [Certificate(name, ends) for name, ends in _authority(self._settings.peer_ca)]
        return [*found, *(_served(url, self._settings) for url in _https(self._settings))]


# --- parts ---


def _existing(path: Path) -> Path:
    """The folder, or the nearest above it that is there: the same disk."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def hashes(settings: Settings) -> dict[str, str]:
    """Keyed with the secret that sites share: nobody else can guess values from them."""
    key = (settings.peer_secret or "").encode()
    return {name: _keyed(key, name, _comparable(name, getattr(settings, name))) for name in _SAME_EVERYWHERE}


def _keyed(key: bytes, name: str, value: object) -> str:
    return hmac.new(key, f"{name}={value}".encode(), hashlib.sha256).hexdigest()[:24]


def _comparable(name: str, value: Any) -> Any:
    """The hosts of a database's address come in another order in every site: its own first."""
    if name != "dsn" or value is None:
        return value
    parts = urlsplit(value)
    login, at, hosts = parts.netloc.rpartition("@")
    return parts._replace(netloc=login + at + ",".join(sorted(hosts.split(",")))).geturl()


def _machine(settings: Settings) -> str:
    path = Path("/proc/sys/kernel/random/boot_id")  # of the running kernel: containers of one machine share it
    identity = path.read_text().strip() if path.exists() else os.uname().nodename
    return _keyed((settings.peer_secret or "").encode(), "machine", identity)


def _metric(name: str) -> int | None:
    value = REGISTRY.get_sample_value(name)
    return None if value is None else int(value)


def _backup(data: Path, unknown: dict[str, str]) -> Backup | None:
    path = data / "backup" / "last.json"
    try:
        said = json.loads(path.read_bytes())
        return Backup(_moment(said.get("finished_at")), _moment(said.get("verified_at")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError) as error:
        unknown["backup"] = f"{path}: {error}"
        return None


def _moment(text: str | None) -> int | None:
    if text is None:
        return None
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _authority(path: Path | None) -> list[tuple[str, int]]:
    if path is None:
        return []
    context = ssl.create_default_context(cafile=path)
    ends = [str(one["notAfter"]) for one in context.get_ca_certs()]
    return [(str(path), int(ssl.cert_time_to_seconds(end) * 1000)) for end in ends]


def _https(settings: Settings) -> list[str]:
    """What of this site is reached over TLS."""
    urls = (settings.public_base_url or "", settings.patroni or "")
    return [url for url in urls if url.startswith("https://")]


def _context(settings: Settings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.peer_ca is not None:
        context.load_verify_locations(settings.peer_ca)
    if settings.peer_certificate is not None:
        context.load_cert_chain(settings.peer_certificate, settings.peer_key)
    return context


def _served(url: str, settings: Settings) -> Certificate:
    try:
        return Certificate(url, _ends(url, _context(settings)))
    except ssl.SSLCertVerificationError as error:
        if error.verify_code != _EXPIRED:
            raise
        return Certificate(url, 0)


def _ends(url: str, context: ssl.SSLContext) -> int:
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or 443)
    with (
        socket.create_connection(address, timeout=limits.FACT_SECONDS_MAX) as plain,
        context.wrap_socket(plain, server_hostname=parts.hostname) as secure,
    ):
        said = secure.getpeercert() or {}
    return int(ssl.cert_time_to_seconds(str(said["notAfter"])) * 1000)


async def _get(url: str, settings: Settings, *, post: bytes | None = None) -> Any:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=limits.FACT_SECONDS_MAX)
    context = _context(settings) if url.startswith("https") else True
    method = "GET" if post is None else "POST"
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.request(method, url, data=post) as answer,
    ):
        return json.loads(await answer.read())


def _patroni_member(said: dict[str, Any]) -> Member:
    lag = said.get("lag")
    return Member(
        str(said.get("name")),
        str(said.get("host", "")),
        str(said.get("role", "")),
        str(said.get("state", "")),
        lag if isinstance(lag, int) else None,
    )


def _etcd_member(said: dict[str, Any]) -> Member:
    urls = said.get("peerURLs") or [""]
    return Member(str(said.get("name", "")), urlsplit(urls[0]).hostname or "")
