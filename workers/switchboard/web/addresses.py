"""Who a client is: the address that limits are counted by."""

import ipaddress
from collections.abc import Iterable
from typing import Final

from aiohttp import web

IPV6_PREFIX: Final = 64
"""One customer of an IPv6 provider has at least a /64, 2^64 addresses: limits count it as one client."""

MOST_HOPS: Final = 16
"""Addresses of X-Forwarded-For that are looked at: more than there are proxies in any row."""


class Proxies:
    """The reverse proxies in front of a web server, whose `X-Forwarded-For` is believed.

    Args:
        networks: addresses and networks, such as `10.0.0.7` and `10.1.0.0/16`.

    Raises:
        ValueError: one of them is neither.
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks = tuple(ipaddress.ip_network(network.strip(), strict=False) for network in networks)

    def hold(self, address: str) -> bool:
        """Whether a proxy has the address."""
        found = _parsed(address)
        return found is not None and any(found in network for network in self._networks)

    def client_of(self, request: web.Request) -> str:
        """The address that sent the request, as `client_address` writes it.

        Each proxy appends the address that it was asked from, so the list is read from its end: the first address that
        is no proxy is the client. Whatever stands before it was made up by the client, or can't be told from that.
        """
        client = request.remote or ""
        if self._networks:
            forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
            hops = iter(reversed(forwarded.split(",")[-MOST_HOPS:]))
            while self.hold(client) and (hop := _without_port(next(hops, "").strip())):
                if _parsed(hop) is None:
                    break
                client = hop
        return client_address(client)


def client_address(address: str) -> str:
    """The address that limits count by: an IPv4 address, the /64 of an IPv6 address, or the text if it is neither."""
    found = _parsed(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found), IPV6_PREFIX), strict=False))
    return address if found is None else str(found)


def _without_port(hop: str) -> str:
    """The address of `192.0.2.7:4711` or `[2001:db8::7]:4711`, as some proxies write it, or of one without a port."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
