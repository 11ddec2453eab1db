"""Networks of clients behind proxies, and how refused keys are counted by them."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.addresses import UNKNOWN, client_network, parse_networks
from collector.refused_keys import MAX_NETWORKS, OTHERS, RefusedKeys
from collector.settings import from_env

PROXIES = parse_networks("10.0.0.0/8, 127.0.0.1, 2001:db8:ffff::/48")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "network"),
    [
        ("203.0.113.77", [], "203.0.113.0/24"),
        ("203.0.113.77", ["198.51.100.9"], "203.0.113.0/24"),  # anybody can write this header
        ("10.1.1.1", [], "10.1.1.0/24"),
        ("10.1.1.1", ["198.51.100.9"], "198.51.100.0/24"),
        ("10.1.1.1", ["6.6.6.6, 198.51.100.9"], "198.51.100.0/24"),
        ("10.1.1.1", ["6.6.6.6", "198.51.100.9, 10.9.9.9"], "198.51.100.0/24"),
        ("10.1.1.1", ["10.2.2.2"], "10.2.2.0/24"),
        ("10.1.1.1", ["198.51.100.9:4711"], "198.51.100.0/24"),
        ("10.1.1.1", ["[2001:db8:1:2::3]:4711"], "2001:db8:1::/48"),
        ("10.1.1.1", ["unknown"], "10.1.1.0/24"),
        ("10.1.1.1", ["198.51.100.9, <script>"], "10.1.1.0/24"),
        ("10.1.1.1", [""], "10.1.1.0/24"),
        ("::ffff:10.1.1.1", ["198.51.100.9"], "198.51.100.0/24"),
        ("2001:db8:ffff::1", ["2001:db8:aaaa:bbbb::1"], "2001:db8:aaaa::/48"),
        ("fe80::1%eth0", [], "fe80::/48"),
        (None, ["198.51.100.9"], UNKNOWN),
    ],
)
def test_network_of_the_client(peer: str | None, forwarded_for: list[str], network: str):
    assert client_network(peer, forwarded_for, PROXIES) == network


@given(peer=st.ip_addresses().map(str), values=st.lists(st.text(max_size=30), max_size=5))
def test_whatever_the_header_says_a_network_comes_out(peer: str, values: list[str]):
    network = ipaddress.ip_network(client_network(peer, values, PROXIES))

    assert network.prefixlen == {4: 24, 6: 48}[network.version]


def test_wrong_networks_are_named_at_the_start():
    with pytest.raises(ValueError, match="SCENETRAIL_TRUSTED_PROXIES"):
        from_env({"SCENETRAIL_TRUSTED_PROXIES": "10.0.0.0/8, nonsense"})


def test_network_over_the_limit_waits_for_the_end_of_the_minute():
    keys = RefusedKeys(3)

    assert [keys.count("a", 10.0 + n) for n in range(5)] == [0, 0, 0, 57, 56]
    assert keys.count("b", 15.0) == 0
    assert keys.summary(69.0) == {}
    assert keys.summary(70.0) == {"a": 5, "b": 1}
    assert keys.summary(200.0) == {}
    assert keys.count("a", 201.0) == 0


def test_without_a_limit_nobody_waits():
    keys = RefusedKeys(0)

    assert not any(keys.count("a", 1.0) for _ in range(10_000))


def test_counters_are_bounded_and_the_summary_is_short():
    keys = RefusedKeys(0)
    for n in range(MAX_NETWORKS + 500):
        keys.count(str(n), 1.0)
    for _ in range(100):
        keys.count("7", 1.0)

    summary = keys.summary(100.0)

    assert summary["7"] == 101
    assert summary[OTHERS] >= 500
    assert sum(summary.values()) == MAX_NETWORKS + 600
    assert len(summary) <= 11
