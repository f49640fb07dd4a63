"""Images of other projects are pinned: everywhere the same, and to no release known to be bad."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from tests.site import ROOT

# The tag of our own image is the site's version; tests/manifests/test_image.py compares it.
IMAGE = re.compile(r"^(?:FROM|\s+(?:- )?image:) +((?!bookingsite)\S+)", re.MULTILINE)
PIN = re.compile(r"(python|mongo|redis):(\d+\.\d+\.\d+)((?:-[a-z]+)*)(?:@sha256:[0-9a-f]{64})?")
NAMES = {"MongoDB": "mongo", "Redis": "redis", "Python": "python"}

MANIFESTS = [
    ROOT / "Dockerfile",
    ROOT / "compose.yaml",
    *sorted((ROOT / "k8s").glob("**/*.yaml")),
]
OPERATIONS = ROOT / "docs" / "operations"
# The pages that explain how to start MongoDB.
PAGES = [OPERATIONS / "containers.md", ROOT / "k8s" / "readme.md"]

# From, up to and including, and the fault of these releases.
KNOWN_BAD = {
    "mongo": [
        # https://jira.mongodb.org/browse/SERVER-121912, and the table of releases and kernels in
        # https://jira.mongodb.org/browse/SERVER-125742
        ("8.0.0", "8.0.20", "crashes again and again on Linux 6.19 to 7.0.13"),
        ("8.0.21", "8.0.29", "refuses every Linux from 6.19 on, also those that are good"),
        # https://www.mongodb.com/docs/manual/release-notes/8.0-changelog/, its parts "Security"
        ("8.0.30", "8.0.36", "lacks the security fixes of 8.0.37"),
        # https://endoflife.date/mongodb
        ("8.1.0", "8.2.99", "is past its end of life, and crashes on Linux 6.19 to 7.0.13"),
    ],
    "redis": [
        # https://www.cve.org/CVERecord?id=CVE-2026-23479, https://github.com/redis/docs/pull/3292
        ("8.2.0", "8.2.5", "lets a client that is logged in run code of its own"),
        # https://www.cve.org/CVERecord?id=CVE-2026-81934
        ("8.2.6", "8.2.8", "lets a client run code of its own where Redis speaks TLS"),
    ],
    "python": [],
}


def number(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def fault_of(name: str, release: str) -> str | None:
    for first, last, fault in KNOWN_BAD[name]:
        if number(first) <= number(release) <= number(last):
            return fault
    return None


def images_of(path: Path) -> list[str]:
    return IMAGE.findall(path.read_text(encoding="utf-8"))


def pins() -> dict[str, set[str]]:
    """Returns every release that a manifest names."""
    found: dict[str, set[str]] = {name: set() for name in KNOWN_BAD}
    for path in MANIFESTS:
        for image in images_of(path):
            match = PIN.fullmatch(image)
            assert match, f"{path.name}: {image} is no full release of an image that is known here"
            found[match[1]].add(match[2])
    return found


def test_pins_each_image_to_one_release_everywhere() -> None:
    assert {name: len(releases) for name, releases in pins().items()} == dict.fromkeys(KNOWN_BAD, 1)


def test_pins_no_release_that_is_known_bad() -> None:
    faults = {
        f"{name} {release} {fault}"
        for name, releases in pins().items()
        for release in releases
        if (fault := fault_of(name, release))
    }

    assert faults == set()


@pytest.mark.parametrize(
    ("name", "release", "bad"),
    [
        ("mongo", "8.0.17", True),
        ("mongo", "8.0.20", True),
        ("mongo", "8.0.28", True),
        ("mongo", "8.2.12", True),
        ("mongo", "8.0.38", False),
        ("redis", "8.2.3", True),
        ("redis", "8.2.10", False),
        ("redis", "8.2.8", True),
    ],
)
def test_knows_which_releases_are_bad(name: str, release: str, bad: bool) -> None:
    assert (fault_of(name, release) is not None) == bad


def test_says_what_it_pins() -> None:
    guide = (OPERATIONS / "pinned-releases.md").read_text(encoding="utf-8")
    table = {
        NAMES[name]: release
        for name, release in re.findall(r"^\| (\w+) \| (\d+\.\d+\.\d+) \|", guide, re.MULTILINE)
    }
    pinned = {name: releases.pop() for name, releases in pins().items()}

    assert table == pinned


def test_says_on_which_kernels_mongodb_runs() -> None:
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert re.search(r"Linux 6\.19\s+to\s+7\.0\.13", text), path.name


def test_says_when_the_pins_were_last_reviewed() -> None:
    text = (ROOT / "k8s" / "readme.md").read_text(encoding="utf-8")
    steps = text.split("## Upgrade\n")[1].split("\n## ")[0]

    (day,) = re.findall(r"Pins reviewed: (\d{4}-\d\d-\d\d)\.", steps)
    assert datetime.date.fromisoformat(day) >= datetime.date(2026, 11, 29)
    assert "../docs/operations/pinned-releases.md" in steps


def test_names_nothing_by_a_branch_that_moves() -> None:
    """Whatever a command of the pages applies or downloads is a release, too."""
    for path in [ROOT / "README.md", ROOT / "k8s" / "readme.md", *(ROOT / "docs").rglob("*.md")]:
        for url in re.findall(r"https://raw\.githubusercontent\.com/\S+", path.read_text("utf-8")):
            assert re.search(r"/(?:[a-z]+-)?v?\d+\.\d+\.\d+/", url), f"{path.name}: {url}"
