"""The API's description costs a process its processor time once, whatever anyone asks for."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import yaml
from django.core.cache import caches
from django.http import HttpResponse
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from bookingsite import openapi

pytestmark = pytest.mark.mongo

YAML, JSON = "application/vnd.oai.openapi", "application/vnd.oai.openapi+json"


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Grows with each time that the description is built, in a process that has built none."""
    builds: list[object] = []
    build = SchemaGenerator.get_schema

    def counted(generator: SchemaGenerator, **options: Any) -> dict[str, Any]:
        builds.append(generator)
        return build(generator, **options)

    monkeypatch.setattr(SchemaGenerator, "get_schema", counted)
    forget()
    yield builds
    forget()


def forget() -> None:
    openapi.write_description.cache_clear()


def ask(query: str = "", accept: str = "*/*") -> HttpResponse:
    answer = Client(headers={"accept": accept}).get(f"/api/schema{query}")
    assert answer.status_code == 200
    return answer


def test_is_built_once_for_every_query(builds: list[object]) -> None:
    first = ask()

    others = [
        ask("?x=1"),
        ask("?x=2&x=3"),
        ask("?lang=de"),
        ask("?version=2"),
        ask("?format=yaml"),
        ask(accept=YAML),
        ask(accept="application/yaml"),
        ask(accept=f"{YAML}; x=1"),
    ]

    assert {answer.content for answer in others} == {first.content}
    assert len(builds) == 1


def test_is_built_once_for_every_indent_of_its_json(builds: list[object]) -> None:
    first = ask("?format=json")

    others = [
        ask("?format=json&x=1"),
        ask(accept=JSON),
        ask(accept="application/json"),
        ask(accept="application/json; indent=1"),
        ask("?format=json", "application/json; indent=30"),
    ]

    assert {answer.content for answer in others} == {first.content}
    assert len(builds) == 1


def test_leaves_room_for_the_counts_that_a_process_keeps_without_redis() -> None:
    caches["process"].clear()
    caches["process"].set("count", 5)

    for number in range(160):
        ask(f"?x={number}")

    assert caches["process"].get("count") == 5


def test_is_built_by_one_thread_while_others_wait(builds: list[object]) -> None:
    together = Barrier(8)

    def ask_together(query: str) -> int:
        together.wait()
        return Client().get(f"/api/schema{query}").status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(ask_together, ["", "?x=1", "?format=json", "?format=yaml"] * 2))

    assert statuses == [200] * 8
    assert len(builds) == 2


def test_says_in_which_format_it_is() -> None:
    as_yaml, as_json = ask(), ask("?format=json")

    assert yaml.safe_load(as_yaml.content) == json.loads(as_json.content)
    for answer, kind, name in (
        (as_yaml, f"{YAML}; charset=utf-8", "Bookingsite.yaml"),
        (as_json, JSON, "Bookingsite.json"),
        (ask(accept="application/yaml"), "application/yaml; charset=utf-8", "Bookingsite.yaml"),
        (ask(accept="application/json"), "application/json", "Bookingsite.json"),
    ):
        assert answer["Content-Type"] == kind
        assert answer["Content-Disposition"] == f'inline; filename="{name}"'
        assert answer["Vary"] == "Accept-Encoding, Accept"
        assert answer["Cache-Control"] == "max-age=3600"


@pytest.mark.parametrize(
    ("query", "accept", "status", "code"),
    [
        ("?format=xml", "*/*", 404, "NOT_FOUND"),
        ("?f%6Frmat=xml", "*/*", 404, "NOT_FOUND"),
        ("", "text/html", 406, "NOT_ACCEPTABLE"),
    ],
)
def test_refuses_another_format(query: str, accept: str, status: int, code: str) -> None:
    answer = Client(headers={"accept": accept}).get(f"/api/schema{query}")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_is_not_sent_again_to_those_who_have_it() -> None:
    as_yaml, as_json = ask(), ask("?format=json")
    known = Client(headers={"if-none-match": as_yaml["ETag"]})

    again, other = known.get("/api/schema"), known.get("/api/schema?format=json")

    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == as_yaml["ETag"] != as_json["ETag"]
    assert again["Cache-Control"] == "max-age=3600"
    assert (other.status_code, other.content) == (200, as_json.content)


def test_is_sent_compressed() -> None:
    packed = Client(headers={"accept-encoding": "gzip, br"}).get("/api/schema")

    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == ask().content
    assert len(packed.content) < len(ask().content) / 5
