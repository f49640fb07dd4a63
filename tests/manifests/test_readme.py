"""The page for operators names existing things."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml
from django.core.management import get_commands

from bookingsite import __version__
from tests.manifests.conftest import ROOT, render
from tests.manifests.integrity import OUT_OF_SERVICE, find_faults
from tests.manifests.objects import TEMPLATES, Object, all_pods, name_of, pods_of, selects

FOLDER = ROOT / "k8s"
README = (FOLDER / "readme.md").read_text(encoding="utf-8")


def test_names_objects_and_containers_that_are_there(objects: list[Object]) -> None:
    short = {kind.lower(): kind for kind in TEMPLATES}
    made = set(re.findall(r"create job --from=\S+ ([a-z-]+)", README))
    names = {
        f"{short[kind]}/{name}"
        for kind, name in re.findall(r"\b([a-z]+)/([a-z0-9-]*[a-z0-9])\b(?!-)", README)
        if kind in short and name not in made
    }
    containers = {one["name"] for pods in all_pods(objects) for one in pods.containers}
    labels = {pods.labels["app.kubernetes.io/name"] for pods in all_pods(objects)}

    assert len(names) > 6
    assert names <= {name_of(item) for item in objects}
    assert set(re.findall(r" -c ([a-z-]+) ", README)) <= containers
    assert set(re.findall(r"-l app.kubernetes.io/name=(\S+)", README)) <= labels


def test_tells_prometheus_of_pods_and_ports_that_are_there(objects: list[Object]) -> None:
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    (monitor,) = (one for one in blocks if one.get("kind") == "PodMonitor")
    (scrape,) = (one["scrape_configs"] for one in blocks if "scrape_configs" in one)
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    web = pods_of(objects, "Deployment/web")
    taken = [pods.name for pods in all_pods(objects)
             if selects(monitor["spec"]["selector"], pods.labels)]  # fmt: skip
    annotations = {
        f"__meta_kubernetes_pod_annotation_{re.sub(r'[^a-z]', '_', name)}"
        for name in web.template["metadata"]["annotations"]
    }
    wanted = {name for rule in scrape[0]["relabel_configs"] for name in rule["source_labels"]}

    assert taken == ["Deployment/web"]
    assert monitor["metadata"]["namespace"] == web.owner["metadata"]["namespace"]
    assert endpoint["port"] in web.ports
    assert endpoint["path"] == web.template["metadata"]["annotations"]["prometheus.io/path"]
    assert {name for name in wanted if "_annotation_" in name} <= annotations


def test_pulls_every_image_from_a_private_registry_with_what_it_says(
    k8s: Path, kubectl: str, rendered: dict[str, str], tmp_path: Path
) -> None:
    """`rendered` has made the secrets, which the copy includes."""
    text = README.split("### A private registry\n")[1].split("\n### ")[0]
    block = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    shutil.copytree(k8s, tmp_path / "k8s")
    overlay = tmp_path / "k8s" / "overlays" / "prod"
    page = yaml.safe_load((overlay / "kustomization.yaml").read_text())
    page["images"] = block["images"]
    page["patches"] += block["patches"]
    (overlay / "kustomization.yaml").write_text(yaml.safe_dump(page))

    objects = list(yaml.safe_load_all(render(kubectl, overlay)))

    accounts = {one["metadata"]["name"]: one for one in objects if one["kind"] == "ServiceAccount"}
    (login,) = re.findall(r"create secret docker-registry (\S+)", text)
    for pods in all_pods(objects):
        account = accounts[pods.spec["serviceAccountName"]]
        assert account["imagePullSecrets"] == [{"name": login}], pods.name
        for container in pods.containers:
            assert container["image"].startswith("registry.example/"), pods.name
    assert find_faults(objects) == []


def test_names_this_version() -> None:
    named = set(re.findall(r"bookingsite:(\d+\.\d+\.\d+)", README))
    jobs = set(re.findall(r"(?:replica-set|migrate)-(\d+-\d+-\d+)", README))

    assert named == {__version__}
    assert jobs == {__version__.replace(".", "-")}


def test_names_files_and_commands_that_are_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README):
        assert (FOLDER / link).exists(), link
    for command in re.findall(r"manage\.py (\w+)", README):
        assert command in get_commands()


def test_force_no_pod_away() -> None:
    """A pod of a StatefulSet may be alive on a lost node, and two would write to one volume."""
    pages = [FOLDER / "readme.md", *(ROOT / "docs" / "runbooks").glob("*.md")]
    block = re.compile(r"^```\w+.*?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    blocks = [text for page in pages for text in block.findall(page.read_text(encoding="utf-8"))]
    deleting = [line for text in blocks for line in text.splitlines() if " delete " in line]

    assert len(deleting) > 4
    for line in deleting:
        assert not re.search(r"--(force|now|grace-period)\b", line), line


def test_name_the_taint_that_lets_pods_of_a_statefulset_go() -> None:
    """Kubernetes defines key and effect; any other does nothing, without a message."""
    page = (ROOT / "docs" / "runbooks" / "nodes.md").read_text(encoding="utf-8")

    assert f"$ kubectl taint nodes node-7 {OUT_OF_SERVICE}=nodeshutdown:NoExecute\n" in page
    assert f"$ kubectl taint nodes node-7 {OUT_OF_SERVICE}-\n" in page
