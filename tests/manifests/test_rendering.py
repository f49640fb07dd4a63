"""The script makes the secrets, and every overlay renders with them."""

from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.manifests.conftest import OVERLAYS, ROOT, render
from tests.manifests.objects import Object, name_of, of_kind, sources


@pytest.fixture
def fresh(tmp_path: Path, k8s: Path) -> Path:
    """k8s/ without secrets."""
    folder = tmp_path / "k8s"
    shutil.copytree(k8s, folder, ignore=shutil.ignore_patterns("made-by-*"))
    return folder


def make_secrets(k8s: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [k8s / "make-secrets.sh", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def test_says_what_to_run_when_the_secrets_are_missing(fresh: Path, kubectl: str) -> None:
    run = subprocess.run([kubectl, "kustomize", fresh], capture_output=True, text=True, check=False)

    assert run.returncode != 0
    assert "made-by-make-secrets.sh" in run.stderr


def test_is_the_development_overlay_unless_one_is_named(
    k8s: Path, kubectl: str, rendered: dict[str, str]
) -> None:
    assert render(kubectl, k8s) == rendered["dev"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_makes_files_that_only_their_owner_may_read(fresh: Path, overlay: str) -> None:
    assert make_secrets(fresh, overlay).returncode == 0

    folder = fresh / "overlays" / overlay / "made-by-make-secrets.sh"
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == {0o600}


def test_makes_other_secrets_each_time(fresh: Path, k8s: Path, rendered: dict[str, str]) -> None:
    make_secrets(fresh, "dev")

    name = "overlays/dev/made-by-make-secrets.sh"
    for path in (k8s / name).iterdir():
        assert path.read_text() != (fresh / name / path.name).read_text()


def test_never_overwrites_a_secret(fresh: Path) -> None:
    make_secrets(fresh)
    folder = fresh / "overlays" / "dev" / "made-by-make-secrets.sh"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    again = make_secrets(fresh, "dev")

    assert again.returncode == 1
    assert "readme.md" in again.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("arguments", [("staging",), ("dev", "prod"), ("--force",)])
def test_makes_nothing_of_what_it_does_not_know(fresh: Path, arguments: tuple[str, ...]) -> None:
    run = make_secrets(fresh, *arguments)

    assert (run.returncode, run.stderr[:6]) == (2, "Usage:")
    assert not list(fresh.rglob("made-by-make-secrets.sh"))


def test_says_what_each_file_is_for(fresh: Path) -> None:
    usage = make_secrets(fresh, "--help")
    make_secrets(fresh, "prod")

    assert usage.returncode == 0
    folder = fresh / "overlays" / "prod" / "made-by-make-secrets.sh"
    assert all(path.name in usage.stdout for path in folder.iterdir())


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_keeps_the_secrets_out_of_git(overlay: str) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("This is no checkout of git's.")
    path = f"k8s/overlays/{overlay}/made-by-make-secrets.sh"
    for name in (f"{path}/keyfile", f"{path}.new/keyfile"):
        assert subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT).returncode == 0


def test_has_no_secret_that_kustomize_breaks_over_lines(objects: list[Object]) -> None:
    """Every apply would report it as *configured*, and no one would notice when it matters."""
    for secret in of_kind(objects, "Secret"):
        for key, text in secret["data"].items():
            assert "\n" not in text, f"{name_of(secret)}: {key}"


def test_gives_a_changed_setting_to_new_pods(fresh: Path, kubectl: str) -> None:
    make_secrets(fresh)
    folder = fresh / "overlays" / "dev"
    before = render(kubectl, folder)
    secret = folder / "made-by-make-secrets.sh" / "app.env"
    secret.write_text(secret.read_text().replace("SECRET_KEY=", "SECRET_KEY=changed"))
    after = render(kubectl, folder)

    (old,) = _names(before, "app-secrets-")
    (new,) = _names(after, "app-secrets-")
    assert old != new
    assert old not in after


def test_changes_no_job_when_a_secret_or_a_setting_is_changed(fresh: Path, kubectl: str) -> None:
    """A cluster refuses a changed Job: nothing would migrate then, and new pods would wait."""
    make_secrets(fresh)
    folder = fresh / "overlays" / "dev"
    before = _documents(render(kubectl, folder), "Job")
    for path in (*(folder / "made-by-make-secrets.sh").iterdir(), folder / "app-config.env"):
        path.write_text(path.read_text().replace("=", "=1").replace("a", "b"))

    assert _documents(render(kubectl, folder), "Job") == before


def test_gives_the_keys_of_mongodb_to_nobody_else(objects: list[Object]) -> None:
    held = sources(objects)
    secret_of = {name: set(keys) for name, keys in held.items() if name.startswith("Secret/")}
    keyed = {name for name, keys in secret_of.items() if keys & {"keyfile", "admin-password"}}

    users = {
        name_of(item)
        for item in of_kind(objects, "Deployment", "StatefulSet", "Job", "CronJob")
        if any(name.removeprefix("Secret/") in str(item) for name in keyed)
    }

    assert users == {"StatefulSet/mongodb", "Job/init-replica-set-0-1-0"}


def _names(text: str, prefix: str) -> set[str]:
    return {word for word in text.split() if word.startswith(prefix)}


def _documents(text: str, kind: str) -> list[str]:
    return [part for part in text.split("\n---\n") if f"\nkind: {kind}\n" in part]
