"""Manifests and application name the same things: variables, ports, paths, commands, versions."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest
import requests
from celery.bin import beat, worker
from django.core.management import get_commands, load_command_class
from django.urls import resolve
from pymongo.uri_parser import parse_uri

from bookingsite import __version__
from local.servers import free_port
from tests.manifests.conftest import ROOT
from tests.manifests.objects import (
    Object,
    Pods,
    all_pods,
    environment,
    find,
    name_of,
    of_kind,
    pods_of,
    sources,
)

SETTINGS = (ROOT / "bookingsite" / "settings.py").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

READ = set(re.findall(r"_read(?:_\w+)?\(\s*\"([A-Z_]+)\"", SETTINGS))
# Without a default in production.
REQUIRED = set(re.findall(r"_read\(\s*\"([A-Z_]+)\"(?:\)|, None if IS_PRODUCTION)", SETTINGS))
# Gunicorn reads it by itself.
GUNICORN_ARGUMENTS = "GUNICORN_CMD_ARGS"
# The paths that probes and Prometheus request, and the programs that run in the cluster.
PATHS = {"/api/health", "/api/ready", "/metrics"}
COMMANDS = {"migrate", "showmigrations", "init_replica_set", "backup", "restore", "doctor"}


def ours(objects: list[Object]) -> Iterator[tuple[Pods, Object]]:
    """Every container of the application's own image."""
    for pods in all_pods(objects):
        for container in pods.containers:
            if "bookingsite:" in container["image"]:
                yield pods, container


def who(pods: Pods, container: Object) -> str:
    return f"{pods.name} {container['name']}"


def settings_of(pods: Pods, container: Object, objects: list[Object]) -> dict[str, str]:
    """The container's variables, without those that only make others."""
    made_of = re.findall(r"\$\((\w+)\)", json.dumps(container.get("env", [])))
    variables = environment(pods, container, objects)
    return {name: text for name, text in variables.items() if name in READ or name not in made_of}


def test_gives_no_variable_that_the_settings_do_not_read(objects: list[Object]) -> None:
    for pods, container in ours(objects):
        unknown = settings_of(pods, container, objects).keys() - READ - {GUNICORN_ARGUMENTS}

        assert unknown == set(), who(pods, container)


def test_gives_production_every_variable_that_it_requires(parsed: dict[str, list[Object]]) -> None:
    assert {"SECRET_KEY", "MONGODB_URI", "REDIS_URL", "SITE_URL"} < REQUIRED
    for pods, container in ours(parsed["prod"]):
        variables = environment(pods, container, parsed["prod"])
        missing = {name for name in {*REQUIRED, "ALLOWED_HOSTS"} if not variables.get(name)}

        assert missing == set(), who(pods, container)


