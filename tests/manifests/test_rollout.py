"""A rollout loses no request, no majority and no migration, and never runs two clocks."""

from __future__ import annotations

import re

from tests.manifests.objects import Object, find, name_of, of_kind, pods_of

INSTALLATION = {
    "Namespace/bookingapp",
    "ServiceAccount/bookingsite", "ServiceAccount/mongodb", "ServiceAccount/redis",
    "StatefulSet/mongodb", "StatefulSet/redis",
    "Deployment/web", "Deployment/worker", "Deployment/beat", "Deployment/backup-shell",
    "Service/mongodb", "Service/redis", "Service/web", "Ingress/web",
    "Job/init-replica-set-0-1-0", "Job/migrate-0-1-0",
    "CronJob/backup", "CronJob/drill", "CronJob/doctor", "PersistentVolumeClaim/backup",
    "HorizontalPodAutoscaler/web",
    "PodDisruptionBudget/mongodb", "PodDisruptionBudget/web",
    *(
        f"NetworkPolicy/{name}"
        for name in (
            "default-deny", "dns", "web", "mongodb", "mongodb-clients", "redis", "redis-clients",
        )
    ),
}  # fmt: skip
# docs/runbooks/mongodb.md says that a dead primary is replaced within this time.
ELECTION_S = 12
ONLY_PROD = {"PodDisruptionBudget/worker", "NetworkPolicy/mail", "NetworkPolicy/webhooks"}


def test_installs_all_of_it(objects: list[Object], overlay: str) -> None:
    expected = INSTALLATION | (ONLY_PROD if overlay == "prod" else set())

    assert {
        name_of(item) for item in objects if item["kind"] not in ("ConfigMap", "Secret")
    } == expected


def test_brings_a_new_pod_before_an_old_one_goes(objects: list[Object]) -> None:
    spec = find(objects, "Deployment/web")["spec"]
    hook = spec["template"]["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]

    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    # Until every node has learnt that the pod is ending.
    assert hook[0] == "sleep"
    assert int(hook[1]) >= 5


def test_leaves_web_in_service_while_mongodb_elects_a_primary(objects: list[Object]) -> None:
    """No other pod would be ready either; without one the ingress controller answers by itself."""
    container = pods_of(objects, "Deployment/web").spec["containers"][0]
    probe = container["readinessProbe"]
    patience_s = (probe["failureThreshold"] - 1) * probe["periodSeconds"]

    assert patience_s >= 2 * ELECTION_S


def test_never_runs_two_clocks(objects: list[Object]) -> None:
    spec = find(objects, "Deployment/beat")["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_serves_and_works_only_when_all_is_migrated(objects: list[Object]) -> None:
    for name in ("Deployment/web", "Deployment/worker"):
        (waiting,) = pods_of(objects, name).spec["initContainers"]
        assert re.match(r"until said=\$\(python manage.py migrate --check ", waiting["command"][-1])
    (waiting,) = pods_of(objects, "Job/migrate-0-1-0").spec["initContainers"]
    assert re.match(r"until said=\$\(python manage.py showmigrations ", waiting["command"][-1])


def test_keeps_a_majority_of_mongodb(objects: list[Object]) -> None:
    spec = find(objects, "StatefulSet/mongodb")["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    service = find(objects, "Service/mongodb")["spec"]

    assert spec["replicas"] == 3
    assert find(objects, "PodDisruptionBudget/mongodb")["spec"]["maxUnavailable"] == 1
    # A member that copies its data does not count for a majority, so the next one has to wait for
    # it.
    assert "isWritablePrimary || h.secondary" in container["readinessProbe"]["exec"]["command"][-1]
    # Without these two the members would never meet for the first time.
    assert spec["podManagementPolicy"] == "Parallel"
    assert (service["clusterIP"], service["publishNotReadyAddresses"]) == ("None", True)
    # A member needs 15 s at most to hand over, and some time for a checkpoint.
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] >= 60


def test_never_runs_two_members_of_mongodb_on_one_node_of_production(
    objects: list[Object], overlay: str
) -> None:
    affinity = pods_of(objects, "StatefulSet/mongodb").spec["affinity"]["podAntiAffinity"]
    (kind,) = affinity
    word = "required" if overlay == "prod" else "preferred"

    assert kind == f"{word}DuringSchedulingIgnoredDuringExecution"


def test_takes_old_jobs_away(objects: list[Object]) -> None:
    for job in of_kind(objects, "Job"):
        assert job["spec"]["ttlSecondsAfterFinished"] == 24 * 3600
