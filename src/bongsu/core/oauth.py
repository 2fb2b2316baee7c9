"""OAuth 2.0 as Matrix uses it: which apps may register, where their answers may go, and what they may ask for."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from bongsu.core import limits
from bongsu.core.ids import check_text

CODE_GRANT: Final = "authorization_code"
REFRESH_GRANT: Final = "refresh_token"
DEVICE_GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS: Final = (CODE_GRANT, REFRESH_GRANT, DEVICE_GRANT)
PUBLIC: Final = "none"  # an app that can keep no secret
AUTH_METHODS: Final = (PUBLIC, "client_secret_basic", "client_secret_post")
LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_API: Final = ("urn:matrix:client:api:*", "urn:matrix:org.matrix.msc2967.client:api:*")
_DEVICE: Final = ("urn:matrix:client:device:", "urn:matrix:org.matrix.msc2967.client:device:")
_DEVICE_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,255}")
_IDENTITY: Final = ("openid", "profile")
_LINKS: Final = ("logo_uri", "tos_uri", "policy_uri")
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]+")


class BadMetadata(Exception):
    """An app that cannot be registered. is_redirect: because of where answers would go."""

    def __init__(self, message: str, *, is_redirect: bool = False) -> None:
        super().__init__(message)
        self.is_redirect = is_redirect


class BadScope(Exception):
    """Something that cannot be allowed."""


class Scope(msgspec.Struct, frozen=True):
    """What an app asks for. text: that part of its words which is known here. device_id: the one it wants to be."""

    text: str
    has_api: bool
    has_identity: bool
    device_id: str | None

    def with_device(self, device_id: str) -> str:
        """What was allowed, in words, the device named."""
        return self.text if self.device_id is not None else f"{self.text} {_DEVICE[0]}{device_id}"


def session_scope(device_id: str) -> str:
    return f"{_API[0]} {_DEVICE[0]}{device_id}"


def read_scope(text: str) -> Scope:
    """What is not known is left out. Raises BadScope when nothing is left, or no single device can be meant."""
    words = [word for word in dict.fromkeys(text.split()) if _is_known(word)]
    devices = {word[len(start) :] for word in words for start in _DEVICE if word.startswith(start)}
    has_api = any(word in _API for word in words)
    if len(devices) > 1 or (devices and not has_api):
        raise BadScope("a session has one device, and the scope of the client-server API")
    if not has_api and "openid" not in words:
        raise BadScope("the scope must hold urn:matrix:client:api:* or openid")
    device_id = next(iter(devices), None)
    if device_id is not None and not _DEVICE_ID.fullmatch(device_id):
        raise BadScope("a device id is made of letters, digits and - . _ ~")
    return Scope(" ".join(words), has_api, "openid" in words, device_id)


def _is_known(word: str) -> bool:
    return word in _API or word in _IDENTITY or word.startswith(_DEVICE)


# --- apps ---


def read_metadata(given: Mapping[str, Any], *, is_local: bool) -> dict[str, Any]:
    """What is kept of an app's registration. Raises BadMetadata.

    is_local: this server is for its own computer alone, so the app's site may be there, too, without TLS.
    """
    client_uri = _text(given, "client_uri")
    site = _site(client_uri, is_local=is_local)
    kind = given.get("application_type", "web")
    if kind not in ("web", "native"):
        raise BadMetadata("application_type must be web or native")
    grants = _choices(given, "grant_types", GRANTS, (CODE_GRANT,))
    kept = {
        "client_uri": client_uri,
        "application_type": kind,
        "grant_types": list(grants),
        "response_types": list(_choices(given, "response_types", ("code",), ("code",))),
        "token_endpoint_auth_method": _method(given),
        "redirect_uris": _redirects(given, site, kind, is_needed=CODE_GRANT in grants, is_local=is_local),
    }
    return {**kept, **_links(given, site), **_names(given)}


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value or len(value) > limits.OAUTH_TEXT_BYTES_MAX or "\x00" in value:
        raise BadMetadata(f"{name} must be a text of at most {limits.OAUTH_TEXT_BYTES_MAX} characters")
    return value


def _choices(given: Mapping[str, Any], name: str, known: Sequence[str], default: Sequence[str]) -> Sequence[str]:
    value = given.get(name, list(default))
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise BadMetadata(f"{name} must be a list of texts")
    chosen = [each for each in known if each in value]
    if not chosen:
        raise BadMetadata(f"{name} must hold one of {', '.join(known)}")
    return chosen


def _method(given: Mapping[str, Any]) -> str:
    method = given.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in AUTH_METHODS:
        raise BadMetadata(f"token_endpoint_auth_method must be one of {', '.join(AUTH_METHODS)}")
    return str(method)


def _names(given: Mapping[str, Any]) -> dict[str, str]:
    """client_name, and client_name#ko and the like."""
    names = [name for name in given if name == "client_name" or name.startswith("client_name#")]
    return {name: check_text(_text(given, name), "client_name", limits.DISPLAY_NAME_BYTES_MAX) for name in names[:20]}


