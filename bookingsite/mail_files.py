"""Writes mails to files instead of sending them. For development, where people open them by hand.

Each mail gets its own file, which only its owner may read, since its links open accounts. The log
names the file, so people can find the mail later.
"""

import logging
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

logger = logging.getLogger(__name__)


class EmailBackend(BaseEmailBackend):
    """Writes to `settings.LETTERS_FOLDER`; `ls` lists the files in the order they were written."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            _write(message)
        return len(email_messages)


def _write(message: EmailMessage) -> None:
    content = message.message().as_bytes()
    folder = Path(settings.LETTERS_FOLDER)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{timezone.now():%Y%m%d-%H%M%S}-{secrets.token_hex(4)}.eml"
    # It gets its name once it is complete, so that no reader finds half of it.
    unfinished = path.with_suffix(".unfinished")
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(fd, "wb") as file:
        file.write(content)
    unfinished.rename(path)
    logger.info("letter_written", extra={"path": str(path)})
