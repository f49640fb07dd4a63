"""How a URL with Sentinels is read."""

from __future__ import annotations

import pytest
from kombu import Connection

from locks.connection import Breaker, breaker_of, connect
from locks.sentinel import Watched, for_celery, parse


def test_reads_every_part() -> None:
    watched = parse(
        "redis+sentinel://app:p%40ss%2F@one:1,[::1]:2,three/bookings/4?sentinel_password=a%20b"
    )

    assert watched == Watched(
        sentinels=(("one", 1), ("::1", 2), ("three", 26379)),
        service="bookings",
        database=4,
        username="app",
        password="p@ss/",
        sentinel_password="a b",
    )


@pytest.mark.parametrize(
    ("hosts", "sentinels"),
    [
        ("[::1]:1,two:2", (("::1", 1), ("two", 2))),
        ("one:1,[::1]:2", (("one", 1), ("::1", 2))),
        ("[::1]:1,[2001:db8::2]", (("::1", 1), ("2001:db8::2", 26379))),
    ],
)
def test_reads_numbers_in_brackets_wherever_they_stand(
    hosts: str, sentinels: tuple[tuple[str, int], ...]
) -> None:
    assert parse(f"redis+sentinel://:secret@{hosts}/bookings").sentinels == sentinels


def test_needs_no_more_than_a_host_and_a_service() -> None:
    assert parse("redis+sentinel://one/bookings") == Watched((("one", 26379),), "bookings")


def test_keeps_passwords_out_of_what_is_printed() -> None:
    watched = parse("redis+sentinel://:secret@one/bookings?sentinel_password=hidden")

    assert "secret" not in repr(watched)
    assert "hidden" not in repr(watched)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one:26379",
        "redis+sentinel://one:26379/",
        "redis+sentinel:///bookings",
        "redis+sentinel://one:x/bookings",
        "redis+sentinel://one,,two/bookings",
        "redis+sentinel://one/bookings/x",
        "redis+sentinel://one/bookings/0/1",
        "redis+sentinel://one/bookings?ssl=true",
        "redis+sentinel://one/bookings#4",
        "redis+sentinel://:se#cret@one/bookings",
        "redis+sentinel://one:0/bookings",
        "redis+sentinel://one:65536/bookings",
        "redis+sentinel://::1/bookings",
        "redis+sentinel://::1:26379/bookings",
        "redis+sentinel://[::1/bookings",
        "redis+sentinel://one:1,::1]:2/bookings",
        "redis+sentinel://[one]:1/bookings",
        "redis+sentinel://one[::1]:1/bookings",
    ],
)
def test_refuses_what_it_would_misread(url: str) -> None:
    with pytest.raises(ValueError, match="Sentinel|write it as|every option"):
        parse(url)


def breaker_at(hosts: str, service: str = "bookings", database: int = 0) -> Breaker:
    return breaker_of(connect(f"redis+sentinel://:secret@{hosts}/{service}/{database}"))


def test_has_a_breaker_for_each_service_of_each_set_of_sentinels() -> None:
    breaker = breaker_at("one:1,two:2")

    assert breaker_at("three:1,four:2") is not breaker
    assert breaker_at("one:1,two:2", service="other") is not breaker


def test_has_one_breaker_for_a_service_however_its_sentinels_are_listed() -> None:
    assert breaker_at("two:2,one:1", database=3) is breaker_at("one:1,two:2")


def test_names_a_breaker_by_service_and_first_sentinel() -> None:
    assert breaker_at("two:2,one:1").address == "bookings@one:1"
    assert breaker_at("[::1]:1").address == "bookings@[::1]:1"


def test_tells_celery_the_same() -> None:
    url, options = for_celery(
        parse("redis+sentinel://app:p%40ss@one:1,[::1]:2/bookings/4?sentinel_password=b")
    )

    assert url == "sentinel://app:p%40ss@one:1/4;sentinel://app:p%40ss@[::1]:2/4"
    assert [parts.split("@")[1] for parts in Connection(url).alt] == ["one:1/4", "[::1]:2/4"]
    assert options["master_name"] == "bookings"
    assert options["sentinel_kwargs"]["password"] == "b"
