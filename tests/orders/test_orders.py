"""Small worlds in every order, on servers of their own, by `python -m tests.orders`."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.orders.run import Asked, NotKnown
from tests.orders.worlds import OPERATIONS, WORLDS

ROOT = Path(__file__).resolve().parent.parent.parent

PAIRS = ",".join("+".join(pair) for pair in itertools.combinations_with_replacement(OPERATIONS, 2))

# Two of the 165: those with two changes of dates take minutes each.
TRIPLES = "create+cancel+sweep,again+confirm+sweep"


def play(folder: Path, **environment: str) -> tuple[int, dict[str, Any], str]:
    """The command's exit code, its figures, and what it printed."""
    out = folder / "orders.json"
    nothing = {"PAIRS": "none", "TRIPLES": "none", "UNMERGED": "none"}
    ended = subprocess.run(
        [sys.executable, "-m", "tests.orders"],
        cwd=ROOT,
        env={**os.environ, **nothing, **environment, "OUT": str(out)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert out.exists(), ended.stderr
    return ended.returncode, json.loads(out.read_text(encoding="utf-8")), ended.stdout


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("PAIRS", "x", "all, none, 1/20 or such as create\\+again, not 'x'"),
        ("PAIRS", "create+sweep+block", "not 'create"),
        ("TRIPLES", "1/0", "such as create\\+again\\+confirm, not '1/0'"),
        ("UNMERGED", "create", "not 'create'"),
        ("WORLDS", "live,dread", "Set WORLDS to some of live, dead, booked, not 'live,dread'"),
        ("OFF", "lease", "Set OFF to some of claim, "),
        ("SWITCHES", "-1", "Set SWITCHES to a number such as 3, not '-1'"),
    ],
)
def test_says_what_a_variable_may_be(name: str, text: str, said: str) -> None:
    with pytest.raises(NotKnown, match=said):
        Asked.read({name: text})


def test_plays_all_of_it_where_nothing_is_asked() -> None:
    asked = Asked.read({})

    assert asked.worlds == WORLDS
    assert (len(asked.pairs), len(asked.triples)) == (81, 165)
    assert Asked.read({"TRIPLES": "1/20"}).triples == asked.triples[::20]


def test_keeps_every_promise_in_every_order_of_a_few_pairs(tmp_path: Path) -> None:
    code, figures, said = play(
        tmp_path, WORLDS="dead", PAIRS="confirm+sweep,create+confirm", UNMERGED="confirm+sweep"
    )

    assert code == 0, said
    assert figures["kinds"]["pairs"]["orders"] > 20
    assert figures["kinds"]["unmerged"]["orders"] > 3


@pytest.mark.slow
@pytest.mark.parametrize("world", ["live", "dead"])
def test_keeps_every_promise_in_every_order_of_all_pairs(world: str, tmp_path: Path) -> None:
    # This one takes a minute by itself, with 42,000 orders.
    pairs = PAIRS.replace(",change+change", "") if world == "live" else PAIRS

    code, _, said = play(tmp_path, WORLDS=world, PAIRS=pairs)

    assert code == 0, said


@pytest.mark.slow
def test_keeps_every_promise_in_orders_of_three(tmp_path: Path) -> None:
    code, _, said = play(tmp_path, WORLDS="live,dead", TRIPLES=TRIPLES)

    assert code == 0, said


@pytest.mark.slow
def test_finds_the_same_ends_without_counting_equal_places_as_one(tmp_path: Path) -> None:
    code, _, said = play(tmp_path, WORLDS="live,dead", UNMERGED="usual")

    assert code == 0, said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("off", "pair", "wrong"),
    [
        ("slots", "create+create", "sold twice"),
        ("claim,keys", "twice+twice", "two bookings for the key"),
        ("lookup", "again+cancel", "no order explains"),
        ("compare", "cancel+extend", "no order explains"),
        ("history", "cancel+extend", "no order explains"),
    ],
)
def test_breaks_a_promise_without_its_guard(
    off: str, pair: str, wrong: str, tmp_path: Path
) -> None:
    world = "dead" if off in ("slots", "claim,keys") else "live"
    # Only the history is about a process that dies; without crashes the others are found sooner.
    crashes = "1" if off == "history" else "0"
    code, figures, said = play(tmp_path, WORLDS=world, PAIRS=pair, OFF=off, CRASHES=crashes)

    assert code == 1
    found = [each for played in figures["played"] for each in played["wrong"]]
    assert any(each.startswith(wrong) for each in found), said
    assert "The shortest story of a broken promise" in said


@pytest.mark.slow
def test_keeps_every_promise_while_an_index_covers_for_the_claim(tmp_path: Path) -> None:
    code, _, said = play(tmp_path, WORLDS="dead", PAIRS="twice+twice", OFF="claim", CRASHES="0")

    assert code == 0, said
