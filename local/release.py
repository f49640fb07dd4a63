"""The site's version: `make version` copies it, `make release` checks a release.

People write it only in `bookingsite.__version__`. Manifests, documented commands and the names of
Jobs cannot read Python, so `make version` copies it there. This module needs only the standard
library, and reads the version as text, since importing the package would import the site.
"""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from local.files import ROOT

# A release includes a review of what is pinned; last season's review does not count.
PINS_REVIEWED_WITHIN_DAYS = 14

# Files that repeat the version. Decisions are history, and the alerts' version is an example.
COPIES = (
    "Dockerfile",
    "compose.yaml",
    "k8s/**/*.yaml",
    "k8s/*.md",
    "docs/*.md",
    "docs/runbooks/*.md",
    "docs/operations/*.md",
    "tests/manifests/*.py",
)

# Where they repeat it: in the image's tag, in a label, and in the names of a release's Jobs.
DOTTED = re.compile(r'(\bbookingsite:|\bnewTag: |image\.version=")\d+\.\d+\.\d+')
DASHED = re.compile(r"(\b(?:init-replica-set|migrate)-)\d+-\d+-\d+")

STEPS = """\
What is left for you to do, in this order:

  1. Run .ci/run on this commit, and wait for the forge's workflow: image, Compose, kind, servers.
  2. Tag it:            git tag --annotate v{version} --message 'Bookingsite {version}'
                        git push origin v{version}
  3. Build the image:   docker build -t registry.example/bookingsite:{version} .
                        docker push registry.example/bookingsite:{version}
  4. Upgrade a site that no one depends on, following docs/runbooks/upgrade.md, and run its doctor.
  5. Publish section {version} of CHANGELOG.md as the release notes.
"""


def read_version(root: Path = ROOT) -> str:
    """The site's version; raises SystemExit if it is not three numbers."""
    text = (root / "bookingsite" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', text, re.MULTILINE)
    if match is None:
        raise SystemExit("Write __version__ in bookingsite/__init__.py as three numbers.")
    return match[1]


def with_version(text: str, version: str) -> str:
    """The text with each copy of the version replaced."""
    text = DOTTED.sub(rf"\g<1>{version}", text)
    return DASHED.sub(rf"\g<1>{version.replace('.', '-')}", text)


def copies(root: Path = ROOT) -> Iterator[Path]:
    """The files that may repeat the version."""
    for pattern in COPIES:
        yield from sorted(root.glob(pattern))


def outdated(root: Path = ROOT) -> list[Path]:
    """The files that repeat a version other than the site's."""
    version = read_version(root)
    texts = {path: path.read_text(encoding="utf-8") for path in copies(root)}
    return [path for path, text in texts.items() if with_version(text, version) != text]


def write_copies(root: Path = ROOT) -> None:
    """Writes the site's version into every outdated file, and prints which."""
    version = read_version(root)
    for path in outdated(root):
        path.write_text(with_version(path.read_text(encoding="utf-8"), version), encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(root)}: {version}\n")


def faults(root: Path, today: datetime.date) -> Iterator[str]:
    """The reasons why this commit cannot be a release yet, one sentence each."""
    version = read_version(root)
    if _git(root, "status", "--porcelain"):
        yield "Commit what has changed: a release is a commit."
    if _git(root, "tag", "--list", f"v{version}"):
        yield f"Write the next version into bookingsite/__init__.py: the tag v{version} is taken."
    for path in outdated(root):
        yield f"Run make version: {path.relative_to(root)} names another version."
    yield from _faults_of_changelog(root, version, today)
    yield from _faults_of_pins(root, today)


def _faults_of_changelog(root: Path, version: str, today: datetime.date) -> Iterator[str]:
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = f"## [{version}] - {today}"
    unreleased, *released = re.split(r"^## \[(?=\d)", text, flags=re.MULTILINE)
    if not released or not f"## [{released[0]}".startswith(f"{heading}\n"):
        yield f"Make {heading!r} the first release of CHANGELOG.md."
    if not re.search(r"^## \[Unreleased\]\s*\Z", unreleased, re.MULTILINE):
        yield "Leave nothing under [Unreleased] in CHANGELOG.md."


def _faults_of_pins(root: Path, today: datetime.date) -> Iterator[str]:
    text = (root / "k8s" / "readme.md").read_text(encoding="utf-8")
    match = re.search(r"Pins reviewed: (\d{4}-\d\d-\d\d)\.", text)
    reviewed = datetime.date.fromisoformat(match[1]) if match else datetime.date.min
    if (today - reviewed).days > PINS_REVIEWED_WITHIN_DAYS:
        yield "Review the pinned releases, and write the date into k8s/readme.md."


def _git(root: Path, *arguments: str) -> str:
    answer = subprocess.run(
        ["git", *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def main(purpose: str) -> int:
    if purpose == "version":
        write_copies()
        return 0
    found = list(faults(ROOT, datetime.datetime.now(tz=datetime.UTC).date()))
    if found:
        sys.stderr.writelines(f"{fault}\n" for fault in found)
        return 1
    sys.stdout.write(STEPS.format(version=read_version()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
