"""The policy linter reports nothing except the findings listed here, each with its reason."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.manifests.conftest import OVERLAYS, ROOT
from tests.manifests.objects import Object, pods_of

REQUIREMENTS = ROOT / "requirements-checkov.txt"
VENV = ROOT / ".venv.checkov"

# For every object.
SILENCED = {
    "CKV_K8S_43": "images are named by exact versions, which people can read",
    "CKV_K8S_15": "a version is never built twice, so to pull it again only makes starting depend "
    "on the registry; and an image that was loaded into kind is in no registry",
    "CKV_K8S_35": "the application reads its settings from the environment, and nowhere else",
}
# For these objects only.
SILENCED_FOR = {
    ("CKV_K8S_40", "StatefulSet.bookingapp.mongodb"): "999 is the user of the official image",
    ("CKV_K8S_40", "StatefulSet.bookingapp.redis"): "999 is the user of the official image",
    ("CKV_K8S_9", "Deployment.bookingapp.worker"): "no one sends it requests",
    ("CKV_K8S_9", "Deployment.bookingapp.beat"): "no one sends it requests",
    ("CKV_K8S_9", "Deployment.bookingapp.backup-shell"): "no one sends it requests",
}

Finding = tuple[str, str]


@pytest.fixture(scope="module")
def found(
    rendered: dict[str, str],
    parsed: dict[str, list[Object]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, set[Finding]]:
    """The linter's findings by overlay, and for a spoilt one: the check and the object."""
    stamp = VENV / "stamp"
    if not stamp.exists() or stamp.read_text() != REQUIREMENTS.read_text():
        sentence = "Type `make checkov` (a minute, 0.3 GB) to have the policy linter look as well."
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    folder = tmp_path_factory.mktemp("policy")
    for overlay, text in rendered.items():
        (folder / f"{overlay}.yaml").write_text(text)
    spoilt = copy.deepcopy(parsed["prod"])
    context = pods_of(spoilt, "Deployment/web").spec["containers"][0]["securityContext"]
    context["privileged"] = True
    (folder / "spoilt.yaml").write_text(yaml.safe_dump_all(spoilt))
    return _lint(folder)


def _lint(folder: Path) -> dict[str, set[Finding]]:
    run = subprocess.run(
        [
            *(VENV / "bin" / "checkov", "--directory", folder, "--framework", "kubernetes"),
            *("--output", "json", "--quiet", "--compact", "--skip-download"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(run.stdout)
    assert report["summary"]["parsing_errors"] == 0
    found: dict[str, set[Finding]] = {path.stem: set() for path in folder.iterdir()}
    for one in report["results"]["failed_checks"]:
        found[Path(one["file_path"]).stem].add((one["check_id"], one["resource"]))
    return found


def _without_silenced(findings: set[Finding]) -> set[Finding]:
    return {one for one in findings if one[0] not in SILENCED and one not in SILENCED_FOR}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_has_nothing_to_say(found: dict[str, set[Finding]], overlay: str) -> None:
    assert _without_silenced(found[overlay]) == set()


def test_sees_a_planted_fault(found: dict[str, set[Finding]]) -> None:
    assert _without_silenced(found["spoilt"]) == {("CKV_K8S_16", "Deployment.bookingapp.web")}


def test_is_silenced_nowhere_without_need(found: dict[str, set[Finding]]) -> None:
    assert {check for check, _ in found["prod"]} >= SILENCED.keys()
    assert found["prod"] >= SILENCED_FOR.keys()
