"""`make run`: it starts the whole site, keeps its data, and leaves nothing behind."""

from __future__ import annotations

import datetime
import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.children import Child
from local.files import ROOT, read_variables, write_variables
from local.ports import free_port, port_is_free
from local.run import (
    RUNS_WELL_AFTER_S,
    ChildFailed,
    Run,
    StopRequested,
    welcome,
    welcome_owner,
)
from tests.local.test_servers import is_alive, wait_until

READY = "Ctrl-C stops everything"

# A run whose children only record that they are asked to end; the stubborn one does not obey.
SMALL_RUN = """
import os, sys
from pathlib import Path
from local import run
from local.children import Child

folder = Path(sys.argv[1])
run.VAR = folder
run.RESTART_DELAYS_S = (0.0, 0.1, 0.2)
NOTE = '''
import pathlib, signal, sys, time
def end(*_):
    with open(sys.argv[1], "a") as notes:
        notes.write(sys.argv[2] + "\\\\n")
    if sys.argv[3] != "stubborn":
        sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1] + "." + sys.argv[2]).touch()
while True:
    time.sleep(0.05)
'''

class SmallRun(run.Run):
    def start(self):
        (folder / "run.env").write_text("A=1\\n")
        for name in ("mongod", "Redis", "web", "beat", "worker"):
            argv = [sys.executable, "-c", NOTE, str(folder / "notes"), name, sys.argv[2]]
            self._begin(Child(name=name, argv=argv, log_path=folder / "log"))
        while len(list(folder.glob("notes.*"))) < 5:
            self.check_children()
        run.say("pids " + " ".join(str(child.pid) for child in self.children))

sys.exit(SmallRun(dict(os.environ)).stay())
"""


def hear_hang_ups() -> None:
    """The runner ignores SIGHUP under nohup, as it should; these tests may run under it."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def start_small_run(folder: Path, manner: str) -> tuple[subprocess.Popen[str], list[int]]:
    process = subprocess.Popen(
        [sys.executable, "-c", SMALL_RUN, str(folder), manner],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "MAKELEVEL": "0"},
        start_new_session=True,
        preexec_fn=hear_hang_ups,
    )
    first = process.stdout.readline()  # type: ignore[union-attr]
    assert first.startswith("pids "), process.communicate()
    return process, [int(pid) for pid in first.split()[1:]]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_stops_children_in_order(tmp_path: Path, number: signal.Signals) -> None:
    process, pids = start_small_run(tmp_path, "obedient")

    # The whole foreground group gets a Ctrl-C; the children are not in it.
    os.killpg(process.pid, number)
    output, errors = process.communicate(timeout=20)

    assert (tmp_path / "notes").read_text().split() == ["web", "worker", "beat", "Redis", "mongod"]
    assert process.returncode == 0
    assert errors == ""
    assert not any(is_alive(pid) for pid in pids)
    assert not (tmp_path / "run.env").exists()
    assert not (tmp_path / "run.pid").exists()


def test_kills_children_on_a_second_ctrl_c(tmp_path: Path) -> None:
    process, pids = start_small_run(tmp_path, "stubborn")

    process.send_signal(signal.SIGINT)
    wait_until(lambda: (tmp_path / "notes").exists())
    assert all(is_alive(pid) for pid in pids)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=5)

    assert not any(is_alive(pid) for pid in pids)
    assert not (tmp_path / "run.pid").exists()


# Reports that it has begun, and the signals that it gets.
COMMAND = """
import os, pathlib, signal, sys, time
def end(*_):
    pathlib.Path("tidied").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
os.kill(os.getppid(), signal.SIGUSR1)
while True:
    time.sleep(0.05)
