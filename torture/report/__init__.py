"""The report of a run: figures.json, report.md and timeline.html."""

from __future__ import annotations

import json
from pathlib import Path

from torture.report.facts import PastRound, Report
from torture.report.figures import figures_of
from torture.report.text import to_console, to_markdown
from torture.report.timeline import to_html

__all__ = ["PastRound", "Report", "write_report"]


def write_report(report: Report, folder: Path) -> str:
    """Writes the files of the report and returns what the console shows of it."""
    figures = figures_of(report)
    for name, text in (
        ("figures.json", json.dumps(figures, indent=1) + "\n"),
        ("report.md", to_markdown(figures)),
        ("timeline.html", to_html(report, figures)),
    ):
        (folder / name).write_text(text, encoding="utf-8")
    return to_console(figures)
