"""Where this server is for the one who asks."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlencode, urlsplit

from bongsu.core.errors import not_found
from bongsu.core.oauth import LOOPBACK
from bongsu.http.request import Request

_HOST: Final = re.compile(r"(?:[0-9A-Za-z.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class Place:
    """Addresses of this server: as configured, else as the one who asks calls it."""

    def __init__(self, public_base_url: str | None, server_name: str) -> None:
        self._public_base_url = public_base_url
        self.server_name = server_name

    def base_url(self, request: Request) -> str:
        if self._public_base_url is not None:
            return self._public_base_url
        host = request.header("host") or ""
        if not _HOST.fullmatch(host):
            raise not_found("this server does not know its public address; set public_base_url")
        return f"http://{host}"

    def issuer(self, request: Request) -> str:
        return f"{self.base_url(request)}/"

    def origin(self, request: Request) -> str:
        parts = urlsplit(self.base_url(request))
        return f"{parts.scheme}://{parts.netloc}"

    def host(self, request: Request) -> str:
        return urlsplit(self.base_url(request)).hostname or ""

    @property
    def is_https(self) -> bool:
        return (self._public_base_url or "").startswith("https:")

    def is_local(self, request: Request) -> bool:
        """Is this server for its own computer alone?"""
        host = self.host(request)
        return host in LOOPBACK and _is_loopback(request.client)


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def with_pairs(address: str, pairs: Mapping[str, str], *, in_fragment: bool = False) -> str:
    """An address with more in its query, or as its fragment; what stands there already stays as it is."""
    more = urlencode(pairs)
    if in_fragment:
        return f"{address}#{more}"
    before, mark, fragment = address.partition("#")
    return f"{before}{'&' if '?' in before else '?'}{more}{mark}{fragment}"
