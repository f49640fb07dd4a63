"""Rendered objects, and the pods in them."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

# The kinds that run pods, and where their pod template is.
TEMPLATES = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
RUNS_ON = ("Deployment", "StatefulSet")


@dataclass(frozen=True)
class Pods:
    """The pods of one controller."""

    owner: Object
    template: Object

    @property
    def name(self) -> str:
        return name_of(self.owner)

    @property
    def labels(self) -> dict[str, str]:
        return self.template["metadata"].get("labels", {})

    @property
    def spec(self) -> Object:
        return self.template["spec"]

    @property
    def containers(self) -> list[Object]:
        """All of them, including those that only prepare."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        return {
            port["name"]: port["containerPort"]
            for container in self.spec["containers"]
            for port in container.get("ports", [])
        }


def name_of(item: Object) -> str:
    return f"{item['kind']}/{item['metadata']['name']}"


def all_pods(objects: list[Object]) -> Iterator[Pods]:
    for item in objects:
        if item["kind"] in TEMPLATES:
            template = item
            for key in TEMPLATES[item["kind"]]:
                template = template[key]
            yield Pods(item, template)


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [item for item in objects if item["kind"] in kinds]


def find(objects: list[Object], name: str) -> Object:
    """Returns the object called `Kind/name`."""
    return next(item for item in objects if name_of(item) == name)


def pods_of(objects: list[Object], name: str) -> Pods:
    """Returns the pods of the controller called `Kind/name`."""
    return next(pods for pods in all_pods(objects) if pods.name == name)


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a label selector matches these labels; an empty one matches all."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions", []):
        has, values = term["key"] in labels, term.get("values", [])
        fits = {
            "In": labels.get(term["key"]) in values,
            "NotIn": labels.get(term["key"]) not in values,
            "Exists": has,
            "DoesNotExist": not has,
        }[term["operator"]]
        if not fits:
            return False
    return True


def environment(pods: Pods, container: Object, objects: list[Object]) -> dict[str, str]:
    """Returns the variables that a container gets, computed as the kubelet does it."""
    found = sources(objects)
    variables: dict[str, str] = {}
    for source in container.get("envFrom", []):
        for kind, ref in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if ref in source:
                variables.update(found[f"{kind}/{source[ref]['name']}"])
    for entry in container.get("env", []):
        if "value" in entry:
            variables[entry["name"]] = expand(entry["value"], variables)
        elif "fieldRef" in entry["valueFrom"]:
            fields = {"status.podIP": "127.0.0.1", "metadata.name": pods.owner["metadata"]["name"]}
            variables[entry["name"]] = fields[entry["valueFrom"]["fieldRef"]["fieldPath"]]
        else:
            (kind, ref), *_ = (
                (kind, entry["valueFrom"][key])
                for kind, key in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef"))
                if key in entry["valueFrom"]
            )
            variables[entry["name"]] = found[f"{kind}/{ref['name']}"][ref["key"]]
    return variables


def sources(objects: list[Object]) -> dict[str, dict[str, str]]:
    """Returns the contents of each ConfigMap and Secret."""
    return {
        name_of(item): item.get("data", {})
        if item["kind"] == "ConfigMap"
        else {key: b64decode(text).decode() for key, text in item.get("data", {}).items()}
        for item in of_kind(objects, "ConfigMap", "Secret")
    }


def expand(text: str, variables: dict[str, str]) -> str:
    """Replaces `$(NAME)` in a value or a command; an unknown name stays as it is."""
    return re.sub(r"\$\((\w+)\)", lambda match: variables.get(match[1], match[0]), text)
