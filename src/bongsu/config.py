"""Every setting of Bongsu: its name, default, meaning, and where its value comes from.

defaults < TOML file (--config, or <data>/bongsu.toml) < BONGSU_* environment < command line

A name nobody knows or a value that cannot be is one clear line and no start. Nothing is guessed, nothing is ignored.
"""

import difflib
import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from bongsu.core.ids import is_server_name, is_user_id

PREFIX: Final = "BONGSU_"
FILE_NAME: Final = "bongsu.toml"
FILE_VARIABLE: Final = "BONGSU_CONFIG"
_FOREIGN_PREFIXES: Final = ("BONGSU_TEST_", "BONGSU_BENCH_")  # settings of the tests and measurements, not the server's
_SECRET: Final = {"secret": True}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What one Bongsu process was told. Names are the same in the file, the environment and the command line."""

    data: Annotated[Path, Meta(description="Folder of everything Bongsu keeps")] = Path("data")
    host: Annotated[str, Meta(min_length=1, description="Address to listen on; 0.0.0.0 for all of IPv4")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port to listen on; 0 takes any free one")] = 8008
    server_name: Annotated[str, Meta(description="The part after the colon in user ids; it can never change")] = (
        "localhost"
    )
    dsn: Annotated[
        str | None,
        Meta(
            description="postgresql:// address of a database, with several hosts the one that can be written to;"
            " without one Bongsu brings its own",
            extra=_SECRET,
        ),
    ] = None
    connections_max: Annotated[int, Meta(ge=2, le=1000, description="Connections to the database")] = 10
    site: Annotated[str, Meta(description="Name of the site this worker stands in, among several")] = ""
    peers: Annotated[
        tuple[str, ...], Meta(description="The other sites, as name=http://address of their workers; commas between")
    ] = ()
    peer_secret: Annotated[str | None, Meta(description="What sites know each other by", extra=_SECRET)] = None
    peer_ca: Annotated[
        Path | None, Meta(description="Certificates that https peers are checked against, if not the system's")
    ] = None
    patroni_config: Annotated[
        Path | None, Meta(description="Patroni's file on this host, by which `bongsu site` hands over the lead")
    ] = None
    patroni: Annotated[str | None, Meta(description="http:// address of this site's Patroni, for bongsu doctor")] = None
    peer_certificate: Annotated[
        Path | None, Meta(description="Certificate that this site shows to its Patroni and etcd, if they ask for one")
    ] = None
    peer_key: Annotated[Path | None, Meta(description="The key of peer_certificate")] = None
    etcd: Annotated[
        tuple[str, ...], Meta(description="http:// addresses of all etcd members, for bongsu doctor; commas between")
    ] = ()
    public_base_url: Annotated[
        str | None, Meta(description="https:// address under which clients reach this server, if it is another")
    ] = None
    public_sites: Annotated[
        tuple[str, ...],
        Meta(description="https:// addresses of all sites as clients reach them; the web client asks the others, too"),
    ] = ()
    trusted_proxies: Annotated[
        tuple[str, ...], Meta(description="Addresses of proxies whose X-Forwarded-For is believed; commas between")
    ] = ()
    open_registration: Annotated[bool, Meta(description="Anybody may make an account")] = False
    guests: Annotated[
        bool, Meta(description="People without an account may read, and talk in rooms that let them in")
    ] = False
    registration_secret: Annotated[
        str | None, Meta(description="Whoever knows this may make accounts", extra=_SECRET)
    ] = None
    registration_mail: Annotated[
        Literal["no", "optional", "required"], Meta(description="Must whoever makes an account confirm a mail address?")
    ] = "no"
    smtp_host: Annotated[
        str | None, Meta(description="Mail server that mail is given to; public_base_url and mail_from are needed, too")
    ] = None
    smtp_port: Annotated[int, Meta(ge=1, le=65535, description="Port of the mail server")] = 587
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"], Meta(description="How the way to the mail server is kept secret")
    ] = "starttls"
    smtp_user: Annotated[str | None, Meta(description="Name by which the mail server knows this one")] = None
    smtp_password: Annotated[str | None, Meta(description="And its password", extra=_SECRET)] = None
    smtp_ca: Annotated[
        Path | None, Meta(description="Certificates that the mail server is checked against, if not the system's")
    ] = None
    mail_from: Annotated[str | None, Meta(description='Sender of mails, such as "Bongsu <chat@example.org>"')] = None
    mail_domains: Annotated[
        tuple[str, ...], Meta(description="Domains of mail addresses that people may use, if not any; commas between")
    ] = ()
    mail_link_hosts: Annotated[
        tuple[str, ...], Meta(description="Hosts of clients that a confirmed mail may lead back to; commas between")
    ] = ()
    reveal_addresses: Annotated[
        bool, Meta(description="Tell anybody at once whether a mail address belongs to an account here")
    ] = False
    password_hashing: Annotated[
        Literal["strong", "fast"], Meta(description="fast is for tests and measurements: it protects nobody")
    ] = "strong"  # noqa: S105 - the name of a cost
    rate_limits: Annotated[bool, Meta(description="Slow down whoever asks too often")] = True
    shedding: Annotated[bool, Meta(description="Under pressure, give up what matters least")] = True
    presence: Annotated[bool, Meta(description="Show who is online")] = True
    user_directory_all: Annotated[
        bool, Meta(description="Everybody finds everybody, not only whom they share a room with")
    ] = False
    turn_uris: Annotated[
        tuple[str, ...], Meta(description="turn: and turns: addresses of relays for calls; commas between")
    ] = ()
    turn_secret: Annotated[
        str | None, Meta(description="What the relays know this server by (coturn: static-auth-secret)", extra=_SECRET)
    ] = None
    turn_seconds: Annotated[
        int, Meta(ge=60, le=604_800, description="How long a name for the relays is good, in seconds")
    ] = 86_400
    support_page: Annotated[str | None, Meta(description="https:// address of a page that helps people")] = None
    support_admin: Annotated[
        tuple[str, ...], Meta(description="Mail addresses or user ids of who looks after the server; commas between")
    ] = ()
    support_security: Annotated[
        tuple[str, ...], Meta(description="The same of who wants to hear of security holes; commas between")
    ] = ()
    push_private_addresses: Annotated[
        bool, Meta(description="Push gateways may stand in private networks, and speak plain http there")
    ] = False
    webhook_private_addresses: Annotated[
        bool, Meta(description="Webhooks of channels may go to private networks, and over plain http there")
    ] = False
    policy_server_key: Annotated[
        str | None, Meta(description="ed25519 key of the policy server under this name, in unpadded base64")
    ] = None
    url_previews: Annotated[bool, Meta(description="Show people what the addresses in their messages are about")] = True
    preview_ranges: Annotated[
        tuple[str, ...],
        Meta(description="Private address ranges that previews may ask all the same, as 10.7.0.0/16; commas between"),
    ] = ()
    preview_ports: Annotated[tuple[int, ...], Meta(description="Ports that previews may ask; commas between")] = (
        80,
        443,
    )
    unauthenticated_media: Annotated[
        bool, Meta(description="Serve photos and files to old clients that ask without a token")
    ] = False
    upload_bytes_max: Annotated[int, Meta(ge=1024, description="Largest file that may be uploaded, in bytes")] = (
        100 * 1024 * 1024
    )
    backup_place: Annotated[Path | None, Meta(description="Folder in a second place, where backups go")] = None
    backup_dsn: Annotated[
        str | None,
        Meta(description="postgresql:// address of a role that may replicate, for backups", extra=_SECRET),
    ] = None
    backup_days: Annotated[int, Meta(ge=1, le=3650, description="Days back to which any moment can be restored")] = 30
    postgres_bin: Annotated[
        Path | None, Meta(description="Folder of PostgreSQL's programs, if not the ones Bongsu brings")
    ] = None
    drain_seconds: Annotated[
        float, Meta(ge=0, le=600, description="Time that requests under way get when the server stops")
    ] = 10.0
    log_format: Annotated[
        Literal["auto", "console", "json"], Meta(description="auto: console on a terminal, JSON elsewhere")
    ] = "auto"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least important lines to log")
    ] = "info"


class ConfigError(Exception):
    """One line: which setting, from where, what was given, what is wanted."""


class Setting(msgspec.Struct, frozen=True):
    """One member of Settings, for help texts and tables. `type` is what msgspec converts to."""

    name: str
    type: Any
    default: Any
    description: str
    is_secret: bool

    @property
    def option(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def is_flag(self) -> bool:
        return _plain(self.type) is bool


class Effective(msgspec.Struct, frozen=True):
    """The settings and, for each name, where its value came from ("default", a file, a variable, an option)."""

    settings: Settings
    origins: dict[str, str]

    def shown(self, name: str) -> Any:
        """The value as people may see it: no secrets."""
        value = getattr(self.settings, name)
        if value is None or not SETTINGS[name].is_secret:
            return str(value) if isinstance(value, Path) else value
        return re.sub(r"(//[^:/@]*):[^@/]*@", r"\1:***@", value) if name == "dsn" else "***"


def _setting(field: msgspec.structs.FieldInfo) -> Setting:
    meta = next(part for part in get_args(field.type) if isinstance(part, Meta))
    return Setting(field.name, field.type, field.default, meta.description or "", bool(meta.extra))


def _plain(kind: Any) -> Any:
    """The type without its annotation: int for Annotated[int, …]."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


