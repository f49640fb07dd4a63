"""What an owner's Markdown becomes: what is listed, and never anything else."""

from __future__ import annotations

import re
import time
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.content import markdown
from bookings.content.markdown import lines_of, plain_text, render_markdown
from bookings.models import LONG_TEXT

ALLOWED = {
    **{tag: set() for tag in ("p", "br", "h3", "h4", "h5", "h6", "ul", "li", "em", "strong")},
    "ol": {"start"},
    "a": {"href", "rel"},
}
SCHEME = re.compile(r"(https?://[^/]|mailto:.|tel:.)", re.IGNORECASE)


class Judge(HTMLParser):
    """Reads HTML as browsers do, and collects what must not be there."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.open: list[str] = []
        self.deepest = 0
        self.feed(html)
        self.close()
        if self.open:
            self.faults.append(f"never closed: {self.open}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in ALLOWED or not given.keys() <= ALLOWED[tag]:
            self.faults.append(f"<{tag} {attrs}>")
        if tag == "a":
            if not SCHEME.match(given.get("href") or ""):
                self.faults.append(f"a link to {given.get('href')}")
            if given.get("rel") != "noopener nofollow":
                self.faults.append("a link that is followed")
        if not (given.get("start") or "1").isdigit():
            self.faults.append(f"a list from {given['start']}")
        if tag != "br":
            self.open.append(tag)
            self.deepest = max(self.deepest, len(self.open))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}>")

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"<!--{data}-->")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"<!{decl}>")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"<?{data}>")

    def unknown_decl(self, data: str) -> None:
        self.faults.append(f"<![{data}")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("One\ntwo\n\nthree", "<p>One<br>\ntwo</p>\n<p>three</p>\n"),
        ("# A\n## B\n###### C", "<h3>A</h3>\n<h4>B</h4>\n<h5>C</h5>\n"),
        ("### A\n# B\n### C", "<h3>A</h3>\n<h3>B</h3>\n<h4>C</h4>\n"),
        (
            "# A\n## B\n### C\n#### D\n##### E",
            "<h3>A</h3>\n<h4>B</h4>\n<h5>C</h5>\n<h6>D</h6>\n<h6>E</h6>\n",
        ),
        ("*a* **b**", "<p><em>a</em> <strong>b</strong></p>\n"),
        ("- a\n- b", "<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"),
        ("3. a\n4. b", '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>\n'),
        (
            "[us](https://example.org/?a=1&b=2)",
            '<p><a href="https://example.org/?a=1&amp;b=2" rel="noopener nofollow">us</a></p>\n',
        ),
        (
            "<mailto:a@example.org> [call](tel:+49301234567)",
            '<p><a href="mailto:a@example.org" rel="noopener nofollow">mailto:a@example.org</a> '
            '<a href="tel:+49301234567" rel="noopener nofollow">call</a></p>\n',
        ),
        (
            "<a@example.org>",
            '<p><a href="mailto:a@example.org" rel="noopener nofollow">a@example.org</a></p>\n',
        ),
        (r"\*a\*", "<p>*a*</p>\n"),
        ("[a]() [b](<>) [](https://c.example)[d]() *e*", None),
        (
            "[a]() *b* [c](https://c.example)",
            '<p>a <em>b</em> <a href="https://c.example" rel="noopener nofollow">c</a></p>\n',
        ),
        # Everything else is shown as it was typed.
        ("R&amp;B & <b>b</b>", "<p>R&amp;amp;B &amp; &lt;b&gt;b&lt;/b&gt;</p>\n"),
        ("> a", "<p>&gt; a</p>\n"),
        ("`a`", "<p>`a`</p>\n"),
        ("Title\n---\ntext", "<p>Title<br>\n---<br>\ntext</p>\n"),
        ("    code", "<p>code</p>\n"),
        ("![a](https://example.org/a.png)", None),
        ("", ""),
    ],
)
def test_renders(text: str, html: str | None) -> None:
    rendered = render_markdown(text)

    if html is None:
        assert "<img" not in rendered
    else:
        assert rendered == html
    assert Judge(rendered).faults == []


# A link to a script in all spellings, a page in a page, and what opens or closes a tag.
ATTACKS = [
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java\tscript:alert(1))",
    "[a](java\nscript:alert(1))",
    "[a](java\x00script:alert(1))",
    "[a](\x01javascript:alert(1))",
    "[a](<javascript:alert(1)>)",
    "[a]( javascript:alert(1))",
    "[a](&#106;avascript:alert(1))",
    "[a](&#x6A;avascript&colon;alert(1))",
    "[a](javascript&#58;alert(1))",
    "[a](javascript&NewLine;:alert(1))",
    "[a](&Tab;javascript:alert(1))",
    "[a](j%61vascript:alert(1))",
    r"[a](java\script:alert(1))",
    "[a](vbscript:x)",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](data:image/png;base64,AAAA)",
    "[a](file:///etc/passwd)",
    "[a](blob:https://example.org/1)",
    "[a](//evil.example)",
    "[a](/admin/logout)",
    "[a](#x)",
    "[a](https:evil.example)",
    "[a](https:///evil.example)",
    "[a](http\\://evil.example)",
    "[a](mailto:)",
    "<javascript:alert(1)>",
    "<data:text/html,x>",
    "<JAVASCRIPT:alert(1)>",
    "<//evil.example>",
    "[a]: javascript:alert(1)\n\n[a]",
    "[a]: https://example.org\n\n[a][a] [a][] [a]",
    '[a](https://example.org "onmouseover=alert(1)")',
    "[a](https://example.org '\"><script>alert(1)</script>')",
    '[a](https://example.org/"onmouseover="alert(1))',
    "[a](https://example.org/'><script>)",
    "[<script>alert(1)</script>](https://example.org)",
    "[a](https://example.org/\u202egnp.exe)",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!-- a --><![CDATA[a]]><?a?><!DOCTYPE a>",
    "</p></div><h1>a</h1>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)'>a</a>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "\x00<script>\x00",
    "![a](javascript:alert(1))",
    "![a](https://example.org/a.png)",
    "[![a](javascript:alert(1))](javascript:alert(2))",
    "[a[b](https://example.org)c](https://example.org)",
    "```html\n<script>\n```",
    "| a | b |\n|---|---|\n| <script> | b |",
    "~~a~~ <https://example.org/<script>>",
    "9999999999. a\n\n000. a\n\n-1. a",
    "*" * 500 + "a" + "*" * 500,
]


@pytest.mark.parametrize("text", ATTACKS)
def test_lets_nothing_out_but_what_is_allowed(text: str) -> None:
    assert Judge(render_markdown(text)).faults == []


def test_shows_a_link_that_is_not_allowed_as_it_was_typed() -> None:
    for text in ("[a](javascript:alert(1))", "[a](/admin/)", "<data:text/html,x>"):
        assert unescape(render_markdown(text)) == f"<p>{text}</p>\n"


def test_shows_the_text_of_a_link_as_it_was_typed() -> None:
    """Decoded, this would turn the direction of what follows."""
    assert "\u202e" not in render_markdown("<https://example.org/%E2%80%AEgnp> &#x202e; &rlo;")


PIECES = st.sampled_from(
    [
        *("*", "**", "_", "__", "[", "]", "](", "(", ")", "<", ">", "!", "`", "\\", "&", "#", "\n"),
        *("- ", "1. ", "> ", "    ", "\t", "\n\n", "\x00", "\u202e", "'", '"', "\ud800", "\x85"),
        *("https://a.example", "javascript:", "java", "script:", "mailto:", "tel:", "data:", "//"),
        *("<script>", "</p>", "onerror=", "&#x6a;", "&colon;", "<!--", "-->", "[a]: ", "a", "é"),
    ]
)


@settings(max_examples=600, deadline=None)
@given(st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=200)))
def test_lets_nothing_out_whatever_is_put_together(text: str) -> None:
    assert Judge(render_markdown(text)).faults == []


def test_bounds_how_deep_its_answer_is() -> None:
    lists = "".join(f"{'  ' * depth}- a\n" for depth in range(100))
    for text in (lists, "*a " * 5000 + "a*" * 5000, "**a " * 300 + "a**" * 300, "- " * 200 + "a"):
        judged = Judge(render_markdown(text))
        assert judged.faults == []
        assert judged.deepest <= markdown.MAX_NESTING + markdown.MAX_EMPHASIS + 2


def test_renders_only_as_much_as_a_field_takes() -> None:
    for length in (LONG_TEXT, LONG_TEXT + 1):
        assert render_markdown("a" * length) == f"<p>{'a' * LONG_TEXT}</p>\n"


COSTLY = {
    "brackets": "[",
    "links": "[a](",
    "links in links": "[[a](b)",
    "destinations": "[](<",
    "unclosed titles": '[a](https://b "',
    "angles": "<",
    "autolinks": "<a:",
    "emphasis": "*a ",
    "emphasis that closes nothing": "a**b",
    "mixed emphasis": "*a_",
    "runs": "*" * 50 + "a",
    "escapes": "\\",
    "lists in lists": "- ",
    "numbered lists in lists": "1) ",
    "lists": "- a\n",
    "other lists": "1. a\n- b\n",
    "headings": "# a\n",
    "paragraphs": "a\n\n",
    "lines": "a\n",
    "blanks": " " * 100 + "\n",
}


def seconds_for(text: str) -> float:
    best = 1e9
    for _ in range(3):
        began = time.thread_time()
        markdown._render(text)
        best = min(best, time.thread_time() - began)
    return best


@pytest.mark.parametrize("name", COSTLY)
def test_takes_time_that_grows_with_the_text(name: str) -> None:
    """A quadratic text would take sixteen times as long, and a text of this length many seconds."""
    piece = COSTLY[name]
    quarter = piece * (LONG_TEXT // 4 // len(piece))

    short, long = seconds_for(quarter), seconds_for(quarter * 4)

    assert long < 9 * short + 0.02
    assert long < 5


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("A **quiet** house.\n\nBy the lake.", "A quiet house. By the lake."),
        ("- One\n- [Two](https://example.org)\nstill two", "One Two still two"),
        ("# Rules\n<b>&amp;</b>  \\*", "Rules <b>&amp;</b> *"),
        ("", ""),
    ],
)
def test_leaves_the_words_alone_where_no_html_is_shown(text: str, plain: str) -> None:
    assert plain_text(text) == plain


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Take **bus** *100*.\nGet off at _Linden_.", "Take bus 100.\nGet off at Linden."),
        ("# By train\nWalk.\n\n## By car\nDrive.", "By train\n\nWalk.\n\nBy car\n\nDrive."),
        ("See [our map](https://example.org/?a=1).", "See our map (https://example.org/?a=1)."),
        ("[call **us**](tel:+493012)", "call us (+493012)"),
        ("<https://a.example/> <mailto:a@b.example>", "https://a.example/ mailto:a@b.example"),
        ("[a@b.example](mailto:a@b.example)", "a@b.example"),
        ("[](https://a.example/)", "https://a.example/"),
        ("[a]() and *b*", "a and b"),
        (
            "By bus:\n- the 100\n- the 200\n\nOr walk.",
            "By bus:\n\n- the 100\n- the 200\n\nOr walk.",
        ),
        ("9. a\n10. b\n    c", "9. a\n10. b\n    c"),
        ("- a\n  - b\n    c\n- d", "- a\n  - b\n    c\n- d"),
        ("- a\n\n  b\n\n- c", "- a\n\n  b\n\n- c"),
        ("- - a", "- - a"),
        (r"2 \* 3 <b>&amp;</b> a_b [x](javascript:y)", "2 * 3 <b>&amp;</b> a_b [x](javascript:y)"),
        ("", ""),
    ],
)
def test_writes_lines_without_marks_for_mails_without_html(text: str, lines: str) -> None:
    assert lines_of(text) == lines


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.lists(PIECES, max_size=40).map("".join), st.text(max_size=200)))
def test_writes_lines_of_whatever_is_put_together(text: str) -> None:
    said = "".join(lines_of(text).split())

    assert all(word in said for word in plain_text(text).split())


def test_shows_no_user_that_looks_like_a_host() -> None:
    for text in ("[bank](https://bank.example@evil.example/)", "<https://a@b.example>"):
        assert "href" not in render_markdown(text)
    assert 'href="https://example.org/@user"' in render_markdown("[us](https://example.org/@user)")
