"""README and reference pages are true: their curl lines work, and their tables are complete."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.core.management import get_commands

from bookings.refusals import Refusal
from tests.site import ROOT, Site

pytestmark = pytest.mark.site

OUR_APPS = ("bookings", "idempotency.django", "locks.django")

DOCS = ROOT / "docs"


@pytest.mark.parametrize(
    ("page", "least"),
    [(ROOT / "README.md", 5), (DOCS / "api.md", 10)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_has_curl_lines_that_work_as_they_stand(site: Site, page: Path, least: int) -> None:
    if shutil.which("curl") is None:
        assert not os.environ.get("CI"), "install curl: the pages' examples need it"
        pytest.skip("The pages' examples need curl.")
    examples = re.search(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert examples is not None
    expected = re.findall(r"^(?:[A-Z]+=\$\()?curl .*# (\d{3})$", examples[1], re.MULTILINE)
    assert len(expected) == len(re.findall(r"\bcurl -sS", examples[1])) >= least

    # Every curl writes its status to stderr, so that the lines themselves stay unchanged.
    script = "curl() { command curl -w '%{stderr}%{http_code}\\n' \"$@\"; }\nset -eu\n"
    run = subprocess.run(
        ["bash", "-c", script + examples[1]],
        env={"PATH": os.environ["PATH"], "BASE": site.url, "TOKEN": site.token},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert run.stderr.split() == expected, run.stdout


def test_has_every_code_and_no_other() -> None:
    table = (DOCS / "codes.md").read_text(encoding="utf-8")

    rows = {(int(status), code) for status, code in re.findall(r"\| (\d{3}) \| `([A-Z_]+)`", table)}

    assert rows == {(refusal.status, refusal.code) for refusal in Refusal.__subclasses__()}


def test_has_every_setting_and_no_other() -> None:
    settings = (ROOT / "bookingsite" / "settings.py").read_text(encoding="utf-8")
    table = (DOCS / "operations" / "settings.md").read_text(encoding="utf-8")

    documented = re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE)
    read = set(re.findall(r"_read(?:_\w+)?\(\s*\"([A-Z_]+)\"", settings))

    assert set(documented) == read
    assert len(documented) == len(set(documented))


def test_has_every_command_and_no_other() -> None:
    table = (DOCS / "operations" / "commands.md").read_text(encoding="utf-8").split("\n\n")[1]
    ours = {name for name, app in get_commands().items() if app in OUR_APPS}

    documented = set(re.findall(r"^    manage\.py (\w+)", table, re.MULTILINE))

    assert documented == ours | {"migrate"}