SETTINGS: Final = {field.name: _setting(field) for field in msgspec.structs.fields(Settings)}


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - it is read from the text only now
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)


def is_site_name(text: str) -> bool:
    """What sites may be called: a name stands in addresses, folders and metrics."""
    return re.fullmatch(r"[a-z][a-z0-9-]{0,31}", text) is not None


def _is_peer(text: str) -> bool:
    name, equals, url = text.partition("=")
    return bool(equals) and is_site_name(name) and _is_base_url(url)


def _is_dsn(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    hosts = parts.netloc.rpartition("@")[2].split(",")
    return parts.scheme in ("postgresql", "postgres") and all(map(_DSN_HOST.fullmatch, hosts))


_DSN_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(:\d{1,5})?")


def _is_range(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def _is_proxy(text: str) -> bool:
    return text == "*" or _is_range(text)


def _is_contact(text: str) -> bool:
    return is_user_id(text) or re.fullmatch(r"[^@\s]+@[^@\s]+", text) is not None


_CHECKS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "server_name": (is_server_name, 'a host name such as "chat.example.org", with a :port if need be'),
    "public_base_url": (_is_base_url, 'an address such as "https://chat.example.org"'),
    "site": (lambda text: text == "" or is_site_name(text), 'a short name in small letters, such as "seoul"'),
    "public_sites": (
        lambda sites: all(map(_is_base_url, sites)),
        'addresses such as "https://seoul.example.org,https://busan.example.org"',
    ),
    "peers": (lambda peers: all(map(_is_peer, peers)), 'sites such as "busan=https://busan.example.org"'),
    "trusted_proxies": (lambda texts: all(map(_is_proxy, texts)), 'addresses such as "127.0.0.1" or "10.7.0.0/16"'),
    "turn_uris": (
        lambda uris: all(uri.startswith(("turn:", "turns:")) for uri in uris),
        'addresses such as "turn:turn.example.org?transport=udp"',
    ),
    "preview_ranges": (lambda texts: all(map(_is_range, texts)), 'ranges such as "10.7.0.0/16"'),
    "preview_ports": (lambda ports: all(0 < port < 65_536 for port in ports), "numbers from 1 to 65535"),
    "turn_secret": (lambda text: len(text) >= 8, "a text of at least 8 characters"),
    "support_page": (_is_base_url, 'an address such as "https://example.org/help"'),
    "support_admin": (lambda names: all(map(_is_contact, names)), 'addresses such as "admin@example.org"'),
    "support_security": (lambda names: all(map(_is_contact, names)), 'addresses such as "admin@example.org"'),
    "policy_server_key": (
        lambda text: re.fullmatch(r"[A-Za-z0-9+/_-]{43}", text) is not None,
        "a key of 43 characters of base64",
    ),
    "patroni": (_is_base_url, 'an address such as "http://127.0.0.1:8009"'),
    "etcd": (lambda urls: all(map(_is_base_url, urls)), 'addresses such as "http://127.0.0.1:2379"'),
    "mail_from": (
        lambda text: "@" in text and text.isprintable(),
        'an address such as "Bongsu <chat@example.org>"',
    ),
    "peer_secret": (lambda text: len(text) >= 16, "a text of at least 16 characters"),
    "registration_secret": (bool, "a text that is not empty"),
    "dsn": (_is_dsn, 'an address such as "postgresql://name@host/database"'),
    "backup_dsn": (_is_dsn, 'an address such as "postgresql://name@host/database"'),
}


def resolve(
    options: Mapping[str, Any] | None = None,
    *,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Effective:
    """The effective settings. `options` are the command line's (None: not given). Raises ConfigError."""
    given = {name: value for name, value in (options or {}).items() if value is not None}
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origins = dict.fromkeys(SETTINGS, "default")
    layers = [_from_environment(environment), _from_options(given)]
    for layer in [_from_file(config, environment, layers), *layers]:
        for name, (value, origin) in layer.items():
            values[name], origins[name] = value, origin
    return Effective(Settings(**values), origins)


Layer = dict[str, tuple[Any, str]]


def _from_options(given: Mapping[str, Any]) -> Layer:
    return {name: (_parse(name, text, SETTINGS[name].option), _option(name, text)) for name, text in given.items()}


def _option(name: str, value: Any) -> str:
    return f"--no-{name.replace('_', '-')}" if value is False else SETTINGS[name].option


def _from_environment(environment: Mapping[str, str]) -> Layer:
    layer: Layer = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX) or variable.startswith(_FOREIGN_PREFIXES) or variable == FILE_VARIABLE:
            continue
        name = variable.removeprefix(PREFIX).lower()
        if name not in SETTINGS or variable != PREFIX + name.upper():
            raise ConfigError(f"{variable} (environment) is no setting of Bongsu{_like(name, PREFIX, str.upper)}")
        if text != "":  # how a container says "not set"
            layer[name] = (_parse(name, text, variable), variable)
    return layer


def _from_file(config: Path | None, environment: Mapping[str, str], layers: list[Layer]) -> Layer:
    """The file that was named; else the one in the data folder, if it is there."""
    named = config or environment.get(FILE_VARIABLE)
    if named:
        return _read(Path(named), set(SETTINGS))
    data: Path = SETTINGS["data"].default
    for layer in layers:
        data = layer.get("data", (data, ""))[0]
    path = data / FILE_NAME
    try:
        is_there = path.exists()
    except OSError as error:  # a folder that is closed to us, or a name that is too long
        raise ConfigError(f"{path}: {error.strerror}") from None
    return _read(path, set(SETTINGS) - {"data"}) if is_there else {}


def _read(path: Path, allowed: set[str]) -> Layer:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}".replace("\n", " ")) from None
    layer: Layer = {}
    for name, value in table.items():
        if name not in allowed:
            raise ConfigError(_stranger(name, path))
        layer[name] = (_parse(name, value, f"{name} in {path}", is_text=False), str(path))
    return layer


