"""E-mail addresses, spelled in one way, so that two that are one mailbox are found equal."""

import idna
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

# The longest that a mail server takes (RFC 5321).
MAX_ADDRESS = 254

_judge = EmailValidator(message=_("Enter an e-mail address such as ada@example.org."))


def normalise_address(text: str) -> str:
    """Small letters, and a domain with other letters as mail servers spell it (IDNA 2008).

    The older rule, Python's own, makes one of two domains: straße.example is not strasse.example.
    Raises ValidationError, with a sentence to show, for what no letter can be sent to.
    """
    mailbox, _at, domain = text.strip().lower().rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
        address = f"{mailbox}@{ascii_domain}".lower()
    except idna.IDNAError:
        address = ""
    if not address.isascii() or len(address) > MAX_ADDRESS:
        address = ""
    _judge(address)
    return address


def spellings_of(text: str) -> list[str]:
    """The ways in which this address may stand in bookings, without regard to case: as typed, as
    mail servers spell its domain, and as people do. Raises ValidationError."""
    address = normalise_address(text)
    mailbox, _at, domain = address.rpartition("@")
    try:
        people = f"{mailbox}@{idna.decode(domain)}"
    except idna.IDNAError:
        people = address  # a domain that only looks like one with other letters
    return sorted({text.strip(), address, people})


def is_address(text: str) -> bool:
    """Whether a letter could be sent there."""
    try:
        normalise_address(text)
    except ValidationError:
        return False
    return True


def as_people_write(address: str) -> str:
    """For reading: a domain in its own letters, where mail servers spell it in others."""
    mailbox, at, domain = address.rpartition("@")
    try:
        return f"{mailbox}{at}{idna.decode(domain)}" if at else address
    except idna.IDNAError:
        return address  # a domain that only looks like one with other letters