@pytest.mark.slow
def test_gives_variables_with_which_the_settings_start(objects: list[Object]) -> None:
    """The settings start with all variables of a container, each different set once."""
    sets = {
        json.dumps(environment(pods, container, objects), sort_keys=True)
        for pods, container in ours(objects)
    }
    for variables in sets:
        start = "import bookingsite.settings as s; print(s.ENVIRONMENT, s.ALLOWED_HOSTS)"
        run = subprocess.run(
            [sys.executable, "-c", start],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **json.loads(variables)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr


def test_leaves_no_reference_unresolved(objects: list[Object]) -> None:
    for pods, container in ours(objects):
        variables = environment(pods, container, objects)

        assert not [text for text in variables.values() if "$(" in text], who(pods, container)


def test_names_the_members_of_mongodb(objects: list[Object]) -> None:
    mongodb = find(objects, "StatefulSet/mongodb")
    port = pods_of(objects, "StatefulSet/mongodb").ports["mongodb"]
    members = {
        (f"mongodb-{number}.{mongodb['spec']['serviceName']}", port)
        for number in range(mongodb["spec"]["replicas"])
    }
    args = mongodb["spec"]["template"]["spec"]["containers"][0]["args"]
    for pods, container in ours(objects):
        variables = environment(pods, container, objects)
        uri = parse_uri(variables["MONGODB_URI"])
        options = {name.lower(): text for name, text in uri["options"].items()}

        assert set(uri["nodelist"]) == members, who(pods, container)
        assert f"--replSet={options['replicaset']}" in args
        assert f"--port={port}" in args
        # The application's user is defined in its own database, and has rights only on it.
        assert options["authsource"] == variables.get("MONGODB_NAME", "bookingsite")
        assert uri["username"] == "bookingsite"


def test_names_redis_and_its_password(objects: list[Object]) -> None:
    port = pods_of(objects, "StatefulSet/redis").ports["redis"]
    held = next(
        keys for name, keys in sources(objects).items() if name.startswith("Secret/redis-password")
    )
    for pods, container in ours(objects):
        url = urlsplit(environment(pods, container, objects)["REDIS_URL"])

        assert (url.hostname, url.port) == ("redis", port), who(pods, container)
        assert held == {
            "password": url.password,
            "password.conf": f"requirepass {url.password}\n",
        }
    assert find(objects, "Service/redis")["spec"]["ports"][0]["port"] == port


def test_serves_the_site_under_the_address_in_its_letters(objects: list[Object]) -> None:
    ingress = find(objects, "Ingress/web")["spec"]
    pods = pods_of(objects, "Deployment/web")
    variables = environment(pods, pods.spec["containers"][0], objects)
    address = urlsplit(variables["SITE_URL"])

    assert [rule["host"] for rule in ingress["rules"]] == [address.hostname]
    assert address.hostname in variables["ALLOWED_HOSTS"].split(",")
    assert ("tls" in ingress) == (address.scheme == "https")
    assert variables["TRUSTED_PROXIES"] == "1"


def test_lets_letters_out_to_the_port_of_the_mail_server(parsed: dict[str, list[Object]]) -> None:
    worker_pods = pods_of(parsed["prod"], "Deployment/worker")
    variables = environment(worker_pods, worker_pods.spec["containers"][0], parsed["prod"])
    policy = find(parsed["prod"], "NetworkPolicy/mail")["spec"]

    assert [port["port"] for port in policy["egress"][0]["ports"]] == [int(variables["EMAIL_PORT"])]
    assert {"EMAIL_USER", "EMAIL_PASSWORD"} <= variables.keys()


def test_lets_webhooks_out_to_the_world_alone(parsed: dict[str, list[Object]]) -> None:
    policy = find(parsed["prod"], "NetworkPolicy/webhooks")["spec"]
    (rule,) = policy["egress"]
    blocks = [peer["ipBlock"] for peer in rule["to"]]

    assert policy["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "worker"}
    assert [port["port"] for port in rule["ports"]] == [443]
    for inside in ("10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "::1",
                   "127.0.0.1", "fd00::1", "fe80::1"):  # fmt: skip
        address = ip_address(inside)
        assert not any(
            address in ip_network(block["cidr"])
            and not any(address in ip_network(part) for part in block.get("except", []))
            for block in blocks
        )


def test_names_one_version(objects: list[Object]) -> None:
    """Jobs have it in their names, since a Job cannot be changed."""
    suffix = f"-{__version__.replace('.', '-')}"

    assert {container["image"].rpartition(":")[2] for _, container in ours(objects)} == {
        __version__
    }
    assert all(job["metadata"]["name"].endswith(suffix) for job in of_kind(objects, "Job"))
    assert {name_of(job).removesuffix(suffix) for job in of_kind(objects, "Job")} == {
        "Job/init-replica-set",
        "Job/migrate",
    }


def test_runs_the_servers_of_compose(objects: list[Object]) -> None:
    """Two ways to run the site should not use two releases of MongoDB."""
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    images = {
        container["image"]
        for pods in all_pods(objects)
        for container in pods.containers
        if "bookingsite:" not in container["image"]
    }

    assert images == set(re.findall(r"image: ((?:mongo|redis):\S+)", compose))


def test_is_what_the_image_says(objects: list[Object]) -> None:
    (user,) = re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE)
    (port,) = re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE)
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    web = pods_of(objects, "Deployment/web")

    assert web.ports == {"http": int(port)}
    assert f"0.0.0.0:{port}" in json.loads(command)
    assert "command" not in web.spec["containers"][0]
    for pods, _ in ours(objects):
        assert pods.spec["securityContext"]["runAsUser"] == int(user)
        assert pods.spec["securityContext"]["runAsGroup"] == int(user)


