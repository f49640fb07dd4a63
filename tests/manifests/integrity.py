"""Finds faults that schemas and linters miss: objects that do not fit together, and our own rules.

An API server accepts most of these faults without a word, and nothing works afterwards.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from tests.manifests.objects import (
    RUNS_ON,
    Object,
    Pods,
    all_pods,
    find,
    name_of,
    of_kind,
    selects,
    sources,
)

NAMESPACE = "bookingapp"

# The versions of a supported cluster.
API_VERSIONS = {
    "ConfigMap": "v1",
    "CronJob": "batch/v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "Namespace": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PersistentVolumeClaim": "v1",
    "PodDisruptionBudget": "policy/v1",
    "Secret": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "StatefulSet": "apps/v1",
}

# Made by hand or by cert-manager, never by us. The last one is the login at a private registry.
FOREIGN_SECRETS = {"bookings-tls", "registry"}

PORT_NAME = re.compile(r"(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?")
QUANTITY = re.compile(r"(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
UNITS = {
    None: 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip
IMAGE = re.compile(r"[a-z0-9./-]+:\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?")
CRON_FIELD = re.compile(r"\*(/\d+)?|\d+(-\d+)?(,\d+)*")
# Minutes, hours, days, months, days of the week.
CRON_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))

# The node controller sets these on a node that is gone, and a person sets the last once it is off.
NODE_IS_GONE = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
MAX_PATIENCE_S = 60

# Nothing of it runs until a person scales it up.
STARTED_BY_HAND = {"Deployment/backup-shell"}


def _peer(namespace: str, name: str) -> Object:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": name}},
    }


# Clients from other namespaces, which may reach only the targets of an Ingress.
VISITORS = {
    "the ingress controller": _peer("ingress-nginx", "ingress-nginx"),
    "Prometheus": _peer("monitoring", "prometheus"),
}

Check = Callable[[list[Object]], Iterator[str]]
# The ports on which a mail server accepts mail: plain or STARTTLS, and TLS from the first byte.
MAIL_PORTS = {25, 465, 587}

CHECKS: list[Check] = []


def check(function: Check) -> Check:
    CHECKS.append(function)
    return function


def find_faults(objects: list[Object]) -> list[str]:
    """Returns a sentence for each fault."""
    return [fault for one in CHECKS for fault in one(objects)]


def read_quantity(text: object) -> float:
    """Returns a number of bytes or cores; raises ValueError."""
    match = QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text} is no quantity")
    return float(match[1]) * UNITS[match[2]]


# --- Objects ------------------------------------------------------------------------------


@check
def kinds_are_known(objects: list[Object]) -> Iterator[str]:
    for item in objects:
        expected = API_VERSIONS.get(item["kind"])
        if expected is None:
            yield f"{name_of(item)} is of an unknown kind"
        elif item["apiVersion"] != expected:
            yield f"{name_of(item)} has version {item['apiVersion']}, not {expected}"


@check
def names_are_unique_in_one_namespace(objects: list[Object]) -> Iterator[str]:
    for name, times in Counter(map(name_of, objects)).items():
        if times > 1:
            yield f"{name} is there {times} times"
    for item in objects:
        where = item["metadata"].get("namespace")
        if item["kind"] != "Namespace" and where != NAMESPACE:
            yield f"{name_of(item)} is in namespace {where}"


@check
def namespace_enforces_the_standard(objects: list[Object]) -> Iterator[str]:
    labels = find(objects, f"Namespace/{NAMESPACE}")["metadata"].get("labels", {})
    if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "The namespace does not enforce the restricted standard"
    version = labels.get("pod-security.kubernetes.io/enforce-version", "")
    if not re.fullmatch(r"v1\.\d+", version):
        yield f"The namespace enforces version {version or 'latest'}, which is not pinned"


@check
def references_exist(objects: list[Object]) -> Iterator[str]:
    held = sources(objects)
    names = set(map(name_of, objects))
    for pods in all_pods(objects):
        account = pods.spec.get("serviceAccountName", "default")
        if f"ServiceAccount/{account}" not in names:
            yield f"{pods.name} runs as ServiceAccount {account}, which does not exist"
        for name, keys in _references(pods):
            if name not in held:
                yield f"{pods.name} refers to {name}, which does not exist"
            else:
                for key in keys - held[name].keys():
                    yield f"{pods.name} refers to {key} of {name}, which does not exist"
        for volume in pods.spec.get("volumes", []):
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and f"PersistentVolumeClaim/{claim}" not in names:
                yield f"{pods.name} refers to claim {claim}, which does not exist"
    for item in of_kind(objects, "ServiceAccount"):
        for secret in item.get("imagePullSecrets", []):
            if secret["name"] not in FOREIGN_SECRETS:
                yield f"{name_of(item)} logs in to a registry with {secret['name']}, not with ours"
    for item in of_kind(objects, "StatefulSet"):
        if f"Service/{item['spec']['serviceName']}" not in names:
            yield f"{name_of(item)} names a Service that does not exist"


def _references(pods: Pods) -> Iterator[tuple[str, set[str]]]:
    """Each ConfigMap or Secret that pods refer to, and the keys they need from it."""
    for container in pods.containers:
        for source in container.get("envFrom", []):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if field in source:
                    yield f"{kind}/{source[field]['name']}", set()
        for entry in container.get("env", []):
            value = entry.get("valueFrom", {})
            for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                if field in value:
                    yield f"{kind}/{value[field]['name']}", {value[field]["key"]}
    volumes = {volume["name"]: volume for volume in pods.spec.get("volumes", [])}
    for volume in volumes.values():
        for field, kind, key in (
            ("configMap", "ConfigMap", "name"),
            ("secret", "Secret", "secretName"),
        ):
            if field in volume:
                items = {item["key"] for item in volume[field].get("items", [])}
                yield f"{kind}/{volume[field][key]}", items
    for container in pods.containers:
        for mount in container.get("volumeMounts", []):
            volume = volumes.get(mount["name"], {})
            if "subPath" in mount and "configMap" in volume:
                yield f"ConfigMap/{volume['configMap']['name']}", {mount["subPath"]}


# --- Pods ---------------------------------------------------------------------------------


@check
def selectors_take_their_own_pods(objects: list[Object]) -> Iterator[str]:
    owners = [pods for pods in all_pods(objects) if pods.owner["kind"] in RUNS_ON]
    for pods in owners:
        selector = pods.owner["spec"]["selector"]
        if not selects(selector, pods.labels):
            yield f"{pods.name} does not select its own pods"
        for others in all_pods(objects):
            if others is not pods and others.name != pods.name and selects(selector, others.labels):
                yield f"{pods.name} selects the pods of {others.name}"
    for pods in all_pods(objects):
        affinity = pods.spec.get("affinity", {}).get("podAntiAffinity", {})
        terms = [
            *affinity.get("requiredDuringSchedulingIgnoredDuringExecution", []),
            *(
                term["podAffinityTerm"]
                for term in affinity.get("preferredDuringSchedulingIgnoredDuringExecution", [])
            ),
            *pods.spec.get("topologySpreadConstraints", []),
        ]
        for term in terms:
            if not selects(term["labelSelector"], pods.labels):
                yield f"{pods.name} is spread over the pods of others"


@check
def mounts_have_their_volumes(objects: list[Object]) -> Iterator[str]:
    for pods in all_pods(objects):
        claimed = {
            claim["metadata"]["name"]
            for claim in pods.owner["spec"].get("volumeClaimTemplates", [])
        }
        defined = {volume["name"] for volume in pods.spec.get("volumes", [])} | claimed
        mounted: set[str] = set()
        for container in pods.containers:
            mounts = container.get("volumeMounts", [])
            mounted |= {mount["name"] for mount in mounts}
            for path, times in Counter(mount["mountPath"] for mount in mounts).items():
                if times > 1:
                    yield f"{pods.name}: {container['name']} mounts {times} volumes at {path}"
        for name in mounted - defined:
            yield f"{pods.name} mounts volume {name}, which is not defined"
        for name in defined - mounted:
            yield f"{pods.name} defines volume {name}, which nothing mounts"
        for volume in pods.spec.get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                yield f"{pods.name}: volume {volume['name']} may fill the node"


@check
def temporary_files_have_a_place(objects: list[Object]) -> Iterator[str]:
    """Python, gunicorn and mongosh write to /tmp, and roots are read-only."""
    for pods in all_pods(objects):
        sources_of = {volume["name"]: volume for volume in pods.spec.get("volumes", [])}
        for container in pods.containers:
            homes = [one.get("value") for one in container.get("env", []) if one["name"] == "HOME"]
            if "bookingsite:" not in container["image"] and "/tmp" not in homes:
                continue
            if not any(
                mount["mountPath"] == "/tmp"
                and not mount.get("readOnly")
                and "emptyDir" in sources_of.get(mount["name"], {})
                for mount in container.get("volumeMounts", [])
            ):
                yield f"{pods.name}: {container['name']} cannot write to /tmp"


@check
def secrets_can_be_read(objects: list[Object]) -> Iterator[str]:
    """The files belong to root; with an fsGroup the kubelet lets that group read them."""
    for pods in all_pods(objects):
        if pods.spec.get("securityContext", {}).get("fsGroup"):
            continue
        for volume in pods.spec.get("volumes", []):
            source = volume.get("secret") or volume.get("configMap") or {}
            default = source.get("defaultMode", 0o644)
            modes = {item.get("mode", default) for item in source.get("items", [])} or {default}
            if not all(mode & 0o004 for mode in modes):
                yield f"{pods.name} may not read its volume {volume['name']}"


@check
def redis_reads_its_configuration(objects: list[Object]) -> Iterator[str]:
    for pods in all_pods(objects):
        for container in pods.spec["containers"]:
            words = [*container.get("command", []), *container.get("args", [])]
            for mount in container.get("volumeMounts", []):
                if mount["mountPath"].endswith("/redis.conf") and mount["mountPath"] not in words:
                    yield f"{pods.name} is started without {mount['mountPath']}"


@check
def what_should_run_runs(objects: list[Object]) -> Iterator[str]:
    for item in of_kind(objects, *RUNS_ON):
        if item["spec"].get("replicas") == 0 and name_of(item) not in STARTED_BY_HAND:
            yield f"{name_of(item)} runs no pods"
    for item in of_kind(objects, "Job", "CronJob"):
        if item["spec"].get("suspend"):
            yield f"{name_of(item)} is suspended"


@check
def resources_are_bounded(objects: list[Object]) -> Iterator[str]:
    for pods in all_pods(objects):
        for container in pods.containers:
            who = f"{pods.name}: {container['name']}"
            given = container.get("resources", {})
            for name in ("cpu", "memory"):
                try:
                    request = read_quantity(given["requests"][name])
                    limit = read_quantity(given["limits"][name])
                except KeyError:
                    yield f"{who} has no request and limit of {name}"
                except ValueError as error:
                    yield f"{who}: {error}"
                else:
                    if limit < request:
                        yield f"{who} has a limit of {name} below its request"
    for where, text in _other_quantities(objects):
        try:
            read_quantity(text)
        except ValueError as error:
            yield f"{where}: {error}"


def _other_quantities(objects: list[Object]) -> Iterator[tuple[str, Any]]:
    for pods in all_pods(objects):
        for volume in pods.spec.get("volumes", []):
            if "sizeLimit" in (volume.get("emptyDir") or {}):
                yield pods.name, volume["emptyDir"]["sizeLimit"]
    claims = of_kind(objects, "PersistentVolumeClaim")
    for item in of_kind(objects, "StatefulSet"):
        claims += item["spec"].get("volumeClaimTemplates", [])
    for claim in claims:
        yield claim["metadata"]["name"], claim["spec"]["resources"]["requests"]["storage"]


@check
def images_are_exact(objects: list[Object]) -> Iterator[str]:
    for pods in all_pods(objects):
        for container in pods.containers:
            if not IMAGE.fullmatch(container["image"]):
                yield f"{pods.name} has image {container['image']}, which is no exact version"


@check
def ports_are_named_right(objects: list[Object]) -> Iterator[str]:
    for pods in all_pods(objects):
        for container in pods.containers:
            for port in container.get("ports", []):
                name = port.get("name", "")
                if not PORT_NAME.fullmatch(name) or len(name) > 15 or name.isdigit():
                    yield f"{pods.name} calls a port {name!r}"
    for item in of_kind(objects, "Service"):
        for port in item["spec"]["ports"]:
            if len(port.get("name", "")) > 15:
                yield f"{name_of(item)} calls a port {port['name']!r}"


@check
def probes_ask_what_is_there(objects: list[Object]) -> Iterator[str]:
    for pods in all_pods(objects):
        for container in pods.spec["containers"]:
            who = f"{pods.name}: {container['name']}"
            own = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
            for kind in ("startupProbe", "livenessProbe", "readinessProbe"):
                probe = container.get(kind, {})
                for handler in ("httpGet", "tcpSocket"):
                    port = probe.get(handler, {}).get("port")
                    if port is not None and port not in {*own, *own.values()}:
                        yield f"{who} is asked by {kind} at port {port}, which it lacks"
            if pods.owner["kind"] in RUNS_ON:
                if "livenessProbe" not in container:
                    yield f"{who} has no liveness probe"
                if own and "readinessProbe" not in container:
                    yield f"{who} has no readiness probe"


@check
def pods_have_time_to_end(objects: list[Object]) -> Iterator[str]:
    for pods in all_pods(objects):
        grace_s = pods.spec.get("terminationGracePeriodSeconds", 30)
        for container in pods.spec["containers"]:
            if grace_s <= pause_before_end_s(container):
                yield f"{pods.name} is killed before its preStop hook is over"


def pause_before_end_s(container: Object) -> int:
    """How long the preStop hook sleeps."""
    hook = container.get("lifecycle", {}).get("preStop", {})
    if "sleep" in hook:
        return hook["sleep"]["seconds"]
    command = hook.get("exec", {}).get("command", [])
    return int(command[1]) if command[:1] == ["sleep"] else 0


@check
def pods_keep_to_our_rules(objects: list[Object]) -> Iterator[str]:
    for pods in all_pods(objects):
        if pods.spec.get("automountServiceAccountToken") is not False:
            yield f"{pods.name} gets a token for the cluster's API"
        # Otherwise a Service called x would set X_PORT and X_SERVICE_HOST in every pod.
        if pods.spec.get("enableServiceLinks") is not False:
            yield f"{pods.name} gets variables named after Services"
        if not pods.spec.get("securityContext", {}).get("runAsUser"):
            yield f"{pods.name} has no numeric user"
        for container in pods.containers:
            who = f"{pods.name}: {container['name']}"
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield f"{who} may write to its root"
            known: set[str] = set()
            for source in container.get("envFrom", []):
                for kind, ref in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                    if ref in source:
                        known |= sources(objects).get(f"{kind}/{source[ref]['name']}", {}).keys()
            for entry in container.get("env", []):
                for name in re.findall(r"\$\((\w+)\)", entry.get("value", "")):
                    if name not in known:
                        yield f"{who} uses $({name}) before it is set"
                known.add(entry["name"])
            for name in re.findall(r"\$\((\w+)\)", " ".join(container.get("args", []))):
                if name not in known:
                    yield f"{who} uses $({name}), which is not set"


@check
def jobs_end(objects: list[Object]) -> Iterator[str]:
    for pods in all_pods(objects):
        if pods.owner["kind"] in ("Job", "CronJob"):
            if pods.spec.get("restartPolicy") not in ("Never", "OnFailure"):
                yield f"{pods.name} has restartPolicy {pods.spec.get('restartPolicy')}"
        elif pods.spec.get("restartPolicy", "Always") != "Always":
            yield f"{pods.name} has restartPolicy {pods.spec['restartPolicy']}"
    # A pod whose image does not arrive is pending, so no attempt of it ever fails, and only a
    # deadline ends its Job (https://github.com/kubernetes/kubernetes/issues/101584). For the Job of
    # a release that is final, since the next apply leaves it as it is. A CronJob needs a deadline,
    # since concurrencyPolicy would keep the next run from ever beginning.
    for item in of_kind(objects, "Job"):
        for spec in (item["spec"], item["spec"]["template"]["spec"]):
            if "activeDeadlineSeconds" in spec:
                yield f"{name_of(item)} fails for good when its image or MongoDB's comes late"
    for item in of_kind(objects, "CronJob"):
        job = item["spec"]["jobTemplate"]["spec"]
        if "ttlSecondsAfterFinished" not in job:
            yield f"{name_of(item)} leaves failed Jobs that a person has to delete"
        if "activeDeadlineSeconds" not in job:
            yield f"{name_of(item)} never runs again when an image does not come"
        fields = item["spec"]["schedule"].split()
        if len(fields) != 5 or not all(map(_is_cron_field, fields, CRON_RANGES)):
            yield f"{name_of(item)} has schedule {item['spec']['schedule']}"
        if item["spec"].get("timeZone") != "Etc/UTC":
            yield f"{name_of(item)} runs by the clock of wherever the cluster is"
        if item["spec"].get("concurrencyPolicy") != "Forbid":
            yield f"{name_of(item)} may run beside itself"
        for field in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
            if field not in item["spec"]:
                yield f"{name_of(item)} has no {field}"


def _is_cron_field(field: str, bounds: tuple[int, int]) -> bool:
    low, high = bounds
    if not CRON_FIELD.fullmatch(field):
        return False
    if field.startswith("*"):
        return 1 <= int(field[2:] or 1) <= high
    parts = [[int(number) for number in part.split("-")] for part in field.split(",")]
    return all(low <= part[0] <= part[-1] <= high for part in parts)


# --- Connections ----------------------------------------------------------------------------


@check
def services_find_their_pods(objects: list[Object]) -> Iterator[str]:
    for item in of_kind(objects, "Service"):
        taken = _taken(objects, {"matchLabels": item["spec"]["selector"]})
        if not taken:
            yield f"{name_of(item)} selects no pods"
        for pods in taken:
            for port in item["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if target not in {*pods.ports, *pods.ports.values()}:
                    yield f"{name_of(item)} has target port {target}, which {pods.name} lacks"
    for item in of_kind(objects, "Ingress"):
        for rule in item["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = [one for one in of_kind(objects, "Service")
                           if one["metadata"]["name"] == backend["name"]]  # fmt: skip
                if not service:
                    yield f"{name_of(item)} leads to Service {backend['name']}, which is not there"
                    continue
                ports = {
                    port[key]
                    for port in service[0]["spec"]["ports"]
                    for key in ("name", "port")
                    if key in port
                }
                if not ports & set(backend["port"].values()):
                    yield f"{name_of(item)} leads to a port that the Service lacks"
        if not item["spec"].get("ingressClassName"):
            yield f"{name_of(item)} has no class"
        hosts = {rule["host"] for rule in item["spec"]["rules"]}
        for tls in item["spec"].get("tls", []):
            if tls["secretName"] not in FOREIGN_SECRETS:
                yield f"{name_of(item)} has certificate {tls['secretName']}, which is not there"
            for host in set(tls["hosts"]) - hosts:
                yield f"{name_of(item)} has a certificate for {host}, which has no rule"


@check
def budgets_and_scalers_find_their_pods(objects: list[Object]) -> Iterator[str]:
    for item in of_kind(objects, "PodDisruptionBudget"):
        if not _taken(objects, item["spec"]["selector"]):
            yield f"{name_of(item)} selects no pods"
        if "maxUnavailable" not in item["spec"]:
            yield f"{name_of(item)} may keep a node from being drained"
        elif item["spec"]["maxUnavailable"] in (0, "0%"):
            yield f"{name_of(item)} keeps every node from being drained"
    for item in of_kind(objects, "HorizontalPodAutoscaler"):
        spec = item["spec"]
        target = f"{spec['scaleTargetRef']['kind']}/{spec['scaleTargetRef']['name']}"
        found = [pods for pods in all_pods(objects) if pods.name == target]
        if not found:
            yield f"{name_of(item)} scales {target}, which does not exist"
        elif "replicas" in found[0].owner["spec"]:
            yield f"{target} has replicas, and an apply would undo what {name_of(item)} did"
        if spec["minReplicas"] > spec["maxReplicas"]:
            yield f"{name_of(item)} has a minimum above its maximum"


@check
def drains_end(objects: list[Object]) -> Iterator[str]:
    """A pod that is not ready may be moved, unless it is one of a majority.

    If its budget does not say so, no such pod may go while too few are ready (the eviction API
    answers 429). So while MongoDB has no primary and no web is ready, no node with a web could be
    drained. A member that is not ready may be copying the data of the others, and goes only while
    they are well.
    """
    budgets_of: dict[str, list[str]] = {pods.name: [] for pods in all_pods(objects)}
    for item in of_kind(objects, "PodDisruptionBudget"):
        policy = item["spec"].get("unhealthyPodEvictionPolicy")
        for pods in _taken(objects, item["spec"]["selector"]):
            budgets_of[pods.name].append(name_of(item))
            wanted = "IfHealthyBudget" if pods.owner["kind"] == "StatefulSet" else "AlwaysAllow"
            if policy != wanted:
                yield f"{name_of(item)} says {policy} of unready pods, not {wanted}"
    scaled = {
        f"{item['spec']['scaleTargetRef']['kind']}/{item['spec']['scaleTargetRef']['name']}"
        for item in of_kind(objects, "HorizontalPodAutoscaler")
    }
    for item in of_kind(objects, *RUNS_ON):
        is_several = item["spec"].get("replicas", 1) > 1 or name_of(item) in scaled
        if is_several and not budgets_of[name_of(item)]:
            yield f"{name_of(item)} may lose all of its pods to drains at once"
    for name, budgets in budgets_of.items():
        if len(budgets) > 1:
            yield f"{name} has {len(budgets)} budgets, and no eviction is allowed then"


@check
def pods_leave_a_node_that_is_gone(objects: list[Object]) -> Iterator[str]:
    """Pods without data are made elsewhere soon; pods with a volume wait for a person.

    By default Kubernetes gives each pod five minutes. After that, too, it does not replace a pod of
    a StatefulSet, and a machine that only restarts would have kept it.
    """
    for pods in all_pods(objects):
        tolerated = {entry.get("key"): entry for entry in pods.spec.get("tolerations", [])}
        if tolerated.keys() & {None, OUT_OF_SERVICE}:
            yield f"{pods.name} stays on a node that is out of service"
        is_moved = pods.owner["kind"] == "Deployment" and pods.name not in STARTED_BY_HAND
        for key in NODE_IS_GONE:
            patience_s = tolerated.get(key, {}).get("tolerationSeconds")
            if is_moved and (patience_s is None or patience_s > MAX_PATIENCE_S):
                yield f"{pods.name} keeps to a node for minutes that is {key.rpartition('/')[2]}"
            elif not is_moved and key in tolerated:
                yield f"{pods.name} says how long it keeps to a node that is gone"


@check
def network_policies_fit(objects: list[Object]) -> Iterator[str]:
    policies = of_kind(objects, "NetworkPolicy")
    denying = [
        item for item in policies
        if item["spec"]["podSelector"] == {}
        and set(item["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not item["spec"].get("ingress") and not item["spec"].get("egress")
    ]  # fmt: skip
    if not denying:
        yield "No NetworkPolicy denies everything that is not allowed"
    allowed: dict[str, set[tuple[str, str, int]]] = {"ingress": set(), "egress": set()}
    for item in policies:
        taken = _taken(objects, item["spec"]["podSelector"])
        if not taken:
            yield f"{name_of(item)} selects no pods"
        yield from _unused_values(objects, name_of(item), item["spec"]["podSelector"])
        for direction, whom in (("ingress", "from"), ("egress", "to")):
            rules = item["spec"].get(direction, [])
            if rules and direction.capitalize() not in item["spec"]["policyTypes"]:
                yield f"{name_of(item)} has rules of {direction} that are not in its types"
            for rule in rules:
                if not rule.get(whom) or not rule.get("ports"):
                    yield f"{name_of(item)} allows {direction} without naming {whom} and ports"
                for peer in rule.get(whom, []):
                    if "namespaceSelector" in peer or "ipBlock" in peer:
                        if direction == "ingress":
                            yield from _missing_ports(item, taken, rule)
                        continue
                    peers = _taken(objects, peer["podSelector"])
                    if not peers:
                        yield f"{name_of(item)} allows {direction} for no pods"
                    yield from _unused_values(objects, name_of(item), peer["podSelector"])
                    servers = taken if direction == "ingress" else peers
                    yield from _missing_ports(item, servers, rule)
                    clients = peers if direction == "ingress" else taken
                    allowed[direction] |= {
                        (client.name, server.name, port["port"])
                        for client in clients
                        for server in servers
                        for port in rule.get("ports", [])
                    }
    for client, server, port in sorted(allowed["ingress"] ^ allowed["egress"]):
        way = "out" if (client, server, port) in allowed["ingress"] else "in"
        yield f"{client} has no way {way} to port {port} of {server}"


@check
def other_namespaces_come_to_the_site_alone(objects: list[Object]) -> Iterator[str]:
    site = {pods.name for pods in _behind_an_ingress(objects)}
    let_in: dict[str, list[Object]] = {name: [] for name in site}
    for item in of_kind(objects, "NetworkPolicy"):
        taken = {pods.name for pods in _taken(objects, item["spec"]["podSelector"])}
        for rule in item["spec"].get("ingress", []):
            for peer in rule.get("from", []):
                if not {"namespaceSelector", "ipBlock"} & peer.keys():
                    continue
                if peer not in VISITORS.values():
                    yield f"{name_of(item)} lets strangers in: {peer}"
                for name in sorted(taken - site):
                    yield f"{name_of(item)} lets other namespaces in to {name}"
                for name in taken & site:
                    let_in[name].append(peer)
    for name, peers in sorted(let_in.items()):
        for visitor, peer in VISITORS.items():
            if peer not in peers:
                yield f"{visitor} has no way in to {name}"


def _behind_an_ingress(objects: list[Object]) -> Iterator[Pods]:
    for item in of_kind(objects, "Ingress"):
        for rule in item["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                for service in of_kind(objects, "Service"):
                    if service["metadata"]["name"] == path["backend"]["service"]["name"]:
                        yield from _taken(objects, {"matchLabels": service["spec"]["selector"]})


@check
def letters_alone_leave_the_cluster(objects: list[Object]) -> Iterator[str]:
    """Pods with the login of the mail server send letters and webhooks; no others do."""
    senders = {
        pods.name
        for pods in all_pods(objects)
        for container in pods.containers
        if any(entry["name"] == "EMAIL_USER" for entry in container.get("env", []))
    }
    ways_out = {
        (pods.name, port["port"])
        for item in of_kind(objects, "NetworkPolicy")
        for rule in item["spec"].get("egress", [])
        if any("ipBlock" in peer for peer in rule.get("to", []))
        for pods in _taken(objects, item["spec"]["podSelector"])
        for port in rule.get("ports", [{"port": None}])
    }
    leaving = {name for name, _ in ways_out}
    for name in sorted(senders - {name for name, port in ways_out if port in MAIL_PORTS}):
        yield f"{name} has no way out to the mail server"
    for name in sorted(leaving - senders):
        yield f"{name} sends no letters and may leave the cluster"


def _missing_ports(policy: Object, servers: list[Pods], rule: Object) -> Iterator[str]:
    for pods in servers:
        for port in rule.get("ports", []):
            if port["port"] not in pods.ports.values():
                yield f"{name_of(policy)} opens port {port['port']}, which {pods.name} lacks"


def _unused_values(objects: list[Object], who: str, selector: Object) -> Iterator[str]:
    for term in selector.get("matchExpressions", []):
        for value in term.get("values", []):
            if not _taken(objects, {"matchLabels": {term["key"]: value}}):
                yield f"{who} names {value}, which no pod is called"


def _taken(objects: list[Object], selector: Object) -> list[Pods]:
    return [pods for pods in all_pods(objects) if selects(selector, pods.labels)]


# --- Memory -------------------------------------------------------------------------------


@check
def servers_leave_room(objects: list[Object]) -> Iterator[str]:
    """MongoDB's cache and Redis's data take at most half of their container's memory."""
    for pods in all_pods(objects):
        for container in pods.spec["containers"]:
            variables = {one["name"]: one.get("value") for one in container.get("env", [])}
            limit = container.get("resources", {}).get("limits", {}).get("memory", "0")
            if "CACHE_SIZE_GB" in variables:
                cache = float(variables["CACHE_SIZE_GB"]) * 2**30
                if QUANTITY.fullmatch(str(limit)) and cache > read_quantity(limit) / 2:
                    yield f"{pods.name} has a cache of more than half of its memory"
    for name, held in sources(objects).items():
        for text in held.values():
            found = re.search(r"^maxmemory (\d+)mb$", text, re.MULTILINE)
            if found and name.startswith("ConfigMap/redis-config"):
                redis = find(objects, "StatefulSet/redis")["spec"]["template"]["spec"]
                limit = redis["containers"][0]["resources"]["limits"]["memory"]
                if int(found[1]) * 2**20 > read_quantity(limit) / 2:
                    yield "StatefulSet/redis may hold more than half of its memory"
