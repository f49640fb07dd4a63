"""The report of `make torture` has the right figures, and shows them safely."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from torture.history import Attempt, Operation
from torture.judging.violations import Violation
from torture.nemesis import Happened
from torture.options import read_options
from torture.report import PastRound, Report, together, write_report
from torture.report.figures import figures_of, join, percentile, rule_of_three, summary
from torture.report.page import END
from torture.report.text import faults_parts, repeat, table

# A wall time, as a run has them.
START_S = 1_800_000_000.0


def at(began_s: float, ended_s: float, status: int = 201, code: str = "", **rest: Any) -> Attempt:
    """An attempt; times count from the start."""
    return Attempt(START_S + began_s, START_S + ended_s, status, code, **rest)


def operation(*attempts: Attempt, kind: str = "book", is_ok: bool | None = None) -> Operation:
    if is_ok is None:
        is_ok = any(each.status in (200, 201) for each in attempts)
    answer = {"id": "b"} if is_ok else None
    return Operation(1, "partner 1", "c", kind, "k", "", {}, list(attempts), answer)


def fault(name: str, began_s: float, ended_s: float, **rest: Any) -> Happened:
    broken_s = rest.pop("broken_s", began_s)
    return Happened(name, START_S + began_s, START_S + ended_s, broken_s=START_S + broken_s, **rest)


def past(*times: float, violations: tuple[Violation, ...] = ()) -> PastRound:
    return PastRound(*(START_S + each for each in times), violations=list(violations))


def report(*operations: Operation, **fields: Any) -> Report:
    """A minute in which clients work, unless told otherwise."""
    standard: dict[str, Any] = {
        "options": read_options({"SEED": "7", "MINUTES": "1", "CLIENTS": "3"}),
        "began_s": START_S,
        "ended_s": START_S + 70,
        "was_stopped": False,
        "faults": [],
        "rounds": [past(0, 60, 60, 62, 65)],
        "violations": [],
        "counts": Counter(),
    }
    return Report(operations=list(operations), **{**standard, **fields})


def faults_of(run: Report, name: str) -> dict[str, Any]:
    found: dict[str, Any] = figures_of(run)["faults"][name]
    return found


# --- Figures ------------------------------------------------------------------------------------


def test_counts_operations_requests_and_answers() -> None:
    figures = figures_of(
        report(
            operation(at(0, 1)),
            operation(at(1, 2, 409, "SOLD_OUT")),
            operation(at(2, 3, 0), at(4, 5, 503, "TRY_AGAIN"), kind="hold"),
            # A page refuses with a redirect.
            operation(at(5, 6, 302, "SOLD_OUT"), kind="hold", is_ok=False),
        )
    )

    assert figures["operations"] == {
        "book": {"ok": 1, "refused": 1, "unknown": 0},
        "hold": {"ok": 0, "refused": 1, "unknown": 1},
    }
    assert figures["attempts"] == {
        "book": {"ok": 1, "refused": 1, "unknown": 0},
        "hold": {"ok": 0, "refused": 1, "unknown": 2},
    }
    assert figures["answers"] == {
        "201": 1,
        "409 SOLD_OUT": 1,
        "no answer": 1,
        "503 TRY_AGAIN": 1,
        "302 SOLD_OUT": 1,
    }


def test_says_what_operations_in_doubt_were_told_later() -> None:
    figures = figures_of(
        report(
            operation(at(0, 1, 0), at(2, 3)),
            operation(at(0, 1, 500), at(2, 3, is_replay=True)),
            operation(at(0, 1, 0), at(2, 3, 409, "SOLD_OUT")),
            operation(at(0, 1, 0), at(2, 3, 409, "RESOURCE_LOCKED")),
            # Known before, so the lost answer left nothing in doubt.
            operation(at(0, 1), at(2, 3, 0)),
            operation(at(0, 1)),
        )
    )

    assert figures["unknowns"] == {"success": 2, "refusal": 1, "never": 1}


def test_measures_a_recovery_from_begin_and_end_to_a_request_that_was_sent_after_it() -> None:
    run = report(
        # Sent before the break, and sent while it was being broken: both say nothing.
        operation(at(9.9, 10.5)),
        operation(at(10.05, 10.3)),
        # A repeated answer may tell of a booking from before.
        operation(at(9, 10, 0), at(11, 11.5, is_replay=True)),
        operation(at(10.2, 14)),
        operation(at(12, 13)),
        operation(at(20.1, 20.4)),
        faults=[fault("redis.killed", 10, 20, broken_s=10.1)],
    )

    figures = faults_of(run, "redis.killed")

    assert (figures["count"], figures["seconds"]) == (1, 10)
    assert figures["from_begin"]["each_s"] == [3.0]
    assert figures["from_end"]["each_s"] == [0.4]


def test_counts_a_fault_without_a_success_after_it_apart() -> None:
    run = report(operation(at(1, 2)), faults=[fault("redis.killed", 0.5, 3)])

    figures = faults_of(run, "redis.killed")

    assert figures["from_begin"]["each_s"] == [1.5]
    assert figures["from_end"] == {
        "each_s": [],
        "unseen": 1,
        "p50_s": None,
        "p99_s": None,
        "max_s": None,
    }


def test_measures_nothing_of_a_fault_that_could_not_be_had() -> None:
    run = report(
        operation(at(11, 12)),
        faults=[fault("mongodb.clock", 10, 20, problem="needs root")],
    )

    figures = faults_of(run, "mongodb.clock")

    assert (figures["count"], figures["seconds"]) == (0, 0)
    assert figures["not_had"] == {"needs root": 1}
    assert figures["from_begin"]["each_s"] == []
    assert figures_of(run)["throughput"]["degraded"]["seconds"] == 0


def test_tells_recoveries_apart_in_which_another_fault_was_in_progress() -> None:
    run = report(
        operation(at(12, 13)),
        operation(at(21, 22)),
        operation(at(26, 31)),
        operation(at(41, 42)),
        operation(at(51, 52)),
        faults=[
            # The next begins once the site has recovered from the first one's beginning.
            fault("redis.killed", 10, 20),
            fault("site.frozen", 14, 15),
            # Begins while the site still recovers from the one before.
            fault("mongodb.cut", 24, 25),
            fault("redis.killed", 26, 40),
            fault("redis.killed", 45, 50, problem="no room"),
        ],
    )

    figures = faults_of(run, "redis.killed")

    assert figures["from_begin"]["each_s"] == [3, 5]
    assert figures["from_begin_alone"]["each_s"] == [3]
    assert figures["from_end"]["each_s"] == [2, 2]
    # Not the first: the recovery from the frozen site takes until then.
    assert figures["from_end_alone"]["each_s"] == [2]


def test_finds_the_longest_time_without_a_success_but_leaves_out_pauses() -> None:
    run = report(
        *(operation(at(end - 0.5, end)) for end in (1, 11, 16, 109)),
        operation(at(16.5, 17, 409, "SOLD_OUT")),
        rounds=[past(0, 20, 20, 22, 99), past(100, 115, 115, 116, 117)],
    )

    assert figures_of(run)["longest_gap_s"] == 10


def test_ends_a_gap_with_what_clients_waited_for_when_they_paused() -> None:
    run = report(operation(at(1, 2)), operation(at(5, 24)), rounds=[past(0, 20, 20, 24, 30)])

    assert figures_of(run)["longest_gap_s"] == 22


def test_counts_a_gap_until_clients_pause() -> None:
    run = report(operation(at(1, 2)), rounds=[past(0, 20, 20, 20, 30)])

    assert figures_of(run)["longest_gap_s"] == 18


def test_divides_throughput_by_whether_a_fault_is_in_progress() -> None:
    run = report(
        *(operation(at(second, second + 0.5)) for second in range(60)),
        # While clients pause, none is counted.
        operation(at(59, 61)),
        # They overlap for five seconds.
        faults=[fault("redis.killed", 10, 20), fault("site.frozen", 15, 25)],
    )

    throughput = figures_of(run)["throughput"]

    assert throughput["degraded"] == {"seconds": 15, "successes": 15, "per_s": 1}
    assert throughput["healthy"] == {"seconds": 45, "successes": 45, "per_s": 1}


def test_says_when_every_operation_was_definite_after_the_last_fault() -> None:
    run = report(
        operation(at(50, 57, 0), at(59, 61.5, is_replay=True), at(62, 64)),
        operation(at(57, 59)),
        # Begun after the last fault, so that none of them was in its way.
        operation(at(59, 64)),
        # Its client never knew, and gave up when the round was over.
        operation(at(100, 101, 0), at(121, 121.2, 503, "TRY_AGAIN")),
        rounds=[
            past(0, 58, 60, 62, 65),
            past(66, 120, 121, 121.5, 125),
            past(130, 140, 141, 142, 143),
        ],
    )

    assert figures_of(run)["definite_s"] == [3.5, 1.5, 0]


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50), (99, 99), (99.5, 100), (100, 100), (0, 1)]
)
def test_takes_percentiles_among_the_values(percent: float, expected: float) -> None:
    values = list(range(100, 0, -1))

    assert percentile(values, percent) == expected
    assert percentile([3.0], percent) == 3.0


def test_bounds_what_was_not_seen_by_the_rule_of_three() -> None:
    assert rule_of_three(3000, 0) == 0.001
    assert rule_of_three(3000, 1) is None
    assert rule_of_three(0, 0) is None


def test_joins_spans_that_overlap_or_touch() -> None:
    assert join([(5, 6), (0, 2), (1, 3), (3, 4), (0.5, 1)]) == [(0, 4), (5, 6)]


# --- Files --------------------------------------------------------------------------------------

ODD = "<script>alert('&')</script> | x"


def written(folder: Path, run: Report) -> tuple[dict[str, Any], str, str]:
    write_report(run, folder)
    return (
        json.loads((folder / "figures.json").read_text()),
        (folder / "report.md").read_text(),
        (folder / "timeline.html").read_text(),
    )


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)


def test_writes_a_page_that_loads_and_runs_nothing(tmp_path: Path) -> None:
    violation = Violation(ODD, f"story {ODD}")
    run = report(
        operation(at(0, 1), kind=ODD),
        faults=[fault(ODD, 10, 20), fault(ODD, 30, 40, problem=ODD)],
        rounds=[past(0, 60, 60, 62, 65, violations=(violation,))],
        violations=[violation],
        options=replace(read_options({"SEED": "7"}), without=(ODD,)),
    )

    _, text, page = written(tmp_path, run)

    tags = set(_Tags(page).seen)
    assert not tags & {"script", "link", "img", "iframe"}
    assert "http" not in page
    assert "url(" not in page
    # Even in titles and names.
    assert "<script" not in page
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert not any("<script" in line for line in rows)


def test_keeps_the_columns_of_a_table_whatever_is_in_a_cell() -> None:
    lines = table(("a", "b"), [("x|y\nz", 1234)]).splitlines()

    assert lines[0] == "| a | b |"
    assert lines[2] == "| x\\|y z | 1,234 |"


def test_tells_the_smallest_story_first_and_how_to_repeat_it(tmp_path: Path) -> None:
    long, short = Violation("no slot twice", "a very long story"), Violation("no slot twice", "it")
    run = report(
        operation(at(0, 1)),
        rounds=[past(0, 60, 60, 62, 65, violations=(long, short))],
        violations=[long, short],
    )

    said = write_report(run, tmp_path)

    text = (tmp_path / "report.md").read_text()
    assert text.index("    it") < text.index("    a very long story")
    assert said.startswith("VIOLATION: no slot twice\nit\n")
    assert said.endswith("1 operations and 0 faults in 1.0 minutes: 2 violations.")
    assert "    SEED=7 MINUTES=1 FAULTS=all CLIENTS=3 make torture" in text
    assert "there is no bound" in text
    (first, _) = json.loads((tmp_path / "figures.json").read_text())["stories"]
    assert first == {
        "invariant": "no slot twice",
        "story": "a very long story",
        "after_operations": 0,
        "at_s": 65,
    }


def test_repeats_every_variable_that_was_set() -> None:
    options = read_options(
        {
            "SEED": "1",
            "MINUTES": "0.5",
            "FAULTS": "redis,mongodb",
            "CLIENTS": "4",
            "VARIANT": "redlock",
            "WITHOUT": "claims",
        }
    )

    assert repeat(figures_of(report(options=options))) == (
        "SEED=1 MINUTES=0.5 FAULTS=redis,mongodb CLIENTS=4 VARIANT=redlock WITHOUT=claims "
        "make torture"
    )


def test_writes_a_report_of_a_run_that_was_stopped_before_anything(tmp_path: Path) -> None:
    figures, text, page = written(tmp_path, report(was_stopped=True, rounds=[]))

    assert figures["bound"] is None
    assert "(stopped early): no violation." in text
    assert "No faults were made." in page


def test_marks_faults_recoveries_pauses_and_violations(tmp_path: Path) -> None:
    violation = Violation("no slot twice", "it")
    run = report(
        operation(at(12, 13)),
        operation(at(21, 21.25)),
        faults=[fault("redis.killed", 10, 20)],
        rounds=[past(0, 60, 60, 62, 65, violations=(violation,))],
        violations=[violation],
    )

    _, _, page = written(tmp_path, run)

    assert '<rect class="fault" x="10.00" y=".15" width="10.00" height=".7">' in page
    assert '<path class="recovery" d="M10.00 .32H13.00">' in page
    assert '<path class="recovery" d="M20.00 .68H21.25">' in page
    assert '<rect class="pause" x="60.00" y="0" width="5.00"' in page
    assert '<path class="violation" d="M65.00 0V1">' in page
    assert re.search(
        r"<td>0:10</td><th scope=\"row\">redis.killed</th>"
        r"<td>10.00</td><td>3.00</td><td>1.25</td>",
        page,
    )


# --- Several runs -------------------------------------------------------------------------------


def folders(folder: Path) -> list[str]:
    """Two runs: recoveries of 1 s and 3 s, and 9 s."""
    runs = [
        report(
            operation(at(10.5, 11)),
            operation(at(30, 33)),
            faults=[fault("redis.killed", 10, 20), fault("redis.killed", 30, 40)],
        ),
        report(
            operation(at(10, 19), kind="hold"),
            faults=[fault("redis.killed", 10, 20)],
            options=read_options({"SEED": "8", "MINUTES": "1"}),
        ),
    ]
    names = []
    for run in runs:
        mine = folder / f"seed-{run.options.seed}"
        mine.mkdir()
        write_report(run, mine)
        names.append(str(mine))
    return names


def test_takes_percentiles_over_the_faults_of_all_runs(tmp_path: Path) -> None:
    runs = together.read_runs([Path(each) for each in folders(tmp_path)])

    figures = together.put_together(runs)

    recovery = figures["faults"]["redis.killed"]["from_begin"]
    assert (recovery["p50_s"], recovery["p99_s"], recovery["max_s"]) == (3, 9, 9)
    assert figures["faults"]["redis.killed"]["from_end"]["unseen"] == 2
    assert figures["operations"]["book"]["ok"] == 2
    assert figures["operations"]["hold"]["ok"] == 1
    assert figures["bound"] == 1
    assert figures["throughput"]["degraded"] == {"seconds": 30, "successes": 3, "per_s": 0.1}
    assert figures["definite_s"] == [0, 0]


def test_replaces_what_is_between_the_markers_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "reliability.md"
    page.write_text(f"# Before\n\n{together.BEGIN}\nearlier tables\n{END}\n\nAfter.\n")
    asked = [*folders(tmp_path), "--write", str(page)]

    assert together.main(asked) == 0
    first = page.read_text()
    assert together.main(asked) == 0

    assert page.read_text() == first
    assert first.startswith(f"# Before\n\n{together.BEGIN}\n\n2 runs, 3 operations,")
    assert first.endswith(f"\n\n{END}\n\nAfter.\n")
    assert "earlier tables" not in first
    assert "| redis.killed | 3 | 30 | 3.00 | 9.00 | 9.00 |" in first


def test_leaves_a_page_without_markers_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "reliability.md"
    page.write_text("# Reliability\n")

    assert together.main([*folders(tmp_path), "--write", str(page)]) == 2

    assert page.read_text() == "# Reliability\n"
    assert together.BEGIN in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"without": ["slot_index"]}, "was run without slot_index; leave it out."),
        ({"was_stopped": True}, "was stopped before its end; leave it out."),
        ({"operations": None}, "was not written by a run; name another file."),
    ],
)
def test_takes_no_run_that_does_not_belong_with_others(
    changed: dict[str, Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = folders(tmp_path)
    file = Path(second) / "figures.json"
    figures = json.loads(file.read_text()) | changed
    file.write_text(json.dumps({k: each for k, each in figures.items() if each is not None}))

    assert together.main([first, second]) == 2
    assert said in capsys.readouterr().err


def test_counts_no_run_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = folders(tmp_path)

    assert together.main([first, first]) == 2
    assert "is a run that is there already" in capsys.readouterr().err


def test_names_faults_that_were_never_made_beside_the_table() -> None:
    (told, faults, never) = faults_parts(
        figures_of(
            report(
                operation(at(11, 12)),
                faults=[
                    fault("redis.killed", 10, 20),
                    fault("redis.failed_over", 0, 0.001, problem="only in sentinel"),
                ],
            )
        )["faults"]
    )[:3]

    assert told.startswith("How often each fault was made")
    assert "failed_over" not in faults
    assert never == "Planned, but never made: `redis.failed_over` (only in sentinel)."


def test_puts_columns_of_numbers_to_the_right() -> None:
    made = table(("kind", "why", "times"), [("a", "late", 1), ("b", "", 2000)])

    assert made.splitlines()[1] == "| --- | --- | ---: |"


def test_says_which_folder_has_no_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert together.main([str(tmp_path)]) == 2

    assert str(tmp_path) in capsys.readouterr().err


def test_counts_faults_that_no_success_followed_in_a_summary() -> None:
    assert summary([None, 2.0, None])["unseen"] == 2
