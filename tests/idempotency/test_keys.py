"""Reading the Idempotency-Key header, and making keys and digests (`idempotency/keys.py`)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idempotency.errors import InvalidKey
from idempotency.keys import (
    canonical,
    digest_of,
    fingerprint_of,
    is_server_made,
    make_key,
    read_key,
)

VISIBLE_ASCII = [chr(code) for code in range(0x21, 0x7F)]


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ("abc", "abc"),
        ('"abc"', "abc"),
        ("  abc\t", "abc"),
        (' "abc" ', "abc"),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("a;b=c/d?e&f{g}|h~i'j`k", "a;b=c/d?e&f{g}|h~i'j`k"),
        (r'"a\"b"', 'a"b'),
        (r'"a\\b"', "a\\b"),
        ('"a,b"', "a,b"),
        ("automatic", "automatic"),
        ("AUTO:x", "AUTO:x"),
        ("x" * 255, "x" * 255),
        ('"' + "x" * 255 + '"', "x" * 255),
        ('"' + r"\"" * 255 + '"', '"' * 255),
    ],
)
def test_reads_one_key_bare_or_quoted(header: str, key: str) -> None:
    assert read_key(header) == key


def test_reads_nothing_where_no_header_was_sent() -> None:
    assert read_key(None) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        " ",
        '""',
        '" "',
        '"',
        '"abc',
        'abc"',
        'a"b',
        '"a"b"',
        "a\\b",
        r'"a\b"',
        '"abc\\"',
        "a b",
        '"a b"',
        "a\tb",
        "a\nb",
        "abc\n",
        "a\0b",
        "a\x7fb",
        "schlüssel",
        '"schlüssel"',
        "ключ",
        "a\xa0b",
        # Two headers of one name, as a WSGI server hands them over.
        "abc,abc",
        "abc,def",
        "abc, def",
        '"abc","abc"',
        '"abc", "def"',
        'abc,"def"',
        ",abc",
        "abc,",
        # A structured field may have parameters; this header defines none.
        '"abc";a=1',
        "x" * 256,
        '"' + "x" * 256 + '"',
        '"' + r"\"" * 256 + '"',
    ],
)
def test_refuses_what_is_not_one_key(header: str) -> None:
    with pytest.raises(InvalidKey):
        read_key(header)


@pytest.mark.parametrize("header", ["auto:", "auto:x", '"auto:x"', make_key("x")])
def test_reserves_keys_that_the_server_makes(header: str) -> None:
    with pytest.raises(InvalidKey, match="made by the server"):
        read_key(header)


def test_accepts_a_key_the_server_made_where_it_is_given_back() -> None:
    key = make_key("caller", {"resourceId": "room_A"})

    assert read_key(key, accept_server_made=True) == key
    assert read_key(f'"{key}"', accept_server_made=True) == key


@given(st.text(st.sampled_from(VISIBLE_ASCII), min_size=1, max_size=255))
def test_reads_every_visible_text_when_quoted(text: str) -> None:
    key = f"k{text}"[:255]
    escaped = key.replace("\\", r"\\").replace('"', r"\"")

    assert read_key(f'"{escaped}"') == key
    if not set(key) & set('"\\,'):
        assert read_key(key) == key, "both forms are one key"


@given(st.text())
def test_reads_or_refuses_whatever_is_sent(header: str) -> None:
    try:
        key = read_key(header)
    except InvalidKey:
        return
    assert key is not None
    assert 1 <= len(key) <= 255
    assert set(key) <= set(VISIBLE_ASCII)


def test_makes_the_same_key_for_the_same_wish() -> None:
    first = make_key("client:1", "guest", {"resourceId": "room_A", "checkIn": "2027-02-15"})
    again = make_key("client:1", "guest", {"checkIn": "2027-02-15", "resourceId": "room_A"})
    other = make_key("client:1", "guest", {"resourceId": "room_B", "checkIn": "2027-02-15"})

    assert first == again
    assert first != other
    assert is_server_made(first)
    assert not is_server_made("client-made")


def test_gives_each_caller_operation_and_target_a_digest_of_its_own() -> None:
    parts = {"caller": "client:1", "operation": "create", "target": "", "key": "k"}
    others = [{**parts, name: f"{value}x"} for name, value in parts.items()]
    # Where one part ends and the next begins must matter.
    others.append({**parts, "caller": "client:", "operation": "1create"})
    others.append({**parts, "caller": 'client:1","create'})

    digests = {digest_of(**each) for each in [parts, *others]}

    assert len(digests) == len(others) + 1
    assert all(len(digest) == 64 for digest in digests)


@pytest.mark.parametrize("caller", ["", None, 7])
def test_makes_no_digest_without_a_caller(caller: Any) -> None:
    with pytest.raises(ValueError, match="A key belongs to its caller"):
        digest_of(caller=caller, operation="create", target="", key="k")


def test_gives_equal_payloads_one_fingerprint() -> None:
    payload = {"b": [1, {"d": None, "c": "ü"}], "a": True}
    shuffled = {"a": True, "b": [1, {"c": "ü", "d": None}]}

    assert fingerprint_of(payload) == fingerprint_of(shuffled)
    assert fingerprint_of(payload) != fingerprint_of({**payload, "a": False})
    assert fingerprint_of({"a": [1, 2]}) != fingerprint_of({"a": [2, 1]})


def test_spells_text_that_is_no_utf8() -> None:
    assert canonical({"a": "\ud800"}) == b'{"a":"\\ud800"}'
