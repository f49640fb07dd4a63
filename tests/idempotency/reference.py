"""Writes docs/idempotency/reference.md from the signatures and docstrings of the package.

    .venv/bin/python -m tests.idempotency.reference

It reads the source as text, so that every Python writes the same page.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "idempotency" / "reference.md"

# The package whose names are public as it exports them, and its modules with their public names.
CORE = "idempotency"
PARTS = {
    "idempotency.mongodb": ("MongoAnswers",),
    "idempotency.django.decorator": ("idempotent",),
    "idempotency.django.drf": ("IdempotentMixin",),
    "idempotency.django.requests": ("Keyed", "user_of"),
    "idempotency.django.responses": ("read_answer", "send", "refuse"),
}

HEAD = """\
# Reference

What other projects may import. `python -m tests.idempotency.reference` writes this page from the
source; a test says when to. Names that are missing here may change with any release.

"""

Definition = ast.ClassDef | ast.FunctionDef


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    yield f"## {CORE}\n"
    for module, names in _origins():
        tree = _tree(f"{CORE}.{module}")
        for name in names:
            yield from _describe(_find(tree, name), "###")
    for module, names in PARTS.items():
        tree = _tree(module)
        yield f"## {module}\n"
        yield from _text(tree)
        for name in names:
            yield from _describe(_find(tree, name), "###")


def _origins() -> Iterator[tuple[str, list[str]]]:
    """The modules that the package imports its names from, with those names."""
    for node in _tree(CORE).body:
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            yield node.module.removeprefix(f"{CORE}."), [alias.name for alias in node.names]


def _describe(node: Definition, level: str) -> Iterator[str]:
    yield f"{level} {node.name}\n"
    yield f"```text\n{_signature(node)}\n```\n"
    yield from _text(node)
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                # A protocol's property without a text is told with its class.
                if _is_property(member) and not ast.get_docstring(member):
                    continue
                yield f"`{_signature(member)}`\n"
                yield from _text(member)


def _signature(node: Definition) -> str:
    if isinstance(node, ast.FunctionDef):
        if _is_property(node):
            return f"{node.name}: {ast.unparse(node.returns) if node.returns else ''}"
        arguments = re.sub(r"^self(, )?", "", ast.unparse(node.args))
        returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        return f"{node.name}({arguments}){returns}"
    bases = ", ".join(map(ast.unparse, node.bases))
    lines = [f"class {node.name}({bases}):" if bases else f"class {node.name}:"]
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            lines.append(f"    {_signature(member)}")
        elif isinstance(member, ast.Assign) or (
            isinstance(member, ast.AnnAssign) and not ast.unparse(member.target).startswith("_")
        ):
            lines.append(f"    {ast.unparse(member)}")
    return "\n".join(lines if len(lines) > 1 else [lines[0].rstrip(":")])


def _is_property(node: ast.FunctionDef) -> bool:
    return "property" in map(ast.unparse, node.decorator_list)


def _text(node: ast.Module | Definition) -> Iterator[str]:
    if text := ast.get_docstring(node):
        text = inspect.cleandoc(text)
        # A table of fields in columns becomes a list.
        text = re.sub(r"^(`\w+`) +(.*(?:\n {16}.*)+)", r"- \1: \2", text, flags=re.MULTILINE)
        text = re.sub(r"^(`\w+`) {2,}", r"- \1: ", text, flags=re.MULTILINE)
        yield re.sub(r"\n {16}", "\n  ", text) + "\n"


def _find(tree: ast.Module, name: str) -> Definition:
    [found] = [node for node in tree.body if isinstance(node, Definition) and node.name == name]
    return found


def _tree(module: str) -> ast.Module:
    path = ROOT / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}\n")
