"""The example in docs/idempotency/example.md is the file that tests/idempotency/vouchers serves."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXAMPLE = DOCS / "examples" / "vouchers.py"


def test_shows_the_example_that_is_tested() -> None:
    page = (DOCS / "idempotency" / "example.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)

    assert EXAMPLE.read_text(encoding="utf-8") in blocks


def test_adopts_the_layer_in_less_than_thirty_lines() -> None:
    """Empty lines, comments and the docstring are not code."""
    tokens = tokenize.generate_tokens(io.StringIO(EXAMPLE.read_text(encoding="utf-8")).readline)
    silent = {tokenize.NL, tokenize.NEWLINE, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT}
    code = {token.start[0] for token in tokens if token.type not in silent} - {1}

    assert len(code) < 30
