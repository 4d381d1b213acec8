"""Whose limits a request counts against."""

import pytest
from aiohttp.test_utils import make_mocked_request

from switchboard.web.connections import Proxies, client_address


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
    ],
)
def test_a_network_that_one_customer_has_counts_as_one_client(address: str, counted: str) -> None:
    """All of an IPv6 /64; an IPv4 address, however it is written."""
    assert client_address(address) == counted


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.7", ["203.0.113.1"], "192.0.2.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["1.2.3.4, 203.0.113.1, 10.0.0.2"], "203.0.113.1"),
        ("10.0.0.1", ["1.2.3.4", "203.0.113.1"], "203.0.113.1"),
        ("10.0.0.1", ["203.0.113.1:4711"], "203.0.113.1"),
        ("10.0.0.1", ["[2001:db8::7]:4711"], "2001:db8::/64"),
        ("10.0.0.1", ["2001:db8::7"], "2001:db8::/64"),
        ("10.0.0.1", ["unknown"], "10.0.0.1"),
        ("10.0.0.1", ["[", ":"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.1, , "], "10.0.0.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ],
)
def test_a_proxy_is_believed_and_nobody_else(peer: str, forwarded: list[str], client: str) -> None:
    """The last address that is no proxy; what a client wrote before it, or without a proxy, is made up."""
    request = make_mocked_request("GET", "/", headers=[("X-Forwarded-For", each) for each in forwarded])
    assert Proxies(["10.0.0.0/8"]).client_of(request.clone(remote=peer)) == client
