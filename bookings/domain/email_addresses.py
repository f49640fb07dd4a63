"""E-mail addresses in one spelling, so that two spellings of one mailbox are equal."""

import re

import idna
from django.core.exceptions import ValidationError
from django.core.validators import EmailValidator
from django.utils.translation import gettext_lazy as _

# The longest address that a mail server accepts, and the longest part before the @ (RFC 5321,
# section 4.5.3.1).
MAX_ADDRESS = 254
MAX_MAILBOX = 64

# No mail from a site on the internet reaches a domain without a dot, so not even `localhost` is
# allowed.
_judge = EmailValidator(message=_("Enter an e-mail address such as ada@example.org."), allowlist=[])


def normalise_address(text: str) -> str:
    """The one spelling of an address: lower case, and the domain as mail servers spell it.

    The domain follows IDNA 2008. Python's own codec follows the older rule, by which two domains
    become one: straße.example is not strasse.example. Nothing else is folded or removed, so two
    mailboxes never become one. Raises ValidationError, with a sentence to show, if no mail can be
    sent to the address.
    """
    address = _spell(text)
    if len(address) > MAX_ADDRESS or len(address.rpartition("@")[0]) > MAX_MAILBOX:
        address = ""
    _judge(address)
    return address


def respell_address(stored: str) -> str:
    """The one spelling of a stored address. A text that is no address is returned unchanged."""
    return normalise_address(stored) if is_address(stored) else stored


def spellings_of(text: str) -> list[str]:
    """The ways to write this address: as typed, in its one spelling, and as people write its
    domain.

    It accepts addresses that earlier releases accepted and this one does not. Raises
    ValidationError for a text that never was an address.
    """
    address = _spell(text)
    EmailValidator(message=_judge.message)(address)
    return sorted({text.strip(), address, as_people_write(address)})


def as_people_write(address: str) -> str:
    """The address for people to read: its domain in Unicode, not in the letters of mail servers."""
    mailbox, at, domain = address.rpartition("@")
    try:
        return f"{mailbox}{at}{idna.decode(domain)}" if at else address
    except idna.IDNAError:
        return address  # a domain that only looks like one with other letters


def mask_address(address: str) -> str:
    """`a…@example.org`: enough for its owner to recognise it, and too little to write to it."""
    mailbox, at, domain = as_people_write(address).rpartition("@")
    return f"{mailbox[:1]}…{at}{domain}"


def is_address(text: str) -> bool:
    """Whether mail can be sent to it."""
    try:
        normalise_address(text)
    except ValidationError:
        return False
    return True


def mentions(text: str, spellings: list[str]) -> bool:
    """Whether the text contains one of these addresses as a whole.

    A message about joann@example.org does not mention ann@example.org.
    """
    any_of_them = "|".join(map(re.escape, spellings))
    before, after = r"(?<![\w.!#$%&'*+/=?^`{|}~-])", r"(?![\w-]|\.\w)"
    return re.search(f"{before}(?:{any_of_them}){after}", text, re.IGNORECASE) is not None


def _spell(text: str) -> str:
    """The address in its one spelling, or "" if it has none."""
    mailbox, _at, domain = text.strip().rpartition("@")
    # Checked before `lower`, which turns some letters, such as the Kelvin sign, into ASCII.
    if not (mailbox.isascii() and mailbox.isprintable()):
        return ""
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return ""
    return f"{mailbox}@{ascii_domain}".lower()
