"""The API's OpenAPI description is written for its callers, with examples that hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from jsonschema import Draft202012Validator, FormatChecker

from bookings.refusals import EmailNeeded, MethodNotAllowed, Refusal

Found = tuple[str, dict[str, Any]]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


def operations(description: dict[str, Any]) -> Iterator[Found]:
    for path, item in description["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def contents(description: dict[str, Any]) -> Iterator[Found]:
    """Returns every body that an operation accepts or answers, by its kind."""
    for name, operation in operations(description):
        if "requestBody" in operation:
            for content in operation["requestBody"]["content"].values():
                yield f"{name}: request", content
        for status, response in operation["responses"].items():
            for content in response["content"].values():
                yield f"{name}: {status}", content


def test_says_where_the_site_is_and_which_release_it_is_of(description: dict[str, Any]) -> None:
    assert description["servers"] == [{"url": settings.SITE_URL}]
    assert description["info"]["version"] == settings.VERSION


def test_describes_every_operation_to_its_callers(description: dict[str, Any]) -> None:
    told = {name: operation["description"] for name, operation in operations(description)}

    assert len(told) == 18
    assert len(set(told.values())) == len(told)
    assert not [name for name, text in told.items() if "Counts an address" in text]


def test_describes_every_parameter(description: dict[str, Any]) -> None:
    silent = [
        f"{name}: {parameter['name']}"
        for name, operation in operations(description)
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]

    assert silent == []


def test_has_an_example_for_each_code_of_each_operation(description: dict[str, Any]) -> None:
    codes = {refusal.code for refusal in Refusal.__subclasses__()}
    for name, operation in operations(description):
        for status, response in operation["responses"].items():
            for media_type, content in response["content"].items():
                examples = content["examples"]
                if media_type == "application/json":
                    assert examples, f"{name}: {status}"
                    continue
                named = re.findall(r"[A-Z_]+", response["description"])
                shown = {example["value"]["code"] for example in examples.values()}
                assert shown == set(named), f"{name}: {status}"
                told = {example["value"]["status"] for example in examples.values()}
                assert told == {int(status)}, f"{name}: {status}"
                assert shown <= codes


def test_has_an_example_of_every_code(description: dict[str, Any]) -> None:
    shown = {
        example["value"].get("code")
        for _, content in contents(description)
        for example in content["examples"].values()
    }

    assert {refusal.code for refusal in Refusal.__subclasses__()} - shown == {
        MethodNotAllowed.code,
        # Only the pages ask guests for an address.
        EmailNeeded.code,
    }


def test_shows_examples_that_are_what_it_describes(description: dict[str, Any]) -> None:
    components = {"components": in_json_schema(description["components"])}
    faults = [
        f"{name}, {title}: {error.json_path} {error.message}"
        for name, content in contents(description)
        for title, example in content["examples"].items()
        for error in Draft202012Validator(
            {**in_json_schema(content["schema"]), **components}, format_checker=FormatChecker()
        ).iter_errors(example["value"])
    ]

    assert faults == []


def in_json_schema(schema: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema lists a type, and allows unknown fields."""
    if isinstance(schema, list):
        return [in_json_schema(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: in_json_schema(value) for name, value in schema.items()}
    if "properties" in plain and plain.get("type") == "object":
        plain["additionalProperties"] = False
    if plain.pop("nullable", False) is True:
        return {"anyOf": [plain, {"type": "null"}]}
    return plain
