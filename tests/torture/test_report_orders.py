"""The tables that the files of `tests.orders` become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from torture.report import orders
from torture.report.page import END


def world(**changed: Any) -> dict[str, Any]:
    played = {
        "kind": "pairs",
        "world": "live",
        "operations": ["create", "sweep"],
        "orders": 1000,
        "places": 30,
        "runs": 17,
        "took_s": 2.4,
        "wrong": [],
        "story": [],
    }
    return {**played, **changed}


def file_of(folder: Path, name: str, *played: dict[str, Any], **changed: Any) -> Path:
    file = folder / f"{name}.json"
    file.write_text(
        json.dumps({"off": [], "took_s": 60.0, "waits": [], "played": played, **changed})
    )
    return file


def test_adds_up_the_worlds_of_all_files(tmp_path: Path) -> None:
    pairs = file_of(tmp_path, "pairs", world(), world(operations=["create", "block"]))
    triples = file_of(tmp_path, "triples", world(kind="triples"), world(world="dead"), took_s=120)

    tables = orders.to_tables(orders.read_files([pairs, triples]))

    assert tables.startswith("4,000 orders in 3 minutes: no broken promise.")
    assert "| pairs, with a crash at each step | live | 2 | 2,000 | 60 | 34 | 5 |" in tables
    assert "| pairs, with a crash at each step | dead | 1 | 1,000 | 30 | 17 | 2 |" in tables
    assert "| triples | live | 1 | 1,000 | 30 | 17 | 2 |" in tables


def test_names_each_wait_once(tmp_path: Path) -> None:
    files = [file_of(tmp_path, name, world(), waits=[["a lock", 2]]) for name in ("one", "two")]

    assert "| a lock | 4 |" in orders.to_tables(orders.read_files(files))


def test_counts_a_broken_promise_and_leaves_those_without_a_guard_apart(tmp_path: Path) -> None:
    wrong = world(wrong=["two stays"], story=["create1: start", "WRONG: two stays"])
    longer = world(operations=["block", "block"], wrong=["three"], story=["1", "2", "3"])
    without = file_of(tmp_path, "without", longer, wrong, world(), off=["slots"])
    on = file_of(tmp_path, "on", world(), wrong)

    tables = orders.to_tables(orders.read_files([without, on]))

    assert tables.startswith("2,000 orders in 1 minute: a broken promise in 1 world.")
    assert "| slots | create + sweep | two stays | 3,000 |" in tables


def test_says_that_nothing_noticed_a_guard(tmp_path: Path) -> None:
    files = [file_of(tmp_path, "without", world(), off=["claim"])]

    assert "| claim | – | **nothing** | 1,000 |" in orders.to_tables(orders.read_files(files))


def test_writes_into_its_own_part_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Before\n{orders.BEGIN}\nearlier tables\n{END}\nAfter\n")

    assert orders.main([str(file_of(tmp_path, "one", world())), "--write", str(page)]) == 0

    assert page.read_text().startswith(f"Before\n{orders.BEGIN}\n\n1,000 orders")
    assert page.read_text().endswith(f"\n\n{END}\nAfter\n")
    assert "earlier tables" not in page.read_text()


def test_says_which_file_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "none.json"

    assert orders.main([str(missing)]) == 2
    assert f"{missing} cannot be read (No such file" in capsys.readouterr().err
    missing.write_text("{}")
    assert orders.main([str(missing)]) == 2
    assert f"{missing} was not written by a run" in capsys.readouterr().err
