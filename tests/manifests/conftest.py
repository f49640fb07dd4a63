"""Every overlay, rendered as `kubectl apply -k` would, from a copy with its own secrets."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.manifests.objects import Object

ROOT = Path(__file__).resolve().parents[2]
OVERLAYS = ("dev", "prod")

# Its kustomize knows everything that we use; Debian 12 has 1.20.
OLDEST_MINOR = 30


@pytest.fixture(scope="session")
def kubectl() -> str:
    path = shutil.which("kubectl")
    if path is None or _minor_version(path) < OLDEST_MINOR:
        sentence = "Install kubectl (1.30 or newer) to run the tests of the manifests."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    return path


def _minor_version(kubectl: str) -> int:
    command = [kubectl, "version", "--client", "--output", "json"]
    said = subprocess.run(command, capture_output=True, check=True).stdout
    return int(json.loads(said)["clientVersion"]["gitVersion"].split(".")[1])


@pytest.fixture(scope="session")
def k8s(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of k8s/ as in a checkout, without secrets."""
    folder = tmp_path_factory.mktemp("manifests") / "k8s"
    shutil.copytree(ROOT / "k8s", folder, ignore=shutil.ignore_patterns("made-by-*"))
    return folder


@pytest.fixture(scope="session")
def rendered(k8s: Path, kubectl: str) -> dict[str, str]:
    """The text of each overlay, once the secrets are made."""
    texts = {}
    for overlay in OVERLAYS:
        folder = k8s / "overlays" / overlay
        if not (folder / "made-by-make-secrets.sh").exists():
            subprocess.run([k8s / "make-secrets.sh", overlay], check=True, capture_output=True)
        texts[overlay] = render(kubectl, folder)
    return texts


def render(kubectl: str, folder: Path) -> str:
    run = subprocess.run(
        [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="session")
def parsed(rendered: dict[str, str]) -> dict[str, list[Object]]:
    return {overlay: list(yaml.safe_load_all(text)) for overlay, text in rendered.items()}


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def objects(parsed: dict[str, list[Object]], overlay: str) -> list[Object]:
    """Each overlay in turn."""
    return parsed[overlay]


@pytest.fixture
def spoilt(parsed: dict[str, list[Object]]) -> list[Object]:
    """A copy of production's objects, to plant a fault in."""
    return copy.deepcopy(parsed["prod"])
