"""The objects fit together, and the checks would find each fault that other tools let pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.manifests.integrity import CHECKS, NODE_IS_GONE, OUT_OF_SERVICE, find_faults
from tests.manifests.objects import Object, find, of_kind, pods_of

Plant = Callable[[list[Object]], object]


def put(name: str, path: str, value: Any) -> Plant:
    """Sets a field of `Kind/name`; numbers in the path are places in lists."""

    def plant(objects: list[Object]) -> None:
        *way, last = path.split(".")
        holder: Any = find(objects, name)
        for step in way:
            holder = holder[int(step)] if step.isdigit() else holder[step]
        holder[int(last) if last.isdigit() else last] = value

    return plant


def take(name: str, path: str) -> Plant:
    """Removes a field of `Kind/name`."""

    def plant(objects: list[Object]) -> None:
        *way, last = path.split(".")
        holder: Any = find(objects, name)
        for step in way:
            holder = holder[int(step)] if step.isdigit() else holder[step]
        del holder[int(last) if last.isdigit() else last]

    return plant


def remove(prefix: str) -> Plant:
    """Removes whole objects, by the beginning of `Kind/name`."""

    def plant(objects: list[Object]) -> None:
        kind, name = prefix.split("/")
        for item in of_kind(objects, kind):
            if item["metadata"]["name"].startswith(name):
                objects.remove(item)

    return plant


def of_volume(name: str, volume: str, source: Object) -> Plant:
    def plant(objects: list[Object]) -> None:
        for one in pods_of(objects, name).spec["volumes"]:
            if one["name"] == volume:
                one.clear()
                one.update({"name": volume, **source})

    return plant


def of_redis_config(text: str) -> Plant:
    def plant(objects: list[Object]) -> None:
        for item in of_kind(objects, "ConfigMap"):
            if "redis.conf" in item["data"]:
                item["data"]["redis.conf"] = text

    return plant


def forget_key(prefix: str, key: str) -> Plant:
    def plant(objects: list[Object]) -> None:
        for item in of_kind(objects, "Secret", "ConfigMap"):
            if item["metadata"]["name"].startswith(prefix):
                del item["data"][key]

    return plant


WEB, WORKER, BEAT = "Deployment/web", "Deployment/worker", "Deployment/beat"
MONGODB, REDIS = "StatefulSet/mongodb", "StatefulSet/redis"
POD, FIRST = "spec.template.spec", "spec.template.spec.containers.0"
POLICY, PEER = "NetworkPolicy/web", "spec.ingress.0.from.0.podSelector.matchExpressions.0.values"
LABEL, MIGRATE = "app.kubernetes.io/name", "migrate-0-1-0"
POLICY_OF_UNREADY = "unhealthyPodEvictionPolicy"
ENFORCE = "pod-security.kubernetes.io/enforce"

FAULTS: list[tuple[Plant, str]] = [
    (put(WEB, "kind", "Deploymint"), "Deploymint/web is of an unknown kind"),
    (put("CronJob/doctor", "apiVersion", "batch/v1beta1"), "has version batch/v1beta1"),
    (lambda objects: objects.append(find(objects, "Service/web")), "Service/web is there 2 times"),
    (put("Service/web", "metadata.namespace", "default"), "is in namespace default"),
    (
        put("Namespace/bookingapp", "metadata.labels", {}),
        "The namespace does not enforce the restricted standard",
    ),
    (
        put("Namespace/bookingapp", "metadata.labels", {ENFORCE: "restricted"}),
        "enforces version latest, which is not pinned",
    ),
    (put(WEB, f"{POD}.serviceAccountName", "wbe"), "ServiceAccount wbe, which does not exist"),
    (remove("ConfigMap/app-config"), "refers to ConfigMap/app-config"),
    (remove("Secret/redis-password"), "refers to Secret/redis-password"),
    (remove("Secret/jobs-mongodb"), "Job/init-replica-set-0-1-0 refers to Secret/jobs-mongodb"),
    (forget_key("jobs-mongodb", "admin-password"), "refers to admin-password of"),
    (forget_key("jobs-mongodb", "keyfile"), "refers to keyfile of"),
    (forget_key("mongodb-config", "mongosh.conf"), "refers to mongosh.conf of"),
    (remove("PersistentVolumeClaim/backup"), "refers to claim backup"),
    (put(MONGODB, "spec.serviceName", "mongo"), "names a Service that does not exist"),
    (put(WEB, "spec.selector.matchLabels", {LABEL: "wbe"}), "does not select its own pods"),
    (put(WEB, "spec.selector.matchLabels", {}), "selects the pods of Deployment/worker"),
    (
        put(WEB, f"{POD}.topologySpreadConstraints.0.labelSelector.matchLabels", {LABEL: "x"}),
        "is spread over the pods of others",
    ),
    (
        put(
            MONGODB,
            f"{POD}.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution.0"
            ".labelSelector.matchLabels",
            {LABEL: "mongo"},
        ),
        "is spread over the pods of others",
    ),
    (put(WEB, f"{POD}.volumes", []), "mounts volume tmp, which is not defined"),
    (put(MONGODB, "spec.volumeClaimTemplates", []), "mounts volume data, which is not defined"),
    (
        lambda objects: pods_of(objects, WEB).spec["volumes"].append({"name": "spare"}),
        "defines volume spare, which nothing mounts",
    ),
    (put(MONGODB, f"{FIRST}.volumeMounts.1.mountPath", "/data/db"), "mounts 2 volumes at /data/db"),
    (of_volume(WEB, "tmp", {"emptyDir": {}}), "volume tmp may fill the node"),
    (of_volume(WEB, "tmp", {"emptyDir": {"sizeLimit": "64MB"}}), "64MB is no quantity"),
    (take(WEB, f"{FIRST}.resources"), "web: web has no request and limit of memory"),
    (take(WEB, f"{POD}.initContainers.0.resources"), "wait-for-migrations has no request"),
    (put(WEB, f"{FIRST}.resources.limits.memory", "512MB"), "512MB is no quantity"),
    (put(WEB, f"{FIRST}.resources.limits.memory", "100Mi"), "a limit of memory below its request"),
    (put(WEB, f"{FIRST}.resources.requests.cpu", "2"), "a limit of cpu below its request"),
    (
        put(REDIS, "spec.volumeClaimTemplates.0.spec.resources.requests.storage", "2GB"),
        "2GB is no quantity",
    ),
    (put(WEB, f"{FIRST}.image", "bookingsite"), "image bookingsite, which"),
    (put(WEB, f"{FIRST}.image", "bookingsite:latest"), "image bookingsite:latest, which"),
    (put(REDIS, f"{FIRST}.image", "redis:8"), "image redis:8, which"),
    (
        put(WEB, f"{FIRST}.ports.0.name", "http-of-bookingsite"),
        "calls a port 'http-of-bookingsite'",
    ),
    (put(WEB, f"{FIRST}.ports.0.name", "HTTP"), "calls a port 'HTTP'"),
    (put("Service/web", "spec.ports.0.name", "http-of-bookingsite"), "Service/web calls a port"),
    (put(WEB, f"{FIRST}.livenessProbe.httpGet.port", "htpt"), "by livenessProbe at port htpt"),
    (put(WEB, f"{FIRST}.readinessProbe.httpGet.port", 8080), "by readinessProbe at port 8080"),
    (
        put(MONGODB, f"{FIRST}.startupProbe.tcpSocket.port", "mongo"),
        "by startupProbe at port mongo",
    ),
    (take(WORKER, f"{FIRST}.livenessProbe"), "worker has no liveness probe"),
    (take(WEB, f"{FIRST}.readinessProbe"), "web has no readiness probe"),
    (put(WEB, f"{POD}.terminationGracePeriodSeconds", 10), "before its preStop hook is over"),
    (put(WEB, f"{FIRST}.lifecycle.preStop", {"sleep": {"seconds": 60}}), "before its preStop hook"),
    (take(WEB, f"{POD}.automountServiceAccountToken"), "gets a token"),
    (take(WEB, f"{POD}.enableServiceLinks"), "gets variables named after Services"),
    (take(WEB, f"{POD}.securityContext.runAsUser"), "has no numeric user"),
    (take(WEB, f"{FIRST}.securityContext.readOnlyRootFilesystem"), "may write to its root"),
    (forget_key("app-secrets", "REDIS_PASSWORD"), "uses $(REDIS_PASSWORD) before it is set"),
    (take(MONGODB, f"{FIRST}.env.0"), "uses $(CACHE_SIZE_GB), which is not set"),
    (take("Job/migrate-0-1-0", f"{POD}.restartPolicy"), "has restartPolicy None"),
    (put(WEB, f"{POD}.restartPolicy", "Never"), "has restartPolicy Never"),
    (put("CronJob/doctor", "spec.schedule", "hourly at 5"), "has schedule hourly at 5"),
    (put("CronJob/backup", "spec.schedule", "17 2 * *"), "has schedule 17 2 * *"),
    (put("CronJob/backup", "spec.concurrencyPolicy", "Allow"), "may run beside itself"),
    (take("CronJob/doctor", "spec.failedJobsHistoryLimit"), "has no failedJobsHistoryLimit"),
    (put(f"Job/{MIGRATE}", "spec.activeDeadlineSeconds", 3600), f"{MIGRATE} fails for good when"),
    (put(f"Job/{MIGRATE}", f"{POD}.activeDeadlineSeconds", 60), f"{MIGRATE} fails for good when"),
    (
        take("CronJob/doctor", "spec.jobTemplate.spec.ttlSecondsAfterFinished"),
        "CronJob/doctor leaves failed Jobs",
    ),
    (
        take("CronJob/backup", "spec.jobTemplate.spec.activeDeadlineSeconds"),
        "CronJob/backup never runs again when",
    ),
    (
        put("ServiceAccount/redis", "imagePullSecrets", [{"name": "docker"}]),
        "ServiceAccount/redis logs in to a registry with docker",
    ),
    (put("Service/web", "spec.selector", {LABEL: "wbe"}), "Service/web selects no pods"),
    (put("Service/web", "spec.ports.0.targetPort", "htpt"), "has target port htpt"),
    (remove("Service/web"), "leads to Service web, which is not there"),
    (put("Service/web", "spec.ports.0.name", "www"), "leads to a port that the Service lacks"),
    (take("Ingress/web", "spec.ingressClassName"), "has no class"),
    (put("Ingress/web", "spec.tls.0.secretName", "tls"), "has certificate tls"),
    (put("Ingress/web", "spec.tls.0.hosts", ["b.example"]), "a certificate for b.example"),
    (
        put("PodDisruptionBudget/web", "spec.selector", {"matchLabels": {LABEL: "wbe"}}),
        "PodDisruptionBudget/web selects no pods",
    ),
    (
        put("PodDisruptionBudget/web", "spec", {"minAvailable": 3, "selector": {}}),
        "may keep a node from being drained",
    ),
    (
        put("HorizontalPodAutoscaler/web", "spec.scaleTargetRef.name", "wbe"),
        "scales Deployment/wbe",
    ),
    (put("HorizontalPodAutoscaler/web", "spec.minReplicas", 50), "a minimum above its maximum"),
    (put(WEB, "spec.replicas", 2), "an apply would undo"),
    (remove("NetworkPolicy/default-deny"), "No NetworkPolicy denies everything"),
    (
        put("NetworkPolicy/default-deny", "spec.policyTypes", ["Ingress"]),
        "No NetworkPolicy denies everything",
    ),
    (
        put("NetworkPolicy/mail", "spec.podSelector", {"matchLabels": {LABEL: "mailer"}}),
        "NetworkPolicy/mail selects no pods",
    ),
    (put("NetworkPolicy/redis", f"{PEER}.0", "wbe"), "names wbe, which no pod is called"),
    (put("NetworkPolicy/redis", f"{PEER}", ["wbe"]), "allows ingress for no pods"),
    (put("NetworkPolicy/redis", "spec.policyTypes", ["Egress"]), "that are not in its types"),
    (take("NetworkPolicy/redis", "spec.ingress.0.from"), "without naming from and ports"),
    (take("NetworkPolicy/mail", "spec.egress.0.ports"), "without naming to and ports"),
    (put(POLICY, "spec.ingress.0.ports.0.port", 80), "opens port 80, which Deployment/web lacks"),
    (
        put("NetworkPolicy/redis", "spec.ingress.0.ports.0.port", 6380),
        "opens port 6380, which StatefulSet/redis lacks",
    ),
    (
        put("NetworkPolicy/redis", PEER, ["web", "worker", "backup-shell", "doctor"]),
        "Deployment/beat has no way in to port 6379 of StatefulSet/redis",
    ),
    (
        remove("NetworkPolicy/mongodb-clients"),
        "Job/migrate-0-1-0 has no way out to port 27017 of StatefulSet/mongodb",
    ),
    (
        take("NetworkPolicy/mongodb", "spec.egress"),
        "StatefulSet/mongodb has no way out to port 27017 of StatefulSet/mongodb",
    ),
    (
        take(POLICY, "spec.ingress.0.from.0"),
        "the ingress controller has no way in to Deployment/web",
    ),
    (take(POLICY, "spec.ingress.0.from.1"), "Prometheus has no way in to Deployment/web"),
    (
        put(POLICY, "spec.ingress.0.from.1.namespaceSelector", {}),
        "NetworkPolicy/web lets strangers",
    ),
    (
        put("NetworkPolicy/mongodb", "spec.ingress.0.from.1", {"namespaceSelector": {}}),
        "NetworkPolicy/mongodb lets other namespaces in to StatefulSet/mongodb",
    ),
    (
        put("NetworkPolicy/redis", "spec.ingress.0.from.0.namespaceSelector", {}),
        "NetworkPolicy/redis lets other namespaces in to StatefulSet/redis",
    ),
    (
        put("NetworkPolicy/redis", "spec.ingress.0.from.0", {"ipBlock": {"cidr": "0.0.0.0/0"}}),
        "NetworkPolicy/redis lets strangers in",
    ),
    (
        put("NetworkPolicy/mail", "spec.podSelector.matchLabels", {LABEL: "web"}),
        "Deployment/web sends no letters and may leave the cluster",
    ),
    (remove("NetworkPolicy/mail"), "Deployment/worker has no way out to the mail server"),
    (put(REDIS, f"{FIRST}.command", ["redis-server"]), "started without /etc/redis/redis.conf"),
    (
        take("Job/init-replica-set-0-1-0", f"{POD}.securityContext.fsGroup"),
        "Job/init-replica-set-0-1-0 may not read its volume keyfile",
    ),
    (put("PodDisruptionBudget/web", "spec.maxUnavailable", 0), "keeps every node from being"),
    (put("PodDisruptionBudget/web", "spec.maxUnavailable", "0%"), "keeps every node from being"),
    *(
        (take(f"PodDisruptionBudget/{name}", f"spec.{POLICY_OF_UNREADY}"), f"{name} says None of")
        for name in ("web", "worker", "mongodb")
    ),
    (
        put("PodDisruptionBudget/web", f"spec.{POLICY_OF_UNREADY}", "IfHealthyBudget"),
        "web says IfHealthyBudget of unready pods, not AlwaysAllow",
    ),
    (
        put("PodDisruptionBudget/mongodb", f"spec.{POLICY_OF_UNREADY}", "AlwaysAllow"),
        "mongodb says AlwaysAllow of unready pods, not IfHealthyBudget",
    ),
    *(
        (
            take(f"Deployment/{name}", f"{POD}.tolerations.{place}"),
            f"/{name} keeps to a node for min",
        )
        for name in ("web", "worker", "beat")
        for place in (0, 1)
    ),
    (put(BEAT, f"{POD}.tolerations.0.tolerationSeconds", 300), "for minutes that is not-ready"),
    (take(BEAT, f"{POD}.tolerations.1.tolerationSeconds"), "for minutes that is unreachable"),
    (put(BEAT, f"{POD}.tolerations.0", {"operator": "Exists"}), "beat stays on a node that is out"),
    (
        put(REDIS, f"{POD}.tolerations", [{"key": OUT_OF_SERVICE, "operator": "Exists"}]),
        "StatefulSet/redis stays on a node that is out of service",
    ),
    (
        put(REDIS, f"{POD}.tolerations", [{"key": NODE_IS_GONE[0], "tolerationSeconds": 30}]),
        "StatefulSet/redis says how long",
    ),
    (remove("PodDisruptionBudget/worker"), "Deployment/worker may lose all of its pods"),
    (remove("PodDisruptionBudget/web"), "Deployment/web may lose all of its pods"),
    (
        put("PodDisruptionBudget/worker", "spec.selector.matchLabels", {LABEL: "web"}),
        "Deployment/web has 2 budgets",
    ),
    (put(WORKER, "spec.replicas", 0), "Deployment/worker runs no pods"),
    (put(MONGODB, "spec.replicas", 0), "StatefulSet/mongodb runs no pods"),
    (put("CronJob/backup", "spec.suspend", True), "CronJob/backup is suspended"),
    (put("Job/migrate-0-1-0", "spec.suspend", True), "Job/migrate-0-1-0 is suspended"),
    *(
        (put("CronJob/backup", "spec.schedule", schedule), f"has schedule {schedule}")
        for schedule in (
            "60 2 * * *",
            "17 24 * * *",
            "17 2 0 * *",
            "17 2 * 13 *",
            "17 2 * * 7",
            "*/0 2 * * *",
            "*/60 2 * * *",
            "17 5-2 * * *",
            "17 2,24 * * *",
        )
    ),
    (take("CronJob/backup", "spec.timeZone"), "CronJob/backup runs by the clock"),
    (put("CronJob/doctor", "spec.timeZone", "Europe/Berlin"), "CronJob/doctor runs by the clock"),
    (take(WEB, f"{FIRST}.volumeMounts.0"), "Deployment/web: web cannot write to /tmp"),
    (put(WEB, f"{FIRST}.volumeMounts.0.readOnly", True), "web cannot write to /tmp"),
    (
        take("CronJob/doctor", "spec.jobTemplate.spec.template.spec.containers.0.volumeMounts.0"),
        "CronJob/doctor: doctor cannot write to /tmp",
    ),
    (put(MONGODB, f"{FIRST}.volumeMounts.2.mountPath", "/var/tmp"), "mongodb cannot write to /tmp"),
    (of_volume(WEB, "tmp", {"secret": {"secretName": "x"}}), "web cannot write to /tmp"),
    (put(MONGODB, f"{FIRST}.env.0.value", "3"), "a cache of more than half of its memory"),
    (of_redis_config("maxmemory 300mb\n"), "StatefulSet/redis may hold more than half"),
]


def test_is_in_order(objects: list[Object]) -> None:
    assert find_faults(objects) == []


@pytest.mark.parametrize(("plant", "sentence"), FAULTS, ids=[words for _, words in FAULTS])
def test_finds_a_planted_fault(spoilt: list[Object], plant: Plant, sentence: str) -> None:
    plant(spoilt)

    assert any(sentence in fault for fault in find_faults(spoilt)), find_faults(spoilt)


def test_plants_a_fault_for_every_check(spoilt: list[Object]) -> None:
    """No check may pass because it looks at nothing."""
    silent = set(CHECKS)
    for plant, _ in FAULTS:
        objects = copy.deepcopy(spoilt)
        plant(objects)
        silent -= {check for check in silent if list(check(objects))}

    assert not silent
