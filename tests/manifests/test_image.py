"""Dockerfile and compose.yaml name real parts of the application, and let nothing else in."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.urls import resolve

from bookingsite import __version__
from tests.bookingsite.test_manage import WITHOUT_RUN_ENV
from tests.manifests import sizes
from tests.site import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
THEIRS = {name: service for name, service in SERVICES.items() if "build" not in service}

# The command in docs/operations/images-by-digest.md writes this after each tag.
DIGEST = r"(@sha256:[0-9a-f]{64})?"

# Read by gunicorn and Python themselves.
NOT_OURS = {"PATH", "HOME", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "WEB_CONCURRENCY"}


def instructions() -> list[tuple[str, str]]:
    """Returns each instruction of the Dockerfile and its arguments, with lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line]


def settings_read() -> set[str]:
    """Returns the variables that settings.py reads."""
    text = (ROOT / "bookingsite" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r"_read(?:_\w+)?\(\s*\"([A-Z_]+)\"", text))


def settings_required() -> set[str]:
    """Returns those of them that have no default in production."""
    text = (ROOT / "bookingsite" / "settings.py").read_text(encoding="utf-8")
    return set(re.findall(r"_read\(\s*\"([A-Z_]+)\"(?:, None if IS_PRODUCTION|\))", text))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that compose/make-secrets.sh makes."""
    folder = tmp_path_factory.mktemp("checkout") / "compose"
    folder.mkdir()
    shutil.copy(ROOT / "compose" / "make-secrets.sh", folder)
    subprocess.run([folder / "make-secrets.sh"], check=True, capture_output=True)
    return folder / "made-by-make-secrets.sh"


def variables(path: Path) -> dict[str, str]:
    """Returns what Compose reads from an env_file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and line[0] != "#")


def production(path: Path) -> dict[str, str]:
    """The same file, edited as it says."""
    block = re.split(r"^# In production.*$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[
        1
    ]
    lines = [line.removeprefix("#") for line in block.splitlines() if line]
    return {**variables(path), **dict(line.split("=", 1) for line in lines)}


def test_has_a_dockerfile_that_the_linter_finds_nothing_in() -> None:
    found = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (found.returncode, found.stdout) == (0, "")
    assert "hadolint ignore" not in DOCKERFILE


def test_stands_on_exact_tags_and_carries_its_own_version() -> None:
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]

    for image in [*bases, *(service["image"] for service in SERVICES.values())]:
        assert re.fullmatch(rf"[a-z]+:\d+\.\d+\.\d+(-[a-z-]+)?{DIGEST}", image), image
    assert len(set(bases)) == 1
    assert f'org.opencontainers.image.version="{__version__}"' in DOCKERFILE
    assert {service["image"] for service in OURS.values()} == {f"bookingsite:{__version__}"}


def test_runs_the_image_as_a_numeric_user_from_the_folder_of_the_site() -> None:
    last = dict(instructions())  # the last instruction of each kind

    assert last["USER"] == "10001:10001"
    assert last["WORKDIR"] == "/app"
    assert last["STOPSIGNAL"] == "SIGTERM"
    for service in SERVICES.values():
        user, group = service["user"].split(":")
        assert int(user) > 0
        assert int(group) > 0


def test_takes_into_the_image_what_the_site_runs_on_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and line[0] != "#"]
    kept = {rule[1:] for rule in rules if rule[0] == "!"}
    packages = {"bookingsite"} | {
        name.split(".")[0]
        for name in settings.INSTALLED_APPS
        if (ROOT / name.split(".")[0]).is_dir()
    }

    # Everything is excluded first, so only named files come along.
    assert rules[0] == "*"
    assert all(rule[0] == "!" or rule == "**/__pycache__" for rule in rules[1:])
    assert kept == packages | {
        *("static", "templates", "locale", "requirements.txt", "manage.py", "gunicorn.conf.py"),
        # The image comes with its terms.
        *("LICENSE", "NOTICE"),
    }
    assert all((ROOT / name).exists() for name in kept)
    copied = [shlex.split(rest)[:-1] for name, rest in instructions() if name == "COPY"]
    assert copied == [
        ["requirements.txt"],
        ["."],
        ["--from=build", "/opt/venv"],
        ["--from=build", "/app"],
    ]


