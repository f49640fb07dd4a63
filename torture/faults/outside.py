"""Faults of the world outside: the mail server and the partners' webhook receivers."""

from __future__ import annotations

import random
from collections.abc import Generator

from torture.faults import fault
from torture.stack import Stack


@fault("outside", lasts_s=(3, 12), touches=("outside",))
def receivers_hang(stack: Stack, _: random.Random) -> Generator[None]:
    """Mail server and receivers take connections and do not answer."""
    mode = stack.folder / "outside" / "mode"
    mode.write_text("hang")
    yield
    mode.write_text("well")
