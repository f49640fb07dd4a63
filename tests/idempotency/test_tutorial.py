"""The tutorial, run command by command as it stands, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from local import wheels

pytestmark = [pytest.mark.slow, pytest.mark.redis]

PAGE = Path(__file__).resolve().parents[2] / "docs" / "idempotency" / "tutorial.md"

# One block of the page: its language and its lines.
BLOCK = re.compile(r"^```(sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "--- next block"


def test_prints_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    wheels.build(tmp_path / "wheels")
    blocks = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    commands = [text for kind, text in blocks if kind == "sh"]
    # Each text belongs to the commands before it; commands without one print nothing.
    said = [
        blocks[place + 1][1]
        if blocks[place + 1 : place + 2] and blocks[place + 1][0] == "text"
        else ""
        for place, (kind, _) in enumerate(blocks)
        if kind == "sh"
    ]

    done = subprocess.run(
        ["bash", "-c", f"\necho '{MARK}'\n".join(commands)],
        cwd=folder,
        env={
            **{name: os.environ[name] for name in ("HOME", "PATH", "REDIS_URL")},
            **{name: text for name, text in os.environ.items() if name.startswith("PIP_")},
            "WHEELS": str(tmp_path / "wheels"),
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split(f"{MARK}\n") == said, done.stderr
    assert "Traceback" not in done.stderr
