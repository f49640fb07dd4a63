"""Commands that operators have to type name existing objects, and kubectl accepts their flags."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.manifests.conftest import ROOT
from tests.manifests.objects import Object, Pods, all_pods, name_of, of_kind

PAGES = [
    ROOT / "README.md",
    ROOT / "k8s" / "readme.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "operations").glob("*.md")),
    *sorted((ROOT / "docs" / "runbooks").glob("*.md")),
]

KINDS = {
    "cronjob": "CronJob",
    "deploy": "Deployment",
    "deployment": "Deployment",
    "job": "Job",
    "pod": "Pod",
    "pvc": "PersistentVolumeClaim",
    "statefulset": "StatefulSet",
}

# The programs in commands of the pages; names_in knows how they name objects.
VERBS = {
    "apply", "create", "delete", "describe", "diff", "drain", "exec", "get", "logs", "patch",
    "rollout", "scale", "taint", "uncordon", "wait",
}  # fmt: skip

# Objects of the cluster, not of the site, and placeholders for names.
NOT_OURS = re.compile(r"ingress-nginx|\.\.\.|…")


def read_commands(program: str) -> set[str]:
    """Returns every command of the pages that begins with this program, in blocks and text."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for block in re.findall(r"```(?:bash|console[a-z -]*)\n(.*?)```", text, re.DOTALL):
            lines = [line.strip().removeprefix("$ ") for line in block.splitlines()]
            found |= {re.split(r" +# | && | \| | >\w", line)[0] for line in lines}
        for quoted in re.findall(r"(?<!`)`([^`]+)`(?!`)", text):
            found.add(" ".join(quoted.split()))
    # A program with only one more word is mentioned, not typed.
    return {
        command
        for command in found
        if command.startswith(f"{program} ") and len(command.removeprefix(program).split()) > 1
    }


KUBECTL = sorted(command for command in read_commands("kubectl") if not NOT_OURS.search(command))


def names_made(objects: list[Object]) -> set[str]:
    """Returns every object that the manifests make, with the pods and claims of StatefulSets."""
    names = {name_of(item) for item in objects}
    for item in of_kind(objects, "StatefulSet"):
        for number in range(item["spec"]["replicas"]):
            pod = f"{item['metadata']['name']}-{number}"
            names.add(f"Pod/{pod}")
            for claim in item["spec"].get("volumeClaimTemplates", []):
                names.add(f"PersistentVolumeClaim/{claim['metadata']['name']}-{pod}")
    return names


def names_in(words: list[str]) -> set[str]:
    """Returns what a command names as kind/name, `kind name`, or as a pod by its bare name."""
    named = set()
    for word in words:
        kind, slash, name = word.removeprefix("--from=").partition("/")
        if slash and kind in KINDS:
            named.add(f"{KINDS[kind]}/{name}")
    verb, *rest = words
    bare = [word for word in rest if not word.startswith("-") and "/" not in word]
    if verb == "delete" and bare and bare[0] in KINDS:
        named |= {f"{KINDS[bare[0]]}/{name}" for name in bare[1:]}
    if verb == "exec" and bare and not named:
        named.add(f"Pod/{bare[0]}")
    return named


def split(command: str) -> list[str]:
    """Returns the words after the namespace, without the command that runs in a container."""
    words = shlex.split(command)[1:]
    if words[:1] == ["-n"]:
        assert words[1] == "bookingapp", command
        words = words[2:]
    return words[: words.index("--")] if "--" in words else words


def pods_named(name: str, objects: list[Object]) -> list[Pods]:
    """Returns the pods behind `Kind/name`; a StatefulSet's pod has the set's name and a number."""
    kind, _, bare = name.partition("/")
    owner = f"StatefulSet/{bare.rpartition('-')[0]}" if kind == "Pod" else name
    return [pods for pods in all_pods(objects) if pods.name == owner]


def test_name_objects_and_containers_that_are_there(objects: list[Object]) -> None:
    made = names_made(objects)
    by_hand = {
        f"Job/{name}"
        for command in KUBECTL
        for name in re.findall(r"create job --from=\S+ ([a-z-]+)", command)
    }

    assert len(KUBECTL) > 30
    for command in KUBECTL:
        words = split(command)
        named = names_in(words)
        assert words[0] in VERBS, command
        assert named - by_hand <= made, command
        for flag, container in zip(words, words[1:], strict=False):
            if flag == "-c" and named:
                (pods,) = pods_named(named.copy().pop(), objects)
                assert container in [one["name"] for one in pods.containers], command
        for labels in re.findall(r"app.kubernetes.io/name (?:in \(([^)]+)\))", command):
            there = {pods.labels["app.kubernetes.io/name"] for pods in all_pods(objects)}
            assert set(labels.split(", ")) <= there, command
        if "-k" in words:
            assert (ROOT / words[words.index("-k") + 1] / "kustomization.yaml").exists(), command


def test_wait_until_a_claim_is_gone_unless_its_pod_goes_with_it() -> None:
    """The next apply still finds a claim that is being deleted, and makes no other."""
    for command in KUBECTL:
        words = split(command)
        kinds = {name.partition("/")[0] for name in names_in(words)}
        if words[0] == "delete" and "--wait=false" in words:
            assert "PersistentVolumeClaim" not in kinds or "Pod" in kinds, command


# Rendering makes the secrets, which the overlays name.
@pytest.mark.usefixtures("rendered")
@pytest.mark.parametrize("command", KUBECTL)
def test_are_taken_by_kubectl(command: str, kubectl: str, k8s: Path, tmp_path: Path) -> None:
    """There is no server to ask, so whatever kubectl reports before that is about the command."""
    words = [
        str(k8s.parent / word) if word.startswith("k8s/") else word
        for word in shlex.split(command)[1:]
    ]
    server = ["--server=http://127.0.0.1:1", "--request-timeout=1s"]
    run = subprocess.run(
        [kubectl, *server, *words],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    # kubectl reads the operator's own file just as late.
    assert re.search(r"127\.0\.0\.1:1\b|Cannot read file \w+\.pem", run.stderr), run.stderr


def test_name_services_of_compose_that_are_there() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    valued = {"-e", "--env"}

    commands = read_commands("docker compose")
    assert len(commands) > 5
    for command in commands:
        verb, *words = shlex.split(command)[2:]
        named = []
        is_value = False
        for word in words:
            if not word.startswith("-") and not is_value:
                named.append(word)
            is_value = word in valued
        # After a service that is run or entered comes the command in it.
        named = named[:1] if verb in ("run", "exec") else named
        assert verb in {"build", "config", "down", "exec", "logs", "ps", "run", "stop", "up"}, (
            command
        )
        assert set(named) <= compose["services"].keys(), command
