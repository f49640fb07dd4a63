"""Each limit holds the most that its container may take, and /tmp is memory that counts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml

from bookingsite import passwords
from tests.manifests import memory
from tests.manifests.integrity import read_quantity
from tests.manifests.memory import MIB, ROOT, Container, count_processes, find_too_small
from tests.manifests.objects import Object, all_pods, environment

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

COMPOSE_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30}

# The part of a server's memory that its files may take, beside the half that its data may.
SERVERS_SHARE = 1 / 16


def of_kubernetes(objects: list[Object]) -> Iterator[Container]:
    """Returns every container of ours and of the servers."""
    for pods in all_pods(objects):
        volumes = {volume["name"]: volume for volume in pods.spec.get("volumes", [])}
        for container in pods.containers:
            mounted = [volumes.get(mount["name"], {}) for mount in container["volumeMounts"]]
            in_memory = [
                volume["emptyDir"]["sizeLimit"]
                for volume in mounted
                if volume.get("emptyDir", {}).get("medium") == "Memory"
            ]
            command = [*container.get("command", []), *container.get("args", [])]
            yield Container(
                name=f"{pods.name}: {container['name']}",
                limit_bytes=read_quantity(container["resources"]["limits"]["memory"]),
                files_bytes=sum(map(read_quantity, in_memory)),
                environment=environment(pods, container, objects),
                # The image's own command is gunicorn.
                serves=not command or "gunicorn" in command,
                converts="worker" in command,
            )


def of_compose() -> Iterator[Container]:
    for name, service in SERVICES.items():
        command = service.get("command", [])
        yield Container(
            name=name,
            limit_bytes=_read_compose(service["mem_limit"]),
            files_bytes=sum(_read_compose(_size_of(mount)) for mount in service["tmpfs"]),
            environment=service.get("environment", {}),
            serves=not command or "gunicorn" in command,
            converts="worker" in command,
        )


def _size_of(mount: str) -> str:
    """Without a size it may fill half of the machine, and still counts as the container's."""
    _, _, options = mount.partition(":")
    sizes = [option for option in options.split(",") if option.startswith("size=")]
    assert sizes, f"{mount} has no size"
    return sizes[0].removeprefix("size=")


def _read_compose(text: str) -> float:
    match = re.fullmatch(r"(\d+)([kmg])", text)
    assert match, f"{text} is no number of bytes"
    return float(match[1]) * COMPOSE_UNITS[match[2]]


def are_ours(containers: Iterable[Container]) -> list[Container]:
    """Without MongoDB's and Redis's, whose settings limit their memory."""
    return [one for one in containers if not re.match("(StatefulSet/)?(mongodb|redis)", one.name)]


def test_holds_what_containers_of_kubernetes_may_take(objects: list[Object]) -> None:
    ours = are_ours(of_kubernetes(objects))

    assert [one.name for one in ours if one.serves] == ["Deployment/web: web"]
    assert [one.name for one in ours if one.converts] == ["Deployment/worker: worker"]
    assert list(filter(None, map(find_too_small, ours))) == []


def test_holds_what_containers_of_compose_may_take() -> None:
    ours = are_ours(of_compose())

    assert [one.name for one in ours if one.serves] == ["web"]
    assert [one.name for one in ours if one.converts] == ["worker"]
    assert list(filter(None, map(find_too_small, ours))) == []


def test_leaves_memory_to_servers(objects: list[Object]) -> None:
    for container in [*of_kubernetes(objects), *of_compose()]:
        if container not in are_ours([container]):
            assert container.files_bytes <= container.limit_bytes * SERVERS_SHARE, container.name


def test_keeps_what_the_site_writes_in_memory(objects: list[Object]) -> None:
    """A slow disk of a node would hold up gunicorn's heartbeat, and a full one ends pods."""
    for pods in all_pods(objects):
        if not any("bookingsite:" in container["image"] for container in pods.containers):
            continue
        folders = [volume["emptyDir"] for volume in pods.spec["volumes"] if "emptyDir" in volume]
        assert [folder.get("medium") for folder in folders] == ["Memory"], pods.name


def test_counts_processes_as_gunicorn_does() -> None:
    assert count_processes({}) == 2
    assert count_processes({"WEB_CONCURRENCY": "5"}) == 5
    with pytest.raises(AssertionError):
        count_processes({"GUNICORN_CMD_ARGS": "--keep-alive 75 --workers 9"})


@pytest.mark.parametrize(
    "more",
    ["another process", "another hash at once", "another large body", "files", "less memory"],
)
def test_finds_what_a_limit_does_not_hold(more: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sums above must not be empty: they leave less room than any of these needs."""
    web = next(one for one in of_compose() if one.serves)
    if more == "another process":
        web = replace(web, environment={"WEB_CONCURRENCY": str(count_processes({}) + 1)})
    elif more == "another hash":
        monkeypatch.setattr(memory, "HASHES_BYTES", memory.HASHES_BYTES * (passwords.AT_ONCE + 1))
    elif more == "another large body":
        monkeypatch.setattr(memory.bodies, "LARGE_AT_ONCE", memory.bodies.LARGE_AT_ONCE + 1)
    elif more == "files":
        web = replace(web, files_bytes=web.files_bytes + 128 * MIB)
    else:
        web = replace(web, limit_bytes=web.limit_bytes * 3 / 4)

    assert find_too_small(web)
