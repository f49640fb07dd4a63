"""The *restricted* Pod Security Standard in full, as of Kubernetes 1.34.

https://kubernetes.io/docs/concepts/security/pod-security-standards/ is the source of every rule. A
cluster that enforces it refuses such pods; this module finds them before that.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.manifests.objects import Object, Pods, all_pods

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}  # fmt: skip
SELINUX_TYPES = {"container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
PROFILES = {"RuntimeDefault", "Localhost"}
APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"
HANDLERS = ("httpGet", "tcpSocket")


def find_faults(objects: list[Object]) -> list[str]:
    """Returns a sentence for each breach."""
    return [
        f"{pods.name}: {fault}"
        for pods in all_pods(objects)
        for fault in [*_faults_of_pod(pods), *_faults_of_containers(pods)]
    ]


def _faults_of_pod(pods: Pods) -> Iterator[str]:
    spec = pods.spec
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    for volume in spec.get("volumes", []):
        for kind in volume.keys() - {"name"} - VOLUMES:
            yield f"volume {volume['name']} is of type {kind}"
    context = spec.get("securityContext", {})
    yield from _faults_of_context("the pod", context)
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"
    for name, value in pods.template["metadata"].get("annotations", {}).items():
        is_profile = value == "runtime/default" or value.startswith("localhost/")
        if name.startswith(APPARMOR_ANNOTATION) and not is_profile:
            yield f"AppArmor is {value} by annotation"
    if spec.get("ephemeralContainers"):
        yield "ephemeralContainers have no place in a manifest"


def _faults_of_containers(pods: Pods) -> Iterator[str]:
    of_pod = pods.spec.get("securityContext", {})
    for container in pods.containers:
        who = f"container {container['name']}"
        own = container.get("securityContext", {})
        both = {**of_pod, **own}
        yield from _faults_of_context(who, own)
        if own.get("privileged"):
            yield f"{who} is privileged"
        if own.get("allowPrivilegeEscalation") is not False:
            yield f"{who} does not forbid privilege escalation"
        if both.get("runAsNonRoot") is not True:
            yield f"{who} may run as root"
        if both.get("seccompProfile", {}).get("type") not in PROFILES:
            yield f"{who} has no seccomp profile"
        if own.get("procMount", "Default") != "Default":
            yield f"{who} has procMount {own['procMount']}"
        capabilities = own.get("capabilities", {})
        if "ALL" not in capabilities.get("drop", []):
            yield f"{who} does not drop ALL capabilities"
        for capability in capabilities.get("add", []):
            if capability != "NET_BIND_SERVICE":
                yield f"{who} adds capability {capability}"
        for port in container.get("ports", []):
            if port.get("hostPort"):
                yield f"{who} has hostPort {port['hostPort']}"
        hooks = container.get("lifecycle", {})
        for action in (
            *(container.get(f"{kind}Probe", {}) for kind in ("startup", "liveness", "readiness")),
            *(hooks.get(kind, {}) for kind in ("preStop", "postStart")),
        ):
            for handler in HANDLERS:
                if action.get(handler, {}).get("host"):
                    yield f"{who} asks host {action[handler]['host']} in a probe or hook"


def _faults_of_context(who: str, context: Object) -> Iterator[str]:
    """The rules that apply to a pod and to a container alike."""
    if context.get("runAsUser") == 0:
        yield f"{who} runs as user 0"
    if context.get("runAsNonRoot") is False:
        yield f"{who} says runAsNonRoot: false"
    if context.get("seccompProfile", {}).get("type", "RuntimeDefault") not in PROFILES:
        yield f"{who} has seccomp profile {context['seccompProfile']['type']}"
    if context.get("appArmorProfile", {}).get("type", "RuntimeDefault") not in PROFILES:
        yield f"{who} has AppArmor profile {context['appArmorProfile']['type']}"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield f"{who} is a host process of Windows"
    selinux = context.get("seLinuxOptions", {})
    if selinux.get("type", "container_t") not in SELINUX_TYPES:
        yield f"{who} has SELinux type {selinux['type']}"
    for field in ("user", "role"):
        if selinux.get(field):
            yield f"{who} has SELinux {field} {selinux[field]}"
