"""How Sphinx builds the documents into a site; `make docs` calls it with --fail-on-warning.

The pages are the files that people read in the repository, where they are. A page named README.md
is the index of its folder, and its links are the site's navigation, so a page that no index links
to fails the build, as does a link or heading that is not there. Pages load nothing from other
hosts.
"""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from mermaid_render import convert
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

ROOT = Path(__file__).resolve().parent.parent

project = "Bookingsite"
extensions = ["myst_parser"]
root_doc = "docs/README"
include_patterns = ["*.md", "docs/**.md", "k8s/readme.md"]
# Sphinx skips these folders instead of looking for pages in them.
exclude_patterns = [".*", "var", "node_modules", "tests", "**/__pycache__"]
# As GitHub names headings.
myst_heading_anchors = 4
# A link to a file that is no page, such as a module, offers the file.
myst_enable_extensions = ["tasklist"]

html_theme = "furo"
html_title = "Bookingsite"
html_copy_source = False
html_show_copyright = False
# It leads from the site's root to the index.
html_extra_path = ["site"]
pygments_style = "friendly"

_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+\.md)\)")
# What a browser loads by itself, as opposed to a link that a reader follows.
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=["']?(?:https?:)?//[^\s>]*"""
    r"""|<link\b(?![^>]*\brel=["']?canonical)[^>]*?\bhref=["']?(?:https?:)?//[^\s>]*"""
    r"""|(?:@import\s+|url\()\s*["']?(?:https?:)?//[^\s)]*"""
)

_log = logging.getLogger(__name__)


def add_navigation(app: Sphinx, name: str, source: list[str]) -> None:
    """Make each heading of an index a caption of the navigation, and its links the entries."""
    if not (name.startswith("docs/") and name.endswith("/README")):
        return
    for part in re.split(r"^## ", source[0], flags=re.MULTILINE):
        pages = dict.fromkeys(_LINK.findall(part))
        if pages:
            caption = part.splitlines()[0].removeprefix("# ")
            entries = "\n".join(page.removesuffix(".md") for page in pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}\n```\n"


class DrawDiagrams(SphinxTransform):
    """Puts a picture in the place of each block of Mermaid, which GitHub draws by itself."""

    default_priority = 500

    def apply(self, **kwargs: object) -> None:
        for block in list(self.document.findall(nodes.literal_block)):
            if block.get("language") != "mermaid":
                continue
            try:
                svg = convert(block.astext()).decode()
            except Exception as error:  # its own class is not public
                _log.warning("This diagram cannot be drawn: %s", error, location=block)
                continue
            block.replace_self(nodes.raw("", _fit(svg), format="html"))


def _fit(svg: str) -> str:
    """The picture as wide as the page at most, and on white in the dark theme as well."""
    opening, rest = svg.split(">", 1)
    [width] = re.findall(r' width="(\d+)"', opening)
    opening = re.sub(r' (?:width|height)="\d+"', "", opening)
    return f'<div style="max-width: {width}px; background: white">{opening}>{rest}</div>'


def refuse_other_hosts(app: Sphinx, error: Exception | None) -> None:
    """Fail where a built page would load something from another host."""
    if error is not None:
        return
    for path in sorted(Path(app.outdir).rglob("*")):
        if path.suffix in {".html", ".css", ".js"}:
            loaded = _LOADED.search(path.read_text(encoding="utf-8"))
            if loaded:
                name = path.relative_to(app.outdir)
                raise ExtensionError(f"{name} loads from another host: {loaded[0]}")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", add_navigation)
    app.add_transform(DrawDiagrams)
    app.connect("build-finished", refuse_other_hosts)
    return {"parallel_read_safe": True}
