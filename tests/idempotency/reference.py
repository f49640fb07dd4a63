"""Writes the references of `idempotency` and `locks` from their signatures and docstrings.

    .venv/bin/python -m tests.idempotency.reference

It reads the source as text, so that every Python writes the same pages.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

HEAD = """\
# {title}

What other projects may import. `python -m tests.idempotency.reference` writes this page from the
source; a test says when to. Names that are missing here may change with any release.

"""

Definition = ast.ClassDef | ast.FunctionDef | ast.Assign


@dataclass(frozen=True)
class Reference:
    """A page. The names that `core` exports are public, and those of the modules in `parts`."""

    path: Path
    title: str
    core: str
    parts: dict[str, tuple[str, ...]]

    def page(self) -> str:
        """The whole page."""
        lines = "\n".join(_lines(self.core, self.parts)).rstrip()
        return HEAD.format(title=self.title) + lines + "\n"


PAGES = (
    Reference(
        ROOT / "docs" / "idempotency" / "reference.md",
        "Reference",
        "idempotency",
        {
            "idempotency.mongodb": ("MongoAnswers",),
            "idempotency.django.decorator": ("idempotent",),
            "idempotency.django.drf": ("IdempotentMixin", "payload_of"),
            "idempotency.django.payloads": ("payload_of",),
            "idempotency.django.requests": ("Keyed", "user_of"),
            "idempotency.django.responses": ("read_answer", "send", "refuse"),
            "idempotency.django.lookup": ("Effect",),
            "idempotency.conformance": ("StoreConformance", "Subject"),
        },
    ),
    Reference(
        ROOT / "docs" / "locks-reference.md",
        "Reference of the locks",
        "locks",
        {
            "locks.conformance": (
                "LocksConformance",
                "QuorumConformance",
                "FailoverConformance",
            ),
        },
    ),
)


def _lines(core: str, parts: dict[str, tuple[str, ...]]) -> Iterator[str]:
    yield f"## {core}\n"
    for module, names in _imported(core):
        for name in names:
            yield from _describe(_find(_tree(module), name), "###")
    for module, names in parts.items():
        tree = _tree(module)
        yield f"## {module}\n"
        yield from _text(tree)
        homes = {name: home for home, imported in _imported(module) for name in imported}
        for name in names:
            yield from _describe(_find(_tree(homes.get(name, module)), name), "###")


def _imported(package: str) -> Iterator[tuple[str, list[str]]]:
    """The modules that the package imports names from, with those names."""
    for node in _tree(package).body:
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            yield node.module, [alias.name for alias in node.names]


def _describe(node: Definition, level: str) -> Iterator[str]:
    if isinstance(node, ast.Assign):
        yield f"{level} {ast.unparse(node.targets[0])}\n"
        yield f"```text\n{ast.unparse(node)}\n```\n"
        return
    yield f"{level} {node.name}\n"
    yield f"```text\n{_signature(node)}\n```\n"
    yield from _text(node)
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            if isinstance(member, ast.FunctionDef) and not member.name.startswith(("_", "test_")):
                # A protocol's property without a text is told with its class.
                if _is_property(member) and not ast.get_docstring(member):
                    continue
                yield f"`{_signature(member)}`\n"
                yield from _text(member)


def _signature(node: ast.ClassDef | ast.FunctionDef) -> str:
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


def _text(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> Iterator[str]:
    if text := ast.get_docstring(node):
        text = inspect.cleandoc(text)
        # A table of fields in columns becomes a list.
        text = re.sub(r"^(`\w+`) +(.*(?:\n {16}.*)+)", r"- \1: \2", text, flags=re.MULTILINE)
        text = re.sub(r"^(`\w+`) {2,}", r"- \1: ", text, flags=re.MULTILINE)
        yield re.sub(r"\n {16}", "\n  ", text) + "\n"


def _find(tree: ast.Module, name: str) -> Definition:
    [found] = [
        node
        for node in tree.body
        if isinstance(node, Definition)
        and name == (ast.unparse(node.targets[0]) if isinstance(node, ast.Assign) else node.name)
    ]
    return found


def _tree(module: str) -> ast.Module:
    path = ROOT / module.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    for reference in PAGES:
        reference.path.write_text(reference.page(), encoding="utf-8")
        sys.stdout.write(f"{reference.path.relative_to(ROOT)}\n")