def _links(given: Mapping[str, Any], site: SplitResult) -> dict[str, str]:
    """Pages and pictures of the app, which must be on its own site."""
    links: dict[str, str] = {}
    for name in (name for name in _LINKS if given.get(name) is not None):
        uri = _text(given, name)
        parts = split(uri)
        if parts is None or parts.scheme != site.scheme or not _is_within(parts.hostname, site.hostname):
            raise BadMetadata(f"{name} must be on the same site as client_uri")
        links[name] = uri
    return links


def split(uri: str) -> SplitResult | None:
    """None for what is no plain address: strange characters, or somebody's name and password in it."""
    if not _PRINTABLE.fullmatch(uri) or "\\" in uri:
        return None
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError:
        return None
    return None if "@" in parts.netloc else parts


def _site(client_uri: str, *, is_local: bool) -> SplitResult:
    parts = split(client_uri)
    if parts is None or not parts.hostname or not _is_safe(parts, is_local=is_local):
        raise BadMetadata("client_uri must be an https address")
    return parts


def _is_safe(parts: SplitResult, *, is_local: bool) -> bool:
    return parts.scheme == "https" or (is_local and parts.scheme == "http" and parts.hostname in LOOPBACK)


def _is_within(host: str | None, site: str | None) -> bool:
    return bool(host) and bool(site) and (host == site or str(host).endswith(f".{site}"))


def _redirects(given: Mapping[str, Any], site: SplitResult, kind: str, *, is_needed: bool, is_local: bool) -> list[str]:
    uris = given.get("redirect_uris", [])
    if not isinstance(uris, list) or len(uris) > limits.OAUTH_REDIRECTS_MAX or (is_needed and not uris):
        raise BadMetadata(f"redirect_uris must hold 1 to {limits.OAUTH_REDIRECTS_MAX} addresses", is_redirect=True)
    for uri in uris:
        if not isinstance(uri, str) or len(uri) > limits.OAUTH_TEXT_BYTES_MAX:
            raise BadMetadata("redirect_uris must be texts", is_redirect=True)
        if (problem := _redirect_problem(uri, site, kind, is_local=is_local)) is not None:
            raise BadMetadata(problem, is_redirect=True)
    return uris


def _redirect_problem(uri: str, site: SplitResult, kind: str, *, is_local: bool) -> str | None:
    parts = split(uri)
    if parts is None or not parts.scheme:
        return "a redirect uri must be an absolute address"
    if parts.fragment or uri.endswith("#"):
        return "a redirect uri has no fragment"
    if _is_safe(parts, is_local=is_local and kind == "web"):
        return None if _is_within(parts.hostname, site.hostname) else "a redirect uri must be on the app's own site"
    if kind == "web":
        return "a redirect uri of a web app begins with https"
    if parts.scheme == "http":
        return _loopback_problem(parts)
    return _own_scheme_problem(uri, parts, site)


def _loopback_problem(parts: SplitResult) -> str | None:
    if parts.hostname not in LOOPBACK:
        return "http is for localhost, 127.0.0.1 and [::1] alone"
    return "a redirect uri to this computer names no port: any will do" if parts.port is not None else None


def _own_scheme_problem(uri: str, parts: SplitResult, site: SplitResult) -> str | None:
    """Of com.example.app:/somewhere: the scheme is the app's own site, backwards."""
    if not _is_within(".".join(reversed(parts.scheme.split("."))), site.hostname):
        return "a redirect uri's own scheme must be the host of client_uri, backwards"
    rest = uri[len(parts.scheme) :]
    return None if rest.startswith(":/") and not rest.startswith("://") else "after an own scheme stands one slash"


def is_redirect_of(metadata: Mapping[str, Any], uri: str) -> bool:
    """Is it one of the app's addresses, letter by letter? Of those on the person's own computer, any port will do."""
    registered: list[str] = metadata["redirect_uris"]
    if uri in registered:
        return True
    parts = split(uri)
    if metadata["application_type"] != "native" or parts is None or parts.scheme != "http" or parts.port is None:
        return False
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return parts.hostname in LOOPBACK and parts._replace(netloc=str(host)).geturl() in registered


def app_name(metadata: Mapping[str, Any], language: str) -> str:
    name = metadata.get(f"client_name#{language}") or metadata.get("client_name") or app_site(metadata)
    return str(name)


def app_site(metadata: Mapping[str, Any]) -> str:
    return urlsplit(metadata["client_uri"]).hostname or ""
