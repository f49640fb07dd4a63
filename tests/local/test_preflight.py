"""What `make run` requires before it starts, and when it installs nothing."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import preflight
from local.files import PidFile
from local.preflight import NotReady


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_names_an_old_python_and_the_one_to_install() -> None:
    with pytest.raises(NotReady, match=r"3\.9.*PYTHON=python3\.11"):
        preflight.check_python((3, 9))


def test_sends_other_systems_to_servers_of_their_own() -> None:
    own = {"MONGODB_URI": "mongodb://db/", "REDIS_URL": "redis://cache/"}

    preflight.check_platform("Darwin", "arm64", own)
    preflight.check_platform("Linux", "x86_64", {})


def test_says_which_variables_help_on_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)

    with pytest.raises(NotReady, match="set MONGODB_URI and REDIS_URL"):
        preflight.check_platform("Linux", "aarch64", {"REDIS_URL": "redis://cache/"})


def test_refuses_a_processor_without_avx(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu sse4_2\n")

    with pytest.raises(NotReady, match="no AVX"):
        preflight.check_processor({}, cpuinfo)
    preflight.check_processor({"MONGODB_URI": "mongodb://db/"}, cpuinfo)


def test_refuses_a_full_disk() -> None:
    with pytest.raises(NotReady, match=r"0\.2 GB"):
        preflight.check_space(200_000_000)


def test_says_how_to_get_a_folder_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    # Root may write anywhere, so the answer is given here.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "secret")
    (tmp_path / "secret").write_text("")

    with pytest.raises(NotReady, match=f"sudo chown .*{tmp_path}"):
        preflight.check_folder(tmp_path)


def test_refuses_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")

    with pytest.raises(NotReady, match="cannot be written"):
        preflight.check_folder(tmp_path / "var")


@pytest.mark.parametrize("name", ["PORT", "MONGO_PORT", "REDIS_PORT"])
def test_names_the_variable_of_a_taken_port(name: str, taken_port: int) -> None:
    with pytest.raises(NotReady, match=rf"Port {taken_port} .*make run {name}="):
        preflight.check_ports({name: taken_port}, {})


def test_leaves_the_port_of_a_server_elsewhere_alone(taken_port: int) -> None:
    preflight.check_ports({"MONGO_PORT": taken_port}, {"MONGODB_URI": "mongodb://db/"})


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "²"])
def test_refuses_what_is_no_port(text: str) -> None:
    with pytest.raises(NotReady, match="REDIS_PORT"):
        preflight.read_ports({"REDIS_PORT": text})


def test_refuses_one_port_for_two_servers() -> None:
    with pytest.raises(NotReady, match="MONGO_PORT is 8000"):
        preflight.read_ports({"MONGO_PORT": "8000"})


def test_refuses_a_second_run_and_says_which_is_the_first(tmp_path: Path) -> None:
    first = PidFile(tmp_path / "run.pid")
    first.take()

    with pytest.raises(NotReady, match=f"process {os.getpid()}: stop it first"):
        preflight.check_no_other_run(tmp_path / "run.pid")

    first.release()
    preflight.check_no_other_run(tmp_path / "run.pid")


@pytest.mark.parametrize("content", ["1\n", "999999999\n", "", "rubbish"])
def test_recognises_a_stale_pid_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.pid").write_text(content)

    preflight.check_no_other_run(tmp_path / "run.pid")

    assert not (tmp_path / "run.pid").exists()


def test_waits_for_the_children_of_a_killed_run(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys; from pathlib import Path; from local.files import PidFile;"
        f"pid_file = PidFile(Path({str(tmp_path / 'run.pid')!r})); pid_file.take();"
        "subprocess.Popen(['sleep', '1'], pass_fds=[pid_file.fd]); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", script], cwd=preflight.ROOT, check=False)
    pid_file = PidFile(tmp_path / "run.pid")

    with pytest.raises(Exception, match="has not ended yet"):
        pid_file.take(timeout_s=0.1)
    pid_file.take(timeout_s=10)

    pid_file.release()


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout whose environment only records the commands that would make it."""
    (tmp_path / "var").mkdir()
    for name in (preflight.RUNTIME, preflight.SERVERS, preflight.DEVELOPMENT):
        (tmp_path / name).write_text("package==1\n")
    venv_python = tmp_path / ".venv" / "bin" / "python"

    def pretend(argv: list[str], what: str) -> None:
        with (tmp_path / "commands").open("a") as commands:
            commands.write(" ".join(argv) + "\n")
        venv_python.parent.mkdir(parents=True, exist_ok=True)
        venv_python.touch()

    monkeypatch.setattr(preflight, "ROOT", tmp_path)
    monkeypatch.setattr(preflight, "VAR", tmp_path / "var")
    monkeypatch.setattr(preflight, "complete", pretend)
    monkeypatch.setattr(preflight, "has_pip", lambda venv: venv_python.exists())
    return tmp_path


