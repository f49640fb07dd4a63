"""What `make version` writes, and which faults `make release` finds."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path

import pytest

from local import release

TODAY = datetime.date(2030, 5, 17)

CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2030-05-17\n\n### Added\n\n- This.\n"
GUIDE = "Pins reviewed: 2030-05-10.\n`docker build -t bookingsite:1.2.3 .`\n`job/migrate-1-2-3`\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that is ready for a release."""
    for name, text in {
        "bookingsite/__init__.py": '__version__ = "1.2.3"\n',
        "CHANGELOG.md": CHANGELOG,
        "k8s/readme.md": GUIDE,
        "k8s/base/kustomization.yaml": "newTag: 1.2.3\nvalue: init-replica-set-1-2-3\n",
        "compose.yaml": "image: bookingsite:1.2.3\nimage: redis:8.2.10\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    who = ("-c", "user.name=Test", "-c", "user.email=test@bookings.example")
    subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True)


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "All")


def faults(root: Path) -> list[str]:
    return list(release.faults(root, TODAY))


def test_finds_no_fault_with_what_can_be_released(root: Path) -> None:
    assert faults(root) == []


def test_wants_everything_committed(root: Path) -> None:
    (root / "new.py").touch()

    assert faults(root) == ["Commit what has changed: a release is a commit."]


def test_wants_a_version_that_has_no_tag(root: Path) -> None:
    git(root, "tag", "v1.2.3")

    (fault,) = faults(root)
    assert fault.endswith("the tag v1.2.3 is taken.")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2030-05-17", "2030-05-16"),
        ("[1.2.3]", "[1.2.2]"),
        ("## [1.2.3]", "## [1.2.4] - 2030-05-17\n\n## [1.2.3]"),
    ],
)
def test_wants_the_changelog_to_begin_with_this_release(
    root: Path, before: str, after: str
) -> None:
    (root / "CHANGELOG.md").write_text(CHANGELOG.replace(before, after), encoding="utf-8")
    commit(root)

    assert faults(root) == ["Make '## [1.2.3] - 2030-05-17' the first release of CHANGELOG.md."]


def test_wants_nothing_left_unreleased(root: Path) -> None:
    text = CHANGELOG.replace("[Unreleased]\n", "[Unreleased]\n\n- Left.\n")
    (root / "CHANGELOG.md").write_text(text, encoding="utf-8")
    commit(root)

    assert faults(root) == ["Leave nothing under [Unreleased] in CHANGELOG.md."]


def test_wants_the_pins_to_have_been_reviewed_lately(root: Path) -> None:
    text = GUIDE.replace("2030-05-10", "2030-04-10")
    (root / "k8s" / "readme.md").write_text(text, encoding="utf-8")
    commit(root)

    assert faults(root) == ["Review the pinned releases, and write the date into k8s/readme.md."]


def test_writes_a_new_version_wherever_it_is_repeated(root: Path) -> None:
    (root / "bookingsite" / "__init__.py").write_text('__version__ = "1.10.0"\n', encoding="utf-8")
    before = release.outdated(root)
    release.write_copies(root)

    assert sorted(path.name for path in before) == [
        "compose.yaml", "kustomization.yaml", "readme.md",
    ]  # fmt: skip
    assert release.outdated(root) == []
    assert (root / "compose.yaml").read_text(encoding="utf-8") == (
        "image: bookingsite:1.10.0\nimage: redis:8.2.10\n"
    )
    assert "init-replica-set-1-10-0" in (root / "k8s" / "base" / "kustomization.yaml").read_text()
    assert "`job/migrate-1-10-0`" in (root / "k8s" / "readme.md").read_text(encoding="utf-8")
