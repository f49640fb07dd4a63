"""Lua scripts, each in a file of its own, loaded by name.

They are sent whole with EVAL: Redis keeps the compiled form by the text's hash, and a
server that lost its script cache needs no second round trip.
"""

from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "lua"


@cache
def script(name: str) -> str:
    """The text of `lua/<name>.lua`."""
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