def commands_for(checkout: Path, purpose: str) -> list[str]:
    """Returns the commands that make the environment for this purpose now."""
    log = checkout / "commands"
    log.write_text("")
    preflight.make_environment(checkout / ".venv", purpose)
    return log.read_text().splitlines()


def test_installs_once(checkout: Path) -> None:
    making, installing = commands_for(checkout, "run")

    assert "-m venv" in making
    assert "requirements.txt" in installing
    assert "requirements-dev.txt" not in installing
    assert commands_for(checkout, "run") == []


def test_installs_more_for_tests_and_serves_runs_with_it(checkout: Path) -> None:
    commands_for(checkout, "run")

    (installing,) = commands_for(checkout, "test")

    assert "requirements-dev.txt" in installing
    assert commands_for(checkout, "check") == []
    assert commands_for(checkout, "run") == []


def test_installs_again_when_a_requirement_changed(checkout: Path) -> None:
    commands_for(checkout, "test")
    (checkout / preflight.RUNTIME).write_text("package==2\n")

    assert len(commands_for(checkout, "run")) == 1
    assert len(commands_for(checkout, "test")) == 1


def test_leaves_no_stamp_of_a_failed_installation(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(argv: list[str], what: str) -> None:
        raise NotReady("Could not.")

    with monkeypatch.context() as patch:
        patch.setattr(preflight, "complete", fail)
        with pytest.raises(NotReady):
            commands_for(checkout, "run")

    assert len(commands_for(checkout, "run")) == 2


def test_makes_an_environment_anew_whose_python_is_gone(checkout: Path) -> None:
    commands_for(checkout, "run")
    (checkout / ".venv" / "bin" / "python").unlink()

    assert len(commands_for(checkout, "run")) == 2


def test_makes_an_environment_again_that_another_python_of_its_version_made(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands_for(checkout, "run")
    elsewhere = checkout / "python3"
    elsewhere.symlink_to("/bin/sh")
    monkeypatch.setattr(sys, "executable", str(elsewhere))
    monkeypatch.setattr(preflight, "has_pip", lambda venv: False)

    making, _ = commands_for(checkout, "run")

    assert making.startswith(f"{elsewhere} -m venv --clear ")
    assert f"of {elsewhere.resolve()} ..." in capsys.readouterr().out


def test_knows_an_environment_by_the_python_that_made_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert preflight.has_pip(Path(sys.prefix))

    monkeypatch.setattr(sys, "executable", "/bin/sh")

    assert not preflight.has_pip(Path(sys.prefix))


def test_takes_no_environment_from_under_a_running_site(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = PidFile(checkout / "var" / "run.pid")
    running.take()
    monkeypatch.setattr(preflight, "has_pip", lambda venv: False)

    with pytest.raises(NotReady, match="stop it first"):
        commands_for(checkout, "test")

    running.release()
    assert (checkout / "commands").read_text() == ""


def test_runs_in_ci_on_the_distributions_own_python(tmp_path: Path) -> None:
    # Every program that it calls is a stand-in, so nothing is installed or run.
    for name, script in {
        "make": 'echo "$1 on $PYTHON"',
        "id": "echo 1000",
        "kubectl": "",
        "python3": "exit 1",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    done = subprocess.run(
        [preflight.ROOT / ".ci" / "run"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHON": "another"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert sorted(done.stdout.splitlines()) == [
        f"{target} on /usr/bin/python3" for target in ("check", "checkov", "docs", "test")
    ], done.stderr
