"""The site reports the project's version, and only one place states it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from bookingsite import __version__
from local import release
from tests.site import ROOT

# Versions of other things, history, and examples.
NOT_OURS = re.compile(
    r"requirements.*|CHANGELOG\.md|docs/decisions/.*|observability/.*_test\.yml|.*/test_release\.py"
)


def files() -> Iterator[Path]:
    """Returns every file of the project, except those that a tool has made."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name in (".ci", ".github")
            or not name.startswith((".", "made-by-"))
            and name not in ("__pycache__", "var", "staticfiles", "node_modules", "images")
        ]
        yield from (Path(folder, name) for name in names)


def test_is_what_the_package_and_the_description_tell() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "bookingsite.__version__"
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == release.read_version() == __version__


def test_is_copied_by_make_version_alone() -> None:
    stated = re.compile(rf"(?<![\d.-]){re.escape(__version__)}(?![\d-]|\.\d)")
    dashed = re.compile(rf"(?<![\d.-]){__version__.replace('.', '-')}(?![\d.-])")
    copied = set(release.copies())
    found = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if NOT_OURS.fullmatch(path.relative_to(ROOT).as_posix()):
            continue
        if path in copied:
            text = release.DASHED.sub("", release.DOTTED.sub("", text))
        if stated.search(text) or dashed.search(text):
            found.append(path.relative_to(ROOT).as_posix())

    assert found == ["bookingsite/__init__.py"]
    assert release.outdated() == [], "run make version"
