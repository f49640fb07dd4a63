"""The page for operators names what is there."""

from __future__ import annotations

import re
import tomllib

from django.core.management import get_commands

from tests.manifests.conftest import ROOT
from tests.manifests.objects import TEMPLATES, Object, all_pods, name_of

FOLDER = ROOT / "k8s"
README = (FOLDER / "readme.md").read_text(encoding="utf-8")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_names_objects_and_containers_that_are_there(objects: list[Object]) -> None:
    short = {kind.lower(): kind for kind in TEMPLATES}
    made = set(re.findall(r"create job --from=\S+ ([a-z-]+)", README))
    names = {
        f"{short[kind]}/{name}"
        for kind, name in re.findall(r"\b([a-z]+)/([a-z0-9-]*[a-z0-9])\b(?!-)", README)
        if kind in short and name not in made
    }
    containers = {one["name"] for pods in all_pods(objects) for one in pods.containers}
    labels = {pods.labels["app.kubernetes.io/name"] for pods in all_pods(objects)}

    assert len(names) > 6
    assert names <= {name_of(item) for item in objects}
    assert set(re.findall(r" -c ([a-z-]+) ", README)) <= containers
    assert set(re.findall(r"-l app.kubernetes.io/name=(\S+)", README)) <= labels


def test_names_this_version() -> None:
    named = set(re.findall(r"bookingsite:(\d+\.\d+\.\d+)", README))
    jobs = set(re.findall(r"(?:replica-set|migrate)-(\d+-\d+-\d+)", README))

    assert named == {VERSION}
    assert jobs == {VERSION.replace(".", "-")}


def test_names_files_and_commands_that_are_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README):
        assert (FOLDER / link).exists(), link
    for command in re.findall(r"manage\.py (\w+)", README):
        assert command in get_commands()
