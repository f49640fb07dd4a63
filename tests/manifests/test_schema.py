"""Every object matches its kind's schema, strictly, from the oldest to the newest version.

Clusters of 1.30 are the oldest that have every feature that we use. The validator only warns about
an unknown kind; here that is a failure as well.
"""

from __future__ import annotations

import kubernetes_validate
import pytest

from tests.manifests.objects import Object, find, name_of

VERSIONS = ("1.30", "1.37")

ERRORS = (
    kubernetes_validate.ValidationError,
    kubernetes_validate.SchemaNotFoundError,
    kubernetes_validate.InvalidSchemaError,
)


def find_faults(objects: list[Object], version: str) -> list[str]:
    faults = []
    for item in objects:
        try:
            judged_by = kubernetes_validate.validate(item, version, strict=True)
        except ERRORS as error:
            faults.append(f"{name_of(item)}: {error.message}")
        else:
            # For a version without a schema, the validator uses the newest that it has.
            assert judged_by == version
    return faults


@pytest.mark.parametrize("version", VERSIONS)
def test_is_kept_by_every_object(objects: list[Object], version: str) -> None:
    assert find_faults(objects, version) == []


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("Deployment/web", "replicsa", 2),
        ("Deployment/web", "minReadySeconds", "five"),
        ("StatefulSet/redis", "podManagementPolicy", 1),
    ],
)
def test_is_seen_to_be_broken(spoilt: list[Object], name: str, field: str, value: object) -> None:
    item = find(spoilt, name)
    item["spec"][field] = value

    assert len(find_faults([item], "1.37")) == 1


def test_is_missed_for_an_unknown_kind_or_version(spoilt: list[Object]) -> None:
    find(spoilt, "Deployment/web")["kind"] = "Deploymint"
    find(spoilt, "CronJob/doctor")["apiVersion"] = "batch/v1beta1"

    assert len(find_faults(spoilt, "1.37")) == 2
