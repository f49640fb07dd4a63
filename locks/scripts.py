"""Lua scripts, each in its own file, loaded by name.

EVAL sends the whole text. Redis caches the compiled script by the hash of its text, and a server
that lost its script cache needs no second round trip.
"""

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"


@cache
def script(name: str) -> str:
    """The text of `lua/<name>.lua` without its comments, since all of it is sent each time."""
    text = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    return "".join(line for line in text.splitlines(True) if not line.startswith("--"))
