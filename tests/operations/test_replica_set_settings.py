"""What `manage.py init_replica_set` requires of its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from bookings.operations.replica_set.initiation import (
    ReplicaSetError,
    make_replica_set,
    read_key,
    read_uri,
)

URI = "mongodb://inn:a%2Fb@m-0.db:27017,m-1.db/inn?replicaSet=rs0"


def make(wait_s: float = 1, uri: str = URI, keyfile: str = "", admin_password: str = "a") -> None:
    """Runs it to its end, which none of these reaches."""
    list(
        make_replica_set(
            uri=uri,
            databases=("inn",),
            keyfile=keyfile,
            admin_password=admin_password,
            wait_s=wait_s,
        )
    )


def test_takes_members_and_login_from_the_applications_uri() -> None:
    application = read_uri(URI)

    assert application.members == ("m-0.db:27017", "m-1.db:27017")
    assert (application.user, application.password) == ("inn", "a/b")
    assert (application.users_database, application.set_name) == ("inn", "rs0")


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("m-0.db:27017", "Fix MONGODB_URI"),
        (URI.replace("inn:a%2Fb@", ""), "user and password into MONGODB_URI"),
        (URI.replace("?replicaSet=rs0", ""), "Put replicaSet=NAME into MONGODB_URI"),
        ("mongodb://admin:a@m-0.db/?replicaSet=rs0", "a user of its own"),
        (f"{URI}&tls=true&tlsCAFile=/nope", "Fix MONGODB_URI: .*/nope"),
        ("mongodb://inn:a@%2Ftmp%2Fm.sock,m-1.db/?replicaSet=rs0", "not the socket /tmp/m.sock"),
        ("mongodb://inn:a@m-0.db,M-0.db:27017/?replicaSet=rs0", "names m-0.db:27017 twice"),
    ],
)
def test_says_what_a_uri_lacks(uri: str, sentence: str) -> None:
    with pytest.raises(ReplicaSetError, match=sentence):
        read_uri(uri)


def test_keeps_the_brackets_of_an_address() -> None:
    uri = "mongodb://inn:a@[::1]:28999,[fe80::2]/?replicaSet=rs0"

    assert read_uri(uri).members == ("[::1]:28999", "[fe80::2]:27017")


@pytest.mark.parametrize("wait_s", [float("nan"), float("inf"), -1.0])
def test_waits_for_a_number_of_seconds(wait_s: float) -> None:
    with pytest.raises(ReplicaSetError, match="Give --wait seconds, 0 or more, not "):
        make(wait_s)


def test_says_so_when_a_file_of_certificates_holds_none(tmp_path: Path) -> None:
    empty, keyfile = tmp_path / "ca.pem", tmp_path / "keyfile"
    empty.write_text("")
    keyfile.write_text("abc")

    with pytest.raises(ReplicaSetError, match="Fix the TLS files that MONGODB_URI names: "):
        make(uri=f"{URI}&tls=true&tlsCAFile={empty}", keyfile=str(keyfile))


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("abc+\nDE/F\n012=\n", "abc+DE/F012="),
        ("- abc+DE/F\n- other\n", "abc+DE/F"),
        ("0123456789\n", "0123456789"),
    ],
)
def test_reads_a_key_as_the_members_do(content: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / "keyfile"
    path.write_text(content)

    assert read_key(str(path)) == key


@pytest.mark.parametrize("content", [b"", b"[]", b"a: b", b"\xff", b"{", b"- [a]"])
def test_refuses_what_is_no_keyfile(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "keyfile"
    path.write_bytes(content)

    with pytest.raises(ReplicaSetError, match="names no MongoDB keyfile"):
        read_key(str(path))


def test_says_which_settings_it_lacks(tmp_path: Path) -> None:
    for path, sentence in (("", "Set MONGODB_KEYFILE"), (str(tmp_path / "none"), "No such file")):
        with pytest.raises(ReplicaSetError, match=sentence):
            read_key(path)
    with pytest.raises(ReplicaSetError, match="Set MONGODB_ADMIN_PASSWORD"):
        make(admin_password="")
