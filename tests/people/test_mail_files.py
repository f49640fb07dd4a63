"""Letters as files, in development: complete, each in its own file, and only for their owner."""

from __future__ import annotations

import email
import email.policy
import logging
import stat
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage, get_connection

BACKEND = "bookingsite.mail_files.EmailBackend"


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.LETTERS_FOLDER = str(tmp_path / "letters")
    return tmp_path / "letters"


def send(*subjects: str) -> int:
    messages = [
        EmailMessage(subject, f"http://127.0.0.1/{subject}", "a@example.org", ["b@example.org"])
        for subject in subjects
    ]
    return get_connection(BACKEND).send_messages(messages)


def test_writes_each_letter_to_a_file_of_its_own(folder: Path) -> None:
    assert send("One", "Größe") == 2

    read = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in folder.iterdir()
    ]
    assert sorted(message["Subject"] for message in read) == ["Größe", "One"]
    assert {path.suffix for path in folder.iterdir()} == {".eml"}


def test_keeps_letters_from_other_users(folder: Path) -> None:
    send("One")

    (letter,) = folder.iterdir()
    assert stat.S_IMODE(letter.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_names_the_file_in_the_log_and_nobody_else(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    send("One")

    (line,) = [record for record in caplog.records if record.message == "letter_written"]
    assert vars(line)["path"] == str(next(folder.iterdir()))
    assert "b@example.org" not in str(vars(line))


def test_leaves_nothing_of_a_letter_that_cannot_be_written(folder: Path) -> None:
    with pytest.raises(ValueError, match="newlines"):
        send("two\nlines")

    assert not folder.exists()