"""


def test_lets_a_command_tidy_up_that_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "manage.py").write_text(COMMAND)
    monkeypatch.setattr("local.run.ROOT", tmp_path)
    monkeypatch.setattr("local.run.LOGS", tmp_path)
    monkeypatch.chdir(tmp_path)

    def stop(*_: object) -> None:
        raise StopRequested

    before = signal.signal(signal.SIGUSR1, stop)
    run = Run(dict(os.environ))
    run.pid_file.fd = 2
    try:
        with pytest.raises(StopRequested):
            run._manage("migrate")
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert (tmp_path / "tidied").exists()


def pid_of(folder: Path, name: str, process: subprocess.Popen[str]) -> int:
    """Returns the pid of the part that runs under this name; it has written its file by then."""
    (folder / f"notes.{name}").unlink(missing_ok=True)
    wait_until(lambda: (folder / f"notes.{name}").exists())
    for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        if name.encode() in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError(f"there is no {name}")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")
def test_starts_a_part_again_that_dies_and_gives_up_in_a_sentence(tmp_path: Path) -> None:
    process, pids = start_small_run(tmp_path, "obedient")

    dying = pids[2]
    for _ in range(3):
        (tmp_path / "notes.web").unlink()
        os.kill(dying, signal.SIGKILL)
        dying = pid_of(tmp_path, "web", process)
    is_well = process.poll() is None and all(is_alive(pid) for pid in pids if pid != pids[2])
    os.kill(dying, signal.SIGKILL)
    output, errors = process.communicate(timeout=20)

    log = tmp_path / "log"
    assert is_well
    assert output.count("web ended with status -9 and is started again in") == 3
    assert errors == (
        f"web ended with status -9 once more after 3 restarts, so everything stops: read {log}.\n"
    )
    assert process.returncode == 1
    assert not any(is_alive(pid) for pid in [*pids, dying])


@pytest.mark.skipif(sys.platform != "linux", reason="looks for children in /proc")
def test_forgives_a_part_that_has_run_well_since(tmp_path: Path) -> None:
    run = Run({})
    child = Child(name="web", argv=["web"], log_path=tmp_path / "log")

    waits = [run._note_death(child, at_s) for at_s in (0.0, 1.0, 2.0, RUNS_WELL_AFTER_S + 1.5)]

    assert waits == [1.0, 5.0, 15.0, 5.0]
    for later_s in (2.5, 3.5):
        run._note_death(child, RUNS_WELL_AFTER_S + later_s)
    with pytest.raises(ChildFailed, match="after 3 restarts"):
        run._note_death(child, RUNS_WELL_AFTER_S + 4.5)


def test_keeps_logs_from_other_users(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    log.chmod(0o644)
    child = Child(name="web", argv=["echo", "after"], log_path=log)

    child.start()
    assert child.process
    child.process.wait()

    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert log.read_text() == "before\nafter\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of a death")
def test_leaves_no_child_when_it_is_killed(tmp_path: Path) -> None:
    process, pids = start_small_run(tmp_path, "obedient")

    process.kill()
    process.communicate()

    wait_until(lambda: not any(is_alive(pid) for pid in pids))


def test_keeps_variables_from_other_users(tmp_path: Path) -> None:
    path = tmp_path / "run.env"
    path.write_text("OLD=1")
    path.chmod(0o644)

    write_variables(path, {"SECRET_KEY": "a=b", "PORT": "8000"})

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_variables(path) == {"SECRET_KEY": "a=b", "PORT": "8000"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.env"]


def test_prints_a_booking_to_paste() -> None:
    demo = {"DEMO_STAFF_PASSWORD": "s", "DEMO_CUSTOMER_PASSWORD": "c", "DEMO_TOKEN": "t"}

    lines = welcome(8000, demo, today=datetime.date(2027, 1, 31)).splitlines()

    (curl,) = [line for line in lines if line.startswith("curl ")]
    words = shlex.split(curl)
    assert "http://127.0.0.1:8000/api/bookings" in words
    assert "Authorization: Bearer t" in words
    assert json.loads(words[words.index("-d") + 1]) == {
        "userId": "ada",
        "resourceId": "room_A",
        "date": "2027-02-20",
    }


def test_prints_a_night_that_the_documents_do_not_book() -> None:
    demo = dict.fromkeys(("DEMO_STAFF_PASSWORD", "DEMO_CUSTOMER_PASSWORD", "DEMO_TOKEN"), "")
    found = re.search(r"2027-\d\d-\d\d", welcome(1, demo, today=datetime.date(2027, 1, 1)))
    assert found
    printed = (datetime.date.fromisoformat(found[0]) - datetime.date(2027, 1, 1)).days

    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    used = [
        int(days)
        for document in documents
        for days in re.findall(r"date -d '\+(\d+) days'", document.read_text())
    ]

    assert used
    assert printed not in range(min(used), max(used) + 1)


def test_says_how_to_begin_on_an_empty_site() -> None:
    text = welcome_owner(8000, "Choose the password.\n")

    assert "http://127.0.0.1:8000/ without demo data." in text
    assert "\nChoose the password.\n" in text
    assert READY in text


@pytest.mark.parametrize("value", ["", "1", "0"])
def test_starts_empty_only_if_asked(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.run.VAR", tmp_path)
    environ = {"MONGODB_URI": "mongodb://a/", "REDIS_URL": "redis://a/0"}
    run = Run({**environ, **({"DEMO": value} if value else {})})

    variables = run._variables({"PORT": 8000, "MONGO_PORT": 1, "REDIS_PORT": 2})

    if value == "0":
        assert (variables["DEMO"], variables["DEFAULT_HOTEL"]) == ("0", "")
        # The demo's own data stay where they are.
        assert variables["MONGODB_NAME"] == "bookingsite_own"
    else:
        assert (variables["DEMO"], variables["DEFAULT_HOTEL"]) == ("1", "demo")
        assert "MONGODB_NAME" not in variables


class Checkout:
    """A copy of the project with its own ports and its own `var/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {name: str(free_port()) for name in ("PORT", "MONGO_PORT", "REDIS_PORT")}
        not_needed = (
            *(".git", ".venv*", "var", "tests", "bench", "torture", "docs", ".*_cache"),
            "__pycache__",
        )
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*not_needed))
        (folder / "var").mkdir()
        self.processes: list[subprocess.Popen[str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['PORT']}"

    def run(self, **variables: str) -> tuple[subprocess.Popen[str], str]:
        """Starts the runner; returns its output once it is ready, or has ended."""
        hidden = ("MONGODB_URI", "REDIS_URL", "MONGODB_NAME", "DJANGO_SETTINGS_MODULE")
        environ = {name: value for name, value in os.environ.items() if name not in hidden}
        process = subprocess.Popen(
            [sys.executable, "-m", "local.run"],
            cwd=self.folder,
            env={**environ, **self.ports, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.processes.append(process)
        said = []
        for line in process.stdout or ():
            said.append(line)
            if READY in line:
                break
        return process, "".join(said)

    def family(self) -> list[int]:
        """Returns all processes that run in this copy."""
        found = []
        for link in Path("/proc").glob("[0-9]*/cwd"):
            try:
                # Redis works in its data folder.
                inside = link.readlink().is_relative_to(self.folder)
            except OSError:
                continue
            if inside and is_alive(int(link.parent.name)):
                found.append(int(link.parent.name))
        return found

    def stop(self, process: subprocess.Popen[str]) -> str:
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=40)[0]


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    checkout = Checkout(tmp_path / "site")
    yield checkout
    for process in checkout.processes:
        process.kill()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def paste(said: str) -> requests.Response:
    """Carries out the printed curl line."""
    (curl,) = [line for line in said.splitlines() if line.startswith("curl ")]
    words = shlex.split(curl)
    headers = [words[i + 1] for i, word in enumerate(words) if word == "-H"]
    url = next(word for word in words if word.startswith("http"))
    return requests.post(
        url,
        data=words[words.index("-d") + 1],
        headers=dict(header.split(": ", 1) for header in headers),
        timeout=20,
    )


def send_form(visitor: requests.Session, url: str, **fields: str) -> requests.Response:
    visitor.get(url, timeout=20)
    fields["csrfmiddlewaretoken"] = visitor.cookies["csrftoken"]
    return visitor.post(url, data=fields, headers={"Referer": url}, timeout=20)


@pytest.mark.slow
def test_runs_the_site_and_keeps_its_data_for_the_next_run(checkout: Checkout) -> None:
    process, said = checkout.run()
    assert READY in said, said
    first = paste(said)
    var = checkout.folder / "var"
    assert first.status_code == 201, first.text
    for name in ("run.env", "demo.env", "secret"):
        assert stat.S_IMODE((var / name).stat().st_mode) == 0o600

    _, refusal = checkout.run()
    assert f"is running as process {process.pid}" in refusal

    manage = subprocess.run(
        [sys.executable, "manage.py", "issue_token", "another"],
        cwd=checkout.folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert manage.returncode == 0, manage.stderr
    token = manage.stdout.split()[-1]
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{checkout.url}/api/bookings", headers=headers, timeout=9).ok

    staff = requests.Session()
    password = read_variables(var / "demo.env")["DEMO_STAFF_PASSWORD"]
    send_form(staff, f"{checkout.url}/admin/login/", username="staff", password=password)
    assert staff.get(f"{checkout.url}/admin/", allow_redirects=False, timeout=20).status_code == 200
    send_form(requests.Session(), f"{checkout.url}/register", email="ada@example.org")
    wait_until(lambda: list((var / "letters").glob("*.eml")), timeout_s=30)
    (mail,) = (var / "letters").iterdir()
    assert f"{checkout.url}/register/" in mail.read_text()
    assert stat.S_IMODE(mail.stat().st_mode) == 0o600
    for folder in ("letters", "log"):
        assert stat.S_IMODE((var / folder).stat().st_mode) == 0o700
    assert {stat.S_IMODE(log.stat().st_mode) for log in (var / "log").iterdir()} == {0o600}

    assert next(line for line in process.stdout or () if line.strip()) == f"Mail: {mail}\n"
    assert "Traceback" not in checkout.stop(process)
    assert checkout.family() == []
    # The log of a site at rest does not mention tasks that had nothing to do.
    quiet = [(var / "log" / f"{name}.log").read_text() for name in ("worker", "beat")]
    assert not any(
        word in log for log in quiet for word in ("Sending due", "received", "succeeded")
    )
    assert not (var / "run.env").exists()

    process, said_again = checkout.run()
    assert said_again.splitlines()[1:] == said.splitlines()[1:]
    assert mail.exists()
    # No one was logged out.
    assert staff.get(f"{checkout.url}/admin/", allow_redirects=False, timeout=20).status_code == 200
    bearer = {"Authorization": f"Bearer {read_variables(var / 'demo.env')['DEMO_TOKEN']}"}
    listed = requests.get(f"{checkout.url}/api/bookings", headers=bearer, timeout=9).json()
    assert [one["id"] for one in listed["bookings"]] == [first.json()["booking"]["id"]]
    checkout.stop(process)


@pytest.mark.slow
def test_runs_an_empty_site_that_leads_to_the_set_up(checkout: Checkout) -> None:
    process, said = checkout.run(DEMO="0")
    assert READY in said, said

    (link,) = [word for word in said.split() if "/password/" in word]
    home = requests.get(f"{checkout.url}/", timeout=20)
    assert "For staff: set up this site" in home.text
    owner = requests.Session()
    owner.get(link, timeout=20)
    chosen = {"new_password1": "a long one to keep", "new_password2": "a long one to keep"}
    entered = send_form(owner, f"{checkout.url}/password/new", **chosen)
    assert "Set up your hotel" in entered.text
    assert owner.get(f"{checkout.url}/admin/setup/new/", timeout=20).status_code == 200
    checkout.stop(process)

    process, again = checkout.run(DEMO="0")
    assert "Log in and set up your hotel" in again
    assert "/password/" not in again
    checkout.stop(process)


@pytest.mark.slow
def test_leaves_no_process_of_the_site_when_it_is_killed(checkout: Checkout) -> None:
    process, said = checkout.run()
    assert READY in said, said
    assert len(checkout.family()) >= 7

    process.kill()
    process.communicate()

    wait_until(lambda: checkout.family() == [], timeout_s=30)
    assert all(port_is_free(int(port)) for port in checkout.ports.values())
    _, said = checkout.run()
    assert READY in said, said
    checkout.stop(checkout.processes[-1])


@pytest.mark.slow
def test_starts_no_server_that_the_environment_names(checkout: Checkout) -> None:
    worker_uri, worker_redis = os.environ["MONGODB_URI"], os.environ["REDIS_URL"]
    name = f"{os.environ['MONGODB_NAME']}_run"

    process, said = checkout.run(MONGODB_URI=worker_uri, REDIS_URL=worker_redis, MONGODB_NAME=name)

    assert READY in said, said
    assert port_is_free(int(checkout.ports["MONGO_PORT"]))
    assert port_is_free(int(checkout.ports["REDIS_PORT"]))
    assert paste(said).status_code == 201
    checkout.stop(process)
