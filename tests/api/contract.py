"""What clients rely on, read from the API's description: `python -m tests.api.contract` records it.

For each operation: its parameters and the fields of its body, with their types and whether they are
required; and for each success the fields of the answer with their types. Refusals are told apart by
their codes, which stay by tests/repository/test_names_that_stay.py.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("contract.json")

Contract = dict[str, dict[str, str]]


def contract_of(description: dict[str, Any]) -> Contract:
    """By operation: each parameter, field of the body, and field of the answer, with its type."""
    components = description["components"]["schemas"]
    found: Contract = {}
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            told = found[f"{method.upper()} {path}"] = {}
            for parameter in operation.get("parameters", ()):
                is_header_of_answer = parameter["in"] == "header" and parameter["name"] != KEY
                if not is_header_of_answer:
                    told[f"send {parameter['name']}"] = _kind(
                        parameter["schema"], required=parameter.get("required", False)
                    )
            body = operation.get("requestBody", {}).get("content", {}).get("application/json")
            if body:
                for name, kind in _fields(body["schema"], components, are_sent=True):
                    told[f"send {name}"] = kind
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json")
                if content and status.startswith("2"):
                    for name, kind in _fields(content["schema"], components, are_sent=False):
                        told[f"get {status} {name}"] = kind
    return found


KEY = "Idempotency-Key"


def breaches(before: Contract, now: Contract) -> list[str]:
    """How a client that was written for `before` would break."""
    found = []
    for operation, told in before.items():
        if operation not in now:
            found.append(f"{operation} is gone")
            continue
        for name, kind in told.items():
            kind_now = now[operation].get(name)
            # What need not be sent any longer breaks no client.
            if kind_now not in (kind, kind.removesuffix(", required")):
                found.append(f"{operation}: {name} was {kind}, and is now {kind_now}")
        found += [
            f"{operation}: {name} is new, and required"
            for name, kind in now[operation].items()
            if name not in told and name.startswith("send ") and kind.endswith(", required")
        ]
    return found


def _fields(
    schema: dict[str, Any], components: dict[str, Any], *, are_sent: bool, prefix: str = ""
) -> Iterator[tuple[str, str]]:
    schema = _resolved(schema, components)
    if schema.get("type") == "array":
        yield from _fields(schema["items"], components, are_sent=are_sent, prefix=f"{prefix}[]")
        return
    for name, value in schema.get("properties", {}).items():
        whole = f"{prefix}.{name}" if prefix else name
        is_required = are_sent and name in schema.get("required", ())
        yield whole, _kind(_resolved(value, components), required=is_required)
        yield from _fields(value, components, are_sent=are_sent, prefix=whole)


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    for part in (schema, *schema.get("allOf", ())):
        if "$ref" in part:
            resolved: dict[str, Any] = components[part["$ref"].rpartition("/")[2]]
            return {**resolved, "nullable": schema.get("nullable", resolved.get("nullable", False))}
    return schema


def _kind(schema: dict[str, Any], *, required: bool) -> str:
    kind = str(schema.get("type", "any"))
    if "format" in schema:
        kind += f" ({schema['format']})"
    if schema.get("nullable"):
        kind += " or null"
    return f"{kind}, required" if required else kind


def main() -> None:
    """Writes down the contract as it is, once nothing in the one before is broken."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from drf_spectacular.generators import SchemaGenerator

    now = contract_of(SchemaGenerator().get_schema(request=None, public=True))
    before = json.loads(PATH.read_text()) if PATH.exists() else {}
    if found := breaches(before, now):
        raise SystemExit("\n".join(found))
    PATH.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