def _stranger(name: str, path: Path) -> str:
    if name == "data":
        return f"data in {path} cannot name the folder this file stands in; use --data, or --config for the file"
    return f"{name} in {path} is no setting of Bongsu{_like(name.lower().replace('-', '_'))}"


def _like(name: str, prefix: str = "", spell: Callable[[str], str] = str) -> str:
    close = difflib.get_close_matches(name, SETTINGS, n=1, cutoff=0.6)
    return f"; did you mean {prefix}{spell(close[0])}?" if close else ""


def _parse(name: str, value: Any, source: str, *, is_text: bool = True) -> Any:
    """One value as its setting's type. Text (environment, command line) may say "true" or "8008"."""
    setting = SETTINGS[name]
    if is_text and isinstance(value, str) and get_origin(_plain(setting.type)) is tuple:
        value = [part.strip() for part in value.split(",") if part.strip()]
    try:
        parsed = msgspec.convert(value, setting.type, strict=not is_text, dec_hook=_path)
    except msgspec.ValidationError:
        raise _wrong(setting, value, source, _wanted(setting.type)) from None
    check, wanted = _CHECKS.get(name, (None, ""))
    if check is not None and parsed is not None and not check(parsed):
        raise _wrong(setting, value, source, wanted)
    return parsed.rstrip("/") if name == "public_base_url" and parsed else parsed


def _wrong(setting: Setting, value: Any, source: str, wanted: str) -> ConfigError:
    given = "***" if setting.is_secret else json.dumps(value, ensure_ascii=False, default=str)
    return ConfigError(f"{source} is {given}; it must be {wanted}")


def _path(kind: type, value: Any) -> Any:
    if kind is not Path or not isinstance(value, str) or not value or "\x00" in value:
        raise NotImplementedError if kind is not Path else ValueError("a path must be text")
    return Path(value).expanduser()


def _wanted(kind: Any) -> str:
    """What a type accepts, in words."""
    plain = _plain(kind)
    meta = next((part for part in get_args(kind) if isinstance(part, Meta)), Meta())
    if get_origin(plain) is Literal:
        return "one of " + ", ".join(get_args(plain))
    if plain is bool:
        return "true or false"
    if plain in (int, float):
        noun = "a whole number" if plain is int else "a number"
        return f"{noun} from {meta.ge} to {meta.le}" if meta.le is not None else f"{noun} of at least {meta.ge}"
    if get_origin(plain) is tuple:
        return "a list of texts"
    if plain is Path:
        return "the path of a folder"
    return f"a text of at least {meta.min_length} characters" if meta.min_length else "a text"
