"""The basis of all mails of the site: text, links, and an id that stays the same."""

from email.utils import formataddr, parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string

from bookings.infrastructure.embedding import outside
from bookings.infrastructure.texts import on_one_line


def make_mail(mail_id: str, *, to: str, subject: str, text: str, sender: str) -> EmailMessage:
    """A plain-text mail to one address.

    `sender` is the name that it comes from; if it is empty, the setting's. The address is always
    the setting's. Each try uses the same id, so a mailbox that gets it twice can show it once.
    """
    return EmailMessage(
        subject=on_one_line(subject),
        body=text,
        from_email=_from(sender),
        to=[to],
        headers={
            "Message-ID": f"<{mail_id}@{urlsplit(settings.SITE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )


def _from(sender: str) -> str:
    """The header with this name; `formataddr` quotes and encodes it."""
    name = on_one_line(sender)
    if not name:
        return settings.DEFAULT_FROM_EMAIL
    return formataddr((name, parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))


def render_text(template: str, context: dict[str, Any]) -> str:
    """The text of `templates/mails/<template>.txt`, with its line breaks."""
    text = render_to_string(f"mails/{template}.txt", {**context, "site": settings.SITE_URL})
    return text.strip() + "\n"


def link_to(name: str, *arguments: str) -> str:
    """An absolute URL of this site. Its host comes from the settings, since a client can send any
    Host header. It is never an address of a frame."""
    return settings.SITE_URL + outside(name, *arguments)
