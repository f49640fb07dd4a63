"""Which IP addresses a webhook may go to, before anything connects."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from typing import Any

import pytest

from bookings.news.webhooks import receiver_urls
from bookings.news.webhooks.receiver_urls import UrlRefused, read_url


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1", "127.8.9.10", "0.0.0.0", "0.1.2.3",
        "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200",
        "192.0.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
        "192.88.99.1", "168.63.129.16", "224.0.0.1", "239.255.255.250", "240.0.0.1",
        "255.255.255.255",
        "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1", "2001:db8::1",
        "2002:7f00:1::", "2002:a00:1::", "2002:808:808::", "3fff::1", "5f00::1",
        "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1", "ff0e::1",
    ],
)  # fmt: skip
def test_takes_no_address_for_the_world_that_is_inside(inside: str) -> None:
    assert not receiver_urls.is_outside(ipaddress.ip_address(inside))


@pytest.mark.parametrize(
    "outside",
    ["8.8.8.8", "1.1.1.1", "93.184.215.14", "172.32.0.1", "192.0.1.1", "100.128.0.1",
     "2606:4700:4700::1111", "2a00:1450:4001:82a::200e", "64:ff9b::808:808"],
)  # fmt: skip
def test_takes_the_rest_for_the_world(outside: str) -> None:
    assert receiver_urls.is_outside(ipaddress.ip_address(outside))


@pytest.mark.parametrize(
    "found", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["8.8.8.8", "::1"]]
)
def test_refuses_a_name_that_leads_inside_as_well(found: list[str]) -> None:
    receiver_urls.check_ip_addresses(["8.8.8.8", "2606:4700::1"])

    with pytest.raises(UrlRefused, match="leads to"):
        receiver_urls.check_ip_addresses(found)


def test_lets_the_setting_allow_what_is_inside(settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_ADDRESSES = True

    receiver_urls.check_ip_addresses(["127.0.0.1", "fd00::1"])


@pytest.mark.parametrize(
    "spelled",
    ["2130706433", "0x7f000001", "017700000001", "0177.0.0.1", "0x7f.1", "127.1", "127.0.1", "0"],
)
def test_sees_what_a_number_means_however_it_is_spelled(spelled: str) -> None:
    found = receiver_urls.resolve(read_url(f"https://{spelled}/").host, 443, 5)

    with pytest.raises(UrlRefused):
        receiver_urls.check_ip_addresses(found)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.0.0.1.", "10.0.0.1:8443", "169.254.169.254", "0.0.0.0",
        "2130706433", "2130706433.", "0x7f000001", "017700000001", "0177.0.0.1", "0x7f.1", "127.1",
        "0", "[::1]", "[::1]:8443", "[::]", "[fe80::1]", "[fd00::1]", "[::ffff:127.0.0.1]",
        "[::ffff:8.8.8.8]", "[64:ff9b::7f00:1]",
        "localhost", "LocalHost", "localhost.", "receiver.localhost", "localhost:8443",
    ],
)  # fmt: skip
def test_sees_that_a_host_is_inside_without_resolving_it(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr(receiver_urls, "resolve", None)

    with pytest.raises(UrlRefused, match="not a public IP address"):
        receiver_urls.check_unresolved(f"https://{host}/hooks")


@pytest.mark.parametrize(
    "host",
    ["8.8.8.8", "134744072", "[2606:4700::1]", "partner.example", "localhost.example", "999.1.1.1"],
)
def test_leaves_names_to_each_try(host: str) -> None:
    receiver_urls.check_unresolved(f"https://{host}/hooks")


def test_lets_the_setting_allow_a_host_that_is_inside(settings: Any) -> None:
    settings.WEBHOOK_PRIVATE_ADDRESSES = True

    for host in ("127.0.0.1", "[::1]", "localhost"):
        receiver_urls.check_unresolved(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "", "partner.example/hooks", "//partner.example/", "https:///hooks", "https://",
        "https://user@partner.example/", "https://user:pw@partner.example/",
        "https://partner.example@127.0.0.1/", "https://127.0.0.1#@partner.example/",
        "https://partner.example\\@127.0.0.1/", "https://127.0.0.1\\.partner.example/",
        "https://partner.example/ hooks", "https://partner.example/\r\nHost: inside",
        "https://partner.example/\thooks", "https://partner.example/höoks", "https://pärtner.example/",
        "https://partner.example:0/", "https://partner.example:65536/", "https://partner.example:x/",
        "https://[::1/", "https://[fe80::1%25eth0]/", "https://[not-an-address]/", "https://.a/",
        "https://partner%2eexample/", "https://partner.example/#part", "https://a,b/",
        "file:///etc/passwd", "ftp://partner.example/", "gopher://partner.example/",
        "javascript:alert(1)", f"https://partner.example/{'x' * 500}",
    ],
)  # fmt: skip
def test_refuses_what_is_no_address_of_an_endpoint(url: str) -> None:
    with pytest.raises(UrlRefused):
        read_url(url)


def test_takes_an_address_apart() -> None:
    target = read_url("https://Partner.Example:8443/hooks/1?for=us&a=%20")

    assert (target.is_tls, target.host, target.port) == (True, "partner.example", 8443)
    assert target.netloc == "Partner.Example:8443"
    assert target.path == "/hooks/1?for=us&a=%20"
    assert read_url("https://[2606:4700::1]").host == "2606:4700::1"
    assert read_url("https://[2606:4700::1]").path == "/"


def test_wants_tls_in_production(settings: Any) -> None:
    assert read_url("http://partner.example/").port == 80
    settings.IS_PRODUCTION = True

    with pytest.raises(UrlRefused, match="must begin with https://"):
        read_url("http://partner.example/")
    settings.WEBHOOK_PRIVATE_ADDRESSES = True
    assert not read_url("http://partner.example/").is_tls


def test_waits_for_a_name_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's resolver waits half a minute for a name server that is silent."""
    silent = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: silent.wait(5) and [])

    began_s = time.monotonic()
    with pytest.raises(TimeoutError):
        receiver_urls.resolve("partner.example", 443, 0.1)

    assert time.monotonic() - began_s < 2
    silent.set()


@pytest.mark.parametrize(
    "host",
    ["a" * 64 + ".example", "a..b", ".a", "a.b..", ".".join(["a" * 60] * 5), "a,b", "",
     "[::1]x", "x[::1]", "[::1][::2]", "[::1%25eth0]", "[not-an-address]", "[v1.a]", "[]"],
)  # fmt: skip
def test_says_that_a_name_of_a_host_is_none(host: str) -> None:
    for port in ("", ":443"):
        with pytest.raises(UrlRefused, match="no valid host name|This is not a URL"):
            read_url(f"https://{host}{port}/")


@pytest.mark.parametrize("host", ["a" * 63 + ".example", "a_b.-c.", ".".join(["a" * 62] * 4)])
def test_takes_names_as_long_as_they_may_be(host: str) -> None:
    assert read_url(f"https://{host}/").host == host