def test_asks_for_paths_that_are_there(objects: list[Object]) -> None:
    web = pods_of(objects, "Deployment/web")
    container = web.spec["containers"][0]
    asked = {
        container[kind]["httpGet"]["path"]
        for kind in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    annotations = web.template["metadata"]["annotations"]

    assert container["readinessProbe"]["httpGet"]["path"] == "/api/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/api/health"
    assert {*asked, annotations["prometheus.io/path"]} == PATHS
    assert int(annotations["prometheus.io/port"]) in web.ports.values()
    for path in PATHS:
        assert resolve(path)


def test_runs_commands_that_are_there(objects: list[Object]) -> None:
    found = get_commands()
    run: set[str] = set()
    for pods, container in ours(objects):
        for name, arguments in _manage_commands(container):
            assert name in found, who(pods, container)
            parser = load_command_class(found[name], name).create_parser("manage.py", name)
            parser.parse_args(arguments)  # leaves the test when it does not know a command
            run.add(name)

    assert run == COMMANDS


def _manage_commands(container: Object) -> Iterator[tuple[str, list[str]]]:
    """Returns each `manage.py NAME ARGUMENTS`, in a shell's line too."""
    words = container.get("command", [])
    if "sh" in words:
        words = shlex.split(re.sub(r"(\d?>|[;)]).*", "", words[-1]))
    if "manage.py" in words:
        _, name, *arguments = words[words.index("manage.py") :]
        yield name, arguments


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["Deployment/web", "Deployment/worker", f"Job/migrate-{__version__.replace('.', '-')}"]
)
def test_says_why_it_waits(parsed: dict[str, list[Object]], name: str) -> None:
    """A pod that waits in silence for someone to correct a setting would wait for ever."""
    pods = pods_of(parsed["prod"], name)
    (container,) = pods.spec["initContainers"]
    variables = environment(pods, container, parsed["prod"])
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        container["command"],
        cwd=ROOT,
        env={**variables, "PATH": path, "SECRET_KEY": "short"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as waiting:
        assert waiting.stdout is not None
        try:
            assert select.select([waiting.stdout], [], [], 20)[0], "It waits in silence."
            said = waiting.stdout.readline()
            assert waiting.poll() is None
        finally:
            os.killpg(waiting.pid, signal.SIGKILL)

    assert said == "Set SECRET_KEY to at least 50 random characters.\n"


def test_waits_no_more_when_all_is_migrated(
    parsed: dict[str, list[Object]], migrated: None
) -> None:
    pods = pods_of(parsed["prod"], "Deployment/web")
    (container,) = pods.spec["initContainers"]
    here = {name: os.environ[name] for name in ("MONGODB_URI", "REDIS_URL", "MONGODB_NAME")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    variables = {**environment(pods, container, parsed["prod"]), **here, "PATH": path}
    waited = subprocess.run(
        container["command"], cwd=ROOT, env=variables, capture_output=True, timeout=20, check=False
    )

    assert (waited.returncode, waited.stdout, waited.stderr) == (0, b"", b"")


def test_makes_the_replica_set_whenever_its_members_come(
    parsed: dict[str, list[Object]], tmp_path: Path
) -> None:
    """Runs the Job's own words, with a command that finds nothing the first two times."""
    name = f"Job/init-replica-set-{__version__.replace('.', '-')}"
    (container,) = pods_of(parsed["prod"], name).spec["containers"]
    tries = tmp_path / "tries"
    for program, text in (
        ("python", f'#!/bin/sh\necho "$*" >>{tries}\n[ "$(wc -l <{tries})" = 3 ]\n'),
        ("sleep", "#!/bin/sh\n"),
    ):
        (tmp_path / program).write_text(text)
        (tmp_path / program).chmod(0o755)

    done = subprocess.run(
        container["command"],
        env={"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
        timeout=20,
        check=False,
    )

    assert done.returncode == 0
    assert tries.read_text().splitlines() == ["manage.py init_replica_set --wait 60"] * 3


def test_waits_for_mongodb_as_long_as_that_takes(objects: list[Object]) -> None:
    job = find(objects, f"Job/migrate-{__version__.replace('.', '-')}")["spec"]
    (container,) = job["template"]["spec"]["initContainers"]

    assert container["command"][:2] == ["sh", "-c"]
    assert container["command"][2].startswith("until said=$(python manage.py showmigrations ")


@pytest.mark.parametrize(("name", "command"), [("worker", worker.worker), ("beat", beat.beat)])
def test_starts_celery_with_options_that_it_knows(
    objects: list[Object], name: str, command: click.Command
) -> None:
    words = pods_of(objects, f"Deployment/{name}").spec["containers"][0]["command"]
    _, rest, _ = command.make_parser(click.Context(command)).parse_args(words[4:])

    assert words[:4] == ["celery", "-A", "bookingsite", name]
    assert rest == []


def test_probes_the_worker_by_a_module_that_is_there(objects: list[Object]) -> None:
    container = pods_of(objects, "Deployment/worker").spec["containers"][0]
    python, flag, module = container["livenessProbe"]["exec"]["command"]

    assert (python, flag) == ("python", "-m")
    assert importlib.util.find_spec(module)


def test_keeps_the_schedule_where_the_probe_looks(objects: list[Object]) -> None:
    container = pods_of(objects, "Deployment/beat").spec["containers"][0]
    (schedule,) = (
        Path(word.partition("=")[2])
        for word in container["command"]
        if word.startswith("--schedule=")
    )
    looked_for = container["livenessProbe"]["exec"]["command"][-1]

    assert str(schedule.parent) in [mount["mountPath"] for mount in container["volumeMounts"]]
    assert looked_for.startswith(f"find {schedule.parent} -name '{schedule.name}*' ")


def test_gives_requests_their_time_to_end(objects: list[Object]) -> None:
    gunicorn = (ROOT / "gunicorn.conf.py").read_text(encoding="utf-8")
    (graceful_s,) = map(int, re.findall(r"^graceful_timeout = (\d+)$", gunicorn, re.MULTILINE))
    web = pods_of(objects, "Deployment/web")
    _, pause = web.spec["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]

    assert web.spec["terminationGracePeriodSeconds"] > int(pause) + graceful_s


def test_closes_no_idle_connection_before_the_ingress_controller_does(
    objects: list[Object],
) -> None:
    """ingress-nginx uses 60 s for upstream-keepalive-timeout."""
    web = pods_of(objects, "Deployment/web")
    variables = environment(web, web.spec["containers"][0], objects)
    option, seconds = variables[GUNICORN_ARGUMENTS].split()

    assert option == "--keep-alive"
    assert int(seconds) > 60


# --- The application as it would run ------------------------------------------------------


@dataclass
class Served:
    """The real application with the variables of the web pods, on servers of this test run."""

    url: str
    container: Object
    ingress_host: str
    log: Path


@pytest.fixture(scope="module", params=["dev", "prod"])
def served(
    request: pytest.FixtureRequest,
    parsed: dict[str, list[Object]],
    migrated: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    objects = parsed[request.param]
    pods = pods_of(objects, "Deployment/web")
    container = pods.spec["containers"][0]
    log, port = tmp_path_factory.mktemp("served") / "log", free_port()
    here = {name: os.environ[name] for name in ("PATH", "MONGODB_URI", "REDIS_URL", "MONGODB_NAME")}
    # Gunicorn itself trusts a proxy on its own machine, and in the cluster there is none.
    here["FORWARDED_ALLOW_IPS"] = "192.0.2.1"
    (command,) = re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    words = [word.replace("0.0.0.0:8000", f"127.0.0.1:{port}") for word in json.loads(command)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            cwd=ROOT,
            env={**environment(pods, container, objects), **here},
            stdout=out,
            stderr=out,
        )
    try:
        host = find(objects, "Ingress/web")["spec"]["rules"][0]["host"]
        one = Served(f"http://127.0.0.1:{port}", container, host, log)
        _wait_for(one, process)
        yield one
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(one: Served, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 60
    while True:
        try:
            requests.get(f"{one.url}/api/health", timeout=5)
        except requests.RequestException:  # refused, or late on a busy machine
            assert process.poll() is None, one.log.read_text()
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        else:
            return


@pytest.mark.parametrize("kind", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_is_well_when_it_is_probed(served: Served, kind: str) -> None:
    """As rendered: plain HTTP, the path, and the headers of the probe."""
    probe = served.container[kind]["httpGet"]
    headers = {header["name"]: header["value"] for header in probe.get("httpHeaders", [])}

    assert probe.get("scheme", "HTTP") == "HTTP"
    answer = requests.get(
        served.url + probe["path"], headers=headers, timeout=10, allow_redirects=False
    )

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_answers_prometheus_by_the_address_of_the_pod(served: Served) -> None:
    answer = requests.get(f"{served.url}/metrics", timeout=10, allow_redirects=False)

    assert answer.status_code == 200
    assert "bookingsite_" in answer.text


def test_keeps_its_figures_from_who_comes_through_the_ingress(served: Served) -> None:
    headers = {
        "Host": served.ingress_host,
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
    }

    answer = requests.get(f"{served.url}/metrics", headers=headers, timeout=10)

    # In production the 404 page needs the static files, which only the image collects.
    assert answer.status_code in (404, 500)
    assert "bookingsite_" not in answer.text


@pytest.mark.parametrize(
    ("host", "status"),
    [("{ingress}", 401), ("elsewhere.example", 400)],
)
def test_answers_through_the_ingress_under_its_own_name_alone(
    served: Served, host: str, status: int
) -> None:
    headers = {
        "Host": host.format(ingress=served.ingress_host),
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Proto": "https",
    }

    answer = requests.get(
        f"{served.url}/api/bookings", headers=headers, timeout=10, allow_redirects=False
    )

    assert answer.status_code == status
