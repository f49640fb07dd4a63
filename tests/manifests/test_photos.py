"""The two components that keep photos on Kubernetes, each added to production's overlay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.manifests import integrity, restricted, test_schema
from tests.manifests.conftest import render
from tests.manifests.objects import Object, find, pods_of

COMPONENTS = ("photo-volume", "photo-bucket")


@pytest.fixture(scope="module")
def with_photos(k8s: Path, kubectl: str, rendered: dict[str, str]) -> dict[str, list[Object]]:
    """Production's objects with each component, as its comment says how to add it."""
    folder = k8s / "overlays" / "prod"
    path = folder / "kustomization.yaml"
    before = path.read_text()
    made = {}
    for component in COMPONENTS:
        path.write_text(f"{before}components:\n  - ../../components/{component}\n")
        made[component] = list(yaml.safe_load_all(render(kubectl, folder)))
    path.write_text(before)
    return made


@pytest.mark.parametrize(
    ("component", "faults"),
    [
        ("photo-volume", []),
        # Which is what it is for.
        ("photo-bucket", ["Deployment/web sends no letters and may leave the cluster"]),
    ],
)
def test_fits_to_the_other_objects(
    with_photos: dict[str, list[Object]], component: str, faults: list[str]
) -> None:
    objects = with_photos[component]

    assert integrity.find_faults(objects) == faults
    assert restricted.find_faults(objects) == []
    assert test_schema.find_faults(objects, test_schema.VERSIONS[0]) == []


def test_mounts_the_volume_where_the_settings_say(with_photos: dict[str, list[Object]]) -> None:
    objects = with_photos["photo-volume"]
    for name in (
        "Deployment/web",
        "Deployment/worker",
        "Deployment/backup-shell",
        "CronJob/backup",
    ):
        spec = pods_of(objects, name).spec
        (container,) = spec["containers"]
        folder = variables(container)["PHOTOS_FOLDER"]
        (mount,) = [each for each in container["volumeMounts"] if each["mountPath"] == folder]
        (volume,) = [each for each in spec["volumes"] if each["name"] == mount["name"]]
        claim = volume["persistentVolumeClaim"]["claimName"]

        assert find(objects, f"PersistentVolumeClaim/{claim}")["spec"]["accessModes"] == [
            "ReadWriteMany"
        ]
        assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsUser"]


def test_lets_web_and_worker_out_to_a_bucket(with_photos: dict[str, list[Object]]) -> None:
    spec = find(with_photos["photo-bucket"], "NetworkPolicy/photo-bucket")["spec"]
    (chosen,) = spec["podSelector"]["matchExpressions"]
    webhooks = find(with_photos["photo-bucket"], "NetworkPolicy/webhooks")["spec"]

    assert chosen["values"] == ["web", "worker"]
    # Like webhooks to the world alone, which has a test of its own.
    assert spec["egress"] == webhooks["egress"]


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in container["env"]}
