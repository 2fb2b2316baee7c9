"""Which addresses this server may ask on behalf of a person: the public internet, and nothing behind its own door."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network

# What is not the public internet: own, private, shared by providers, link-local, tests, relays, many, reserved.
_REFUSED_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
_PUBLIC_V6: Final = IPv6Network("2000::/3")  # whatever else there is: own, mapped, translated, local, many
_REFUSED_V6: Final = tuple(  # Teredo and other protocols' own, documentation, 6to4, which leads to any IPv4 address
    IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Ranges such as "192.168.7.0/24". Raises ValueError for what is none."""
    return tuple(ip_network(text) for text in texts)


def may_ask(address: str, allowed: Sequence[Network]) -> bool:
    """allowed: ranges that the operator has opened all the same."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if any(parsed.version == network.version and parsed in network for network in allowed):
        return True
    if isinstance(parsed, IPv4Address):
        return not any(parsed in network for network in _REFUSED_V4)
    return _is_public_v6(parsed)


def _is_public_v6(address: IPv6Address) -> bool:
    return address.scope_id is None and address in _PUBLIC_V6 and not any(address in network for network in _REFUSED_V6)