def test_gives_only_variables_that_are_read(made: Path) -> None:
    given: set[str] = set()
    for name, rest in instructions():
        if name == "ENV":
            given |= {word.split("=")[0] for word in shlex.split(rest)} - NOT_OURS
    for service in OURS.values():
        given |= service.get("environment", {}).keys()
    for path in made.glob("*.env"):
        given |= production(path).keys() if path.name == "site.env" else variables(path).keys()

    assert given <= settings_read()
    # Beside those of the shell that calls Compose.
    assert set(re.findall(r"\$\{(\w+)", json.dumps(COMPOSE))) == {"PORT"}


@pytest.mark.parametrize("edit", [variables, production])
def test_gives_every_variable_that_production_requires(made: Path, edit: Any) -> None:
    given = edit(made / "site.env")
    if edit is production:
        assert settings_required() <= given.keys()

    check = subprocess.run(
        [
            *(sys.executable, "-c", WITHOUT_RUN_ENV, "check"),
            *(["--deploy"] if edit is production else []),
        ],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=False,
    )

    assert check.returncode == 0, check.stderr
    assert "no issues" in check.stdout


def test_has_an_example_of_what_a_process_without_containers_needs(made: Path) -> None:
    example = ROOT / ".env.example"
    text = example.read_text(encoding="utf-8")
    given = variables(example)
    offered = set(re.findall(r"^#?([A-Z_]+)=", text, re.MULTILINE))

    assert settings_required() <= given.keys()
    assert offered <= settings_read()
    assert given["SECRET_KEY"] == ""  # so that nothing starts with a published secret
    check = subprocess.run(
        [sys.executable, "-c", WITHOUT_RUN_ENV, "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            **given,
            "SECRET_KEY": variables(made / "site.env")["SECRET_KEY"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr


def test_collects_files_with_every_variable_that_production_requires() -> None:
    run = next(rest for name, rest in instructions() if name == "RUN" and "collectstatic" in rest)

    assert settings_required() == set(re.findall(r"\b([A-Z_]+)=", run))


def test_runs_commands_that_exist() -> None:
    commands = [json.loads(rest) for name, rest in instructions() if name == "CMD"]
    commands += [service["command"] for service in OURS.values() if "command" in service]
    commands.append(SERVICES["worker"]["healthcheck"]["test"][1:])

    for command in commands:
        if command[:2] == ["python", "manage.py"]:
            # This also shows that it accepts these options.
            load_command_class(get_commands()[command[2]], command[2]).create_parser(
                "manage.py", command[2]
            ).parse_args(command[3:])
        elif command[0] == "celery":
            assert command[1:3] == ["-A", "bookingsite"]
            assert command[3] in ("worker", "beat")
        elif command[:2] == ["python", "-m"]:
            assert find_spec(command[2])
        else:
            assert command[:2] == ["gunicorn", "bookingsite.wsgi"]
    assert {tuple(command[:3]) for command in commands} >= {
        ("python", "manage.py", "init_replica_set"),
        ("python", "manage.py", "migrate"),
        ("python", "manage.py", "backup"),
        ("python", "-m", "bookingsite.worker_probe"),
    }


def test_asks_the_port_it_listens_on_for_a_page_that_exists() -> None:
    last = dict(instructions())
    port, path = re.search(r"127\.0\.0\.1:(\d+)(/[\w/]+)", last["HEALTHCHECK"]).groups()  # type: ignore[union-attr]

    assert resolve(path).func
    assert last["EXPOSE"] == port
    assert json.loads(last["CMD"])[-1] == f"0.0.0.0:{port}"
    assert SERVICES["web"]["ports"] == [f"127.0.0.1:${{PORT:-8000}}:{port}"]
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]


@pytest.mark.parametrize("name", SERVICES)
def test_confines_every_container(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(mount.startswith("/tmp:size=") for mount in service["tmpfs"])
    assert service["mem_limit"]
    assert "privileged" not in service


def test_starts_each_part_after_what_it_needs() -> None:
    def after(name: str) -> dict[str, str]:
        return {k: v["condition"] for k, v in SERVICES[name].get("depends_on", {}).items()}

    assert after("init-replica-set") == {"mongodb": "service_healthy"}
    assert after("migrate") == {"init-replica-set": "service_completed_successfully"}
    for name in ("web", "worker", "beat"):
        assert after(name) == {
            "migrate": "service_completed_successfully",
            "redis": "service_healthy",
        }
        assert SERVICES[name]["restart"] == "unless-stopped"
    for service in THEIRS.values():
        assert service["healthcheck"]["test"]
        assert service["networks"] == ["inside"]
    assert COMPOSE["networks"]["inside"]["internal"] is True


def test_backs_up_when_told_to_into_a_volume_that_it_may_write_to() -> None:
    backup = SERVICES["backup"]
    folder = backup["command"][backup["command"].index("--to") + 1]

    assert f"backups:{folder}" in backup["volumes"]
    # A new volume gets its owner from the image.
    last = dict(instructions())
    assert any(
        name == "RUN" and f"install -d -o 10001 -g 10001 -m 700 {folder}" in rest
        for name, rest in instructions()
    )
    assert last["USER"] == backup["user"] == "10001:10001"
    # Not with every `docker compose up`; and before an upgrade it must not migrate.
    assert backup["profiles"] == ["tools"]
    assert backup["depends_on"] == {"mongodb": {"condition": "service_healthy"}}
    assert "backups" in COMPOSE["volumes"]


def test_gives_the_keyfile_and_the_administrators_password_to_one_command_alone() -> None:
    holders = {
        name for name, service in SERVICES.items() if "keyfile" in service.get("secrets", ())
    }
    admins = {
        name
        for name, service in SERVICES.items()
        if any("admin.env" in path for path in service.get("env_file", ()))
    }

    assert holders == {"mongodb", "init-replica-set"}
    assert admins == {"init-replica-set"}


def test_has_servers_that_the_doctor_is_content_with() -> None:
    mongod, redis = " ".join(SERVICES["mongodb"]["command"]), " ".join(SERVICES["redis"]["command"])

    assert "transactionLifetimeLimitSeconds=5" in mongod
    assert "--keyFile" in mongod
    assert "--appendonly yes" in redis
    assert "--maxmemory-policy noeviction" in redis


@pytest.mark.parametrize("name", SERVICES)
def test_rotates_the_log_of_every_service(name: str) -> None:
    """By default Docker's driver keeps everything."""
    logging = SERVICES[name]["logging"]
    size = re.fullmatch(r"(\d+)m", logging["options"]["max-size"])

    # Options belong to one driver: with the machine's default, such as journald, none might fit.
    assert logging["driver"] == "local"
    assert size
    assert int(size[1]) * int(logging["options"]["max-file"]) <= 100


def test_has_servers_that_no_restart_makes_forgetful_and_that_have_memory() -> None:
    mongod, redis = " ".join(SERVICES["mongodb"]["command"]), " ".join(SERVICES["redis"]["command"])
    (cache_gb,) = re.findall(r"--wiredTigerCacheSizeGB (\S+)", mongod)
    (data_mb,) = re.findall(r"--maxmemory (\d+)mb", redis)
    limits = {name: THEIRS[name]["mem_limit"] for name in ("mongodb", "redis")}

    assert re.search(r"minSnapshotHistoryWindowInSeconds=\d{3}", mongod)
    assert limits == {"mongodb": "1g", "redis": "512m"}
    assert float(cache_gb) * sizes.GIB + sizes.MONGOD_BYTES <= sizes.GIB
    assert 2 * int(data_mb) * sizes.MIB + sizes.REDIS_BYTES <= 512 * sizes.MIB


def test_makes_secrets_that_fit_together_and_never_twice(made: Path) -> None:
    site = variables(made / "site.env")
    password = (made / "redis.conf").read_text(encoding="utf-8").split()[1]
    paths = {path for service in SERVICES.values() for path in service.get("env_file", ())}
    paths |= {secret["file"] for secret in COMPOSE["secrets"].values()}

    assert f":{password}@redis:" in site["REDIS_URL"]
    assert len(site["SECRET_KEY"]) >= 50
    assert re.search(
        r"@mongodb:27017/\?replicaSet=rs0&authSource=bookingsite$", site["MONGODB_URI"]
    )
    assert paths == {f"compose/{made.name}/{path.name}" for path in made.iterdir()}
    assert made.stat().st_mode & 0o077 == 0
    # The users of containers read them, and the person who made them may edit them.
    for name in ("keyfile", "redis.conf"):
        assert (made / name).stat().st_mode & 0o777 == 0o644
    assert "/compose/made-by-make-secrets.sh/" in (ROOT / ".gitignore").read_text(encoding="utf-8")
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    again = subprocess.run(
        [made.parent / "make-secrets.sh"], capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert again.stderr.endswith("already exists and is left as it is.\n")
    assert before == {path.name: path.read_bytes() for path in made.iterdir()}


def test_leaves_the_number_of_processes_to_gunicorns_own_variable() -> None:
    config = (ROOT / "gunicorn.conf.py").read_text(encoding="utf-8")

    assert not re.search(r"^workers\b", config, re.MULTILINE)
    assert "WEB_CONCURRENCY=" in DOCKERFILE


def test_pins_images_by_digest_with_the_command_that_is_documented(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "operations" / "images-by-digest.md").read_text(encoding="utf-8")
    command = guide.split("```bash\n")[1].split("```")[0]
    files = [Path("Dockerfile"), Path("compose.yaml")]
    files += [path.relative_to(ROOT) for path in (ROOT / "k8s" / "base").glob("*.yaml")]
    for path in files:
        (tmp_path / "site" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / "site" / path)
    # A registry that has one digest for each name.
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\necho "sha256:$(printf %s "$4" | sha256sum | cut -d" " -f1)"\n')
    docker.chmod(0o755)

    for _ in range(2):  # even where a digest is present already
        subprocess.run(
            ["bash", "-euc", command],
            cwd=tmp_path / "site",
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            check=True,
        )

    images = []
    for path in files:
        text = (tmp_path / "site" / path).read_text(encoding="utf-8")
        images += re.findall(r"^(?:FROM|\s+(?:- )?image:) ((?!bookingsite)\S+)", text, re.M)
        before = (ROOT / path).read_text(encoding="utf-8")
        assert re.sub(DIGEST, "", text) == re.sub(DIGEST, "", before)
    assert len(images) >= 7
    for image in images:
        name, digest = image.split("@sha256:")
        assert hashlib.sha256(name.encode()).hexdigest() == digest


def test_keeps_photos_in_a_volume_of_all_who_need_them() -> None:
    mounted = {
        name: service["environment"]["PHOTOS_FOLDER"]
        for name, service in SERVICES.items()
        if any(volume.startswith("photos:") for volume in service.get("volumes", []))
    }

    assert mounted == dict.fromkeys(("web", "worker", "backup"), "/photos")
    for name in mounted:
        assert "photos:/photos" in SERVICES[name]["volumes"]
    # A new volume gets its owner from the image.
    assert any(
        name == "RUN" and re.search(r"install -d -o 10001 -g 10001 .*/photos\b", rest)
        for name, rest in instructions()
    )
