"""What a run removes from the folder of its report."""

from __future__ import annotations

from pathlib import Path

import pytest

from torture import run


def make_logs(folder: Path, name: str) -> Path:
    logs = folder / "logs"
    logs.mkdir(parents=True)
    (logs / name).write_text("said")
    return logs


def test_leaves_logs_alone_that_no_run_wrote(tmp_path: Path) -> None:
    work, out = make_logs(tmp_path / "work", "web_a.log"), tmp_path / "out"
    make_logs(out, "precious.log")

    run.keep_logs(work, out)

    kept = sorted(each.name for each in (out / "logs").iterdir())
    assert kept == ["precious.log", "web_a.log"]


def test_replaces_the_logs_of_an_earlier_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "REPORTS", tmp_path)
    work, out = make_logs(tmp_path / "work", "web_a.log"), tmp_path / "seed-1"
    make_logs(out, "sentinel0.log")

    run.keep_logs(work, out)

    assert [each.name for each in (out / "logs").iterdir()] == ["web_a.log"]


def test_keeps_the_logs_of_an_earlier_run_when_nothing_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a fault is misspelt."""
    monkeypatch.setattr(run, "REPORTS", tmp_path)
    work, out = tmp_path / "work" / "logs", tmp_path / "seed-1"
    work.mkdir(parents=True)
    make_logs(out, "web_a.log")

    run.keep_logs(work, out)

    assert [each.name for each in (out / "logs").iterdir()] == ["web_a.log"]
