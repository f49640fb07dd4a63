"""No pod breaks the *restricted* standard, and the check would find each breach."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.manifests.objects import Object, Pods, pods_of
from tests.manifests.restricted import find_faults


def pod(**fields: object) -> Callable[[Pods], None]:
    return lambda pods: pods.spec.update(fields)


def of_pod(**fields: object) -> Callable[[Pods], None]:
    return lambda pods: pods.spec["securityContext"].update(fields)


def container(**fields: object) -> Callable[[Pods], None]:
    return lambda pods: pods.spec["containers"][0].update(fields)


def of_container(**fields: object) -> Callable[[Pods], None]:
    return lambda pods: pods.spec["containers"][0]["securityContext"].update(fields)


def of_init(**fields: object) -> Callable[[Pods], None]:
    return lambda pods: pods.spec["initContainers"][0]["securityContext"].update(fields)


def without(field: str) -> Callable[[Pods], None]:
    return lambda pods: pods.spec["containers"][0]["securityContext"].pop(field)


def pod_without(field: str) -> Callable[[Pods], None]:
    return lambda pods: pods.spec["securityContext"].pop(field)


def volume(**source: object) -> Callable[[Pods], None]:
    return lambda pods: pods.spec["volumes"].append({"name": "planted", **source})


def annotated(name: str, value: str) -> Callable[[Pods], None]:
    return lambda pods: (
        pods.template["metadata"].setdefault("annotations", {}).update({name: value})
    )


BREACHES = [
    (pod(hostNetwork=True), "hostNetwork is set"),
    (pod(hostPID=True), "hostPID is set"),
    (pod(hostIPC=True), "hostIPC is set"),
    (pod(ephemeralContainers=[{"name": "x"}]), "ephemeralContainers"),
    (volume(hostPath={"path": "/"}), "type hostPath"),
    (volume(nfs={"server": "nas", "path": "/"}), "type nfs"),
    (volume(gcePersistentDisk={"pdName": "x"}), "type gcePersistentDisk"),
    (of_pod(sysctls=[{"name": "kernel.msgmax", "value": "1"}]), "sysctl kernel.msgmax"),
    (of_pod(runAsUser=0), "the pod runs as user 0"),
    (of_pod(seccompProfile={"type": "Unconfined"}), "seccomp profile Unconfined"),
    (of_pod(appArmorProfile={"type": "Unconfined"}), "AppArmor profile Unconfined"),
    (of_pod(seLinuxOptions={"type": "spc_t"}), "SELinux type spc_t"),
    (of_pod(windowsOptions={"hostProcess": True}), "host process"),
    (annotated("container.apparmor.security.beta.kubernetes.io/web", "unconfined"), "AppArmor"),
    (pod_without("runAsNonRoot"), "may run as root"),
    (pod_without("seccompProfile"), "no seccomp profile"),
    (of_container(runAsNonRoot=False), "runAsNonRoot: false"),
    (of_container(runAsUser=0), "container web runs as user 0"),
    (of_container(privileged=True), "privileged"),
    (of_container(allowPrivilegeEscalation=True), "privilege escalation"),
    (without("allowPrivilegeEscalation"), "privilege escalation"),
    (without("capabilities"), "drop ALL"),
    (of_container(capabilities={"drop": ["ALL"], "add": ["SYS_ADMIN"]}), "adds capability"),
    (of_container(procMount="Unmasked"), "procMount Unmasked"),
    (of_container(seccompProfile={"type": "Unconfined"}), "seccomp profile Unconfined"),
    (of_container(appArmorProfile={"type": "Unconfined"}), "AppArmor profile Unconfined"),
    (of_container(seLinuxOptions={"user": "system_u"}), "SELinux user"),
    (of_container(seLinuxOptions={"role": "system_r"}), "SELinux role"),
    (of_container(windowsOptions={"hostProcess": True}), "host process"),
    (of_init(allowPrivilegeEscalation=True), "wait-for-migrations does not forbid"),
    (container(ports=[{"containerPort": 8000, "hostPort": 80}]), "hostPort 80"),
    (container(livenessProbe={"tcpSocket": {"host": "10.0.0.1", "port": 1}}), "asks host"),
    (container(lifecycle={"preStop": {"httpGet": {"host": "a.example"}}}), "asks host"),
]


def test_is_kept_by_every_pod(objects: list[Object]) -> None:
    assert find_faults(objects) == []


@pytest.mark.parametrize(("plant", "sentence"), BREACHES, ids=[words for _, words in BREACHES])
def test_is_seen_to_be_broken(
    spoilt: list[Object], plant: Callable[[Pods], None], sentence: str
) -> None:
    plant(pods_of(spoilt, "Deployment/web"))

    faults = find_faults(spoilt)

    assert any(fault.startswith("Deployment/web: ") and sentence in fault for fault in faults)


@pytest.mark.parametrize(
    "name",
    ["StatefulSet/redis", "Job/migrate-0-1-0", "CronJob/backup"],
)
def test_is_seen_to_be_broken_by_the_pods_of_every_controller(
    spoilt: list[Object], name: str
) -> None:
    pods_of(spoilt, name).spec["hostNetwork"] = True

    assert find_faults(spoilt) == [f"{name}: hostNetwork is set"]
