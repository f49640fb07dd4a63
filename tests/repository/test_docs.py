"""Everything that the documents name exists."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The changelog may name things that are gone.
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")} - {ROOT / "CHANGELOG.md"})
INDEX = ROOT / "docs" / "README.md"

# A length that people read before they try it.
README_WORDS = 1200

# A file or folder of the project in backticks, and a module to run.
NAMED = re.compile(
    r"`((?:bookings|bookingsite|idempotency|locks|tests|docs|bench|torture)/[\w/.-]+)`"
)
RUN = re.compile(r"python -m ((?:bench|torture)\.[\w.]+\w)")
# Commands that change a running server or shell until its next start; and those that last.
PASSING = re.compile(r"CONFIG SET|setParameter: ?1|\bulimit\b|sysctl -w")
LASTING = re.compile(r"redis\.conf|in its configuration|LimitNOFILE|sysctl\.d")
LINKED = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_names_only_files_that_are_there(page: Path) -> None:
    text = page.read_text()
    named = [ROOT / name for name in NAMED.findall(text)]
    named += [ROOT / f"{module.replace('.', '/')}.py" for module in RUN.findall(text)]
    named += [page.parent / target for target in LINKED.findall(text)]

    assert not [str(path) for path in named if not path.exists()]


def test_introduces_the_project_in_few_words() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) < README_WORDS


@pytest.mark.parametrize("name", ["README.md", "docs/getting-started.md", "CONTRIBUTING.md"])
def test_says_how_to_get_the_code_before_its_first_command(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    block = text[text.index("    sudo apt-get install git") :]

    steps = [block.index(step) for step in ("git clone <URL> bookingsite", "cd bookingsite")]
    assert steps == sorted(steps)
    assert steps[-1] < re.search(r"\bmake (run|check)\b", block).start()  # type: ignore[union-attr]


def test_leads_to_every_page_from_the_index() -> None:
    reached: set[Path] = set()
    to_read = {INDEX}
    while to_read:
        page = to_read.pop()
        reached.add(page)
        # A page leads on only if it is an index; otherwise a link in passing would count.
        if page.name == "README.md":
            links = LINKED.findall(page.read_text(encoding="utf-8"))
            found = {Path(os.path.normpath(page.parent / target)) for target in links}
            to_read |= {one for one in found if one.suffix == ".md"} - reached

    assert {*PAGES, ROOT / "k8s" / "readme.md", ROOT / "CHANGELOG.md"} - reached == set()


def test_says_at_the_door_of_each_package_what_lives_there_and_what_it_may_import() -> None:
    doors = {
        str(path.parent.relative_to(ROOT / "bookings")): path
        for path in (ROOT / "bookings").glob("*/**/__init__.py")
    }
    said = {
        name: ast.get_docstring(ast.parse(door.read_text(encoding="utf-8"))) or ""
        for name, door in doors.items()
        # Django finds these two; the package `management` speaks for its commands.
        if name not in ("migrations", "management/commands")
    }

    assert not [name for name, text in said.items() if "may import" not in text.replace("\n", " ")]


def test_explains_every_package() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    packages = {path.parent.name for path in (ROOT / "bookings").glob("*/__init__.py")}
    packages |= {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}

    assert not [name for name in packages if not re.search(rf"\b{name}\b", page)]


@pytest.mark.parametrize(
    "path",
    [
        *PAGES,
        ROOT / "k8s" / "readme.md",
        *sorted((ROOT / "bookings" / "operations" / "doctor").glob("*.py")),
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_says_of_what_a_restart_forgets_where_it_is_kept(path: Path) -> None:
    # Sections of a page, functions of a program.
    parts = re.split(r"^(?:#+ |def )", path.read_text(), flags=re.MULTILINE)

    assert not [part for part in parts if PASSING.search(part) and not LASTING.search(part)]
