"""E-mail addresses, spelled in one way, so that two that are one mailbox are found equal."""

import re

import idna
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

# The longest that a mail server takes, and its part before the @ (RFC 5321, section 4.5.3.1).
MAX_ADDRESS = 254
MAX_MAILBOX = 64

# No letter from a site on the internet reaches a domain without a dot, `localhost` included.
_judge = EmailValidator(message=_("Enter an e-mail address such as ada@example.org."), allowlist=[])


def normalise_address(text: str) -> str:
    """The one spelling of an address: lower case, and the domain as mail servers spell it (IDNA
    2008). Nothing else is folded or removed: two mailboxes never become one.

    The older rule, Python's own, makes one of two domains: straße.example is not strasse.example.
    Raises ValidationError, with a sentence to show, for what no letter can be sent to.
    """
    address = _spell(text)
    if len(address) > MAX_ADDRESS or len(address.rpartition("@")[0]) > MAX_MAILBOX:
        address = ""
    _judge(address)
    return address


def respell_address(stored: str) -> str:
    """The one spelling of an address that stands somewhere; what has none stays as it is."""
    return normalise_address(stored) if is_address(stored) else stored


def spellings_of(text: str) -> list[str]:
    """The ways in which this address may be written: as typed, in its one spelling, and as people
    write its domain.

    Addresses that were taken once, and are not any more, are spelled as well. Raises
    ValidationError for what never was one.
    """
    address = _spell(text)
    EmailValidator(message=_judge.message)(address)
    return sorted({text.strip(), address, as_people_write(address)})


def as_people_write(address: str) -> str:
    """For reading: a domain in its own letters, where mail servers spell it in others."""
    mailbox, at, domain = address.rpartition("@")
    try:
        return f"{mailbox}{at}{idna.decode(domain)}" if at else address
    except idna.IDNAError:
        return address  # a domain that only looks like one with other letters


def is_address(text: str) -> bool:
    """Whether a letter could be sent there."""
    try:
        normalise_address(text)
    except ValidationError:
        return False
    return True


def mentions(text: str, spellings: list[str]) -> bool:
    """Whether one of these addresses stands in the text as a whole: in a message about
    joann@example.org nothing is said of ann@example.org."""
    any_of_them = "|".join(map(re.escape, spellings))
    before, after = r"(?<![\w.!#$%&'*+/=?^`{|}~-])", r"(?![\w-]|\.\w)"
    return re.search(f"{before}(?:{any_of_them}){after}", text, re.IGNORECASE) is not None


def _spell(text: str) -> str:
    """The address in its one spelling, or nothing if it has none."""
    mailbox, _at, domain = text.strip().rpartition("@")
    # Before lower case is made: that turns some letters, such as the Kelvin sign, into plain ones.
    if not (mailbox.isascii() and mailbox.isprintable()):
        return ""
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return ""
    return f"{mailbox}@{ascii_domain}".lower()
