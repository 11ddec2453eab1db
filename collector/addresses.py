"""
Where a request comes from, as far as that may be known: a network of clients, never one client's address.

Pure. Nothing of it is stored; the log of refused keys and their limit use it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_KEPT_BITS = {4: 24, 6: 48}
UNKNOWN = "unknown"


def parse_networks(text: str) -> tuple[Network, ...]:
    """Read networks or addresses, separated by commas. Errors: ValueError."""
    return tuple(
        ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip()
    )


def client_network(
    peer: str | None, forwarded_for: Iterable[str], trusted: tuple[Network, ...]
) -> str:
    """
    Return the network (/24 or /48) of the client of a request.

    Args:
        peer: the other end of the connection.
        forwarded_for: values of ``X-Forwarded-For``. Believed only as far as trusted proxies wrote them: read from the
            right, up to the first address that is no trusted proxy.
        trusted: networks of proxies.
    """
    address = _parse(peer or "")
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while address is not None and hops and any(address in network for network in trusted):
        before = _parse(hops.pop())
        if before is None:  # not written by a proxy of ours: the last good address stands
            break
        address = before
    if address is None:
        return UNKNOWN
    return str(ipaddress.ip_network(f"{address}/{_KEPT_BITS[address.version]}", strict=False))


def _parse(text: str) -> Address | None:
    """An address with or without port, brackets and zone; IPv4 in its IPv6 form is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
