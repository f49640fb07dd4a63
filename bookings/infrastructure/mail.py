"""The basis of all mails of the site: text, links, and an id that stays the same."""

from email.utils import formataddr, parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.template.loader import render_to_string

from bookings.infrastructure.embedding import outside
from bookings.infrastructure.texts import on_one_line


def make_mail(
    mail_id: str,
    *,
    to: str,
    subject: str,
    text: str,
    html: str = "",
    sender: str = "",
    reply_to: str = "",
) -> EmailMessage:
    """A mail to one address: plain text, with the same in HTML if there is `html`.

    It comes from the site's address, under the name of the `sender` if one is given, and answers go
    to `reply_to`. Each try uses the same id, so a mailbox that gets it twice can show it once.
    """
    mail = EmailMultiAlternatives(
        subject=on_one_line(subject),
        body=text,
        from_email=_from(sender) if sender else None,
        to=[to],
        reply_to=[reply_to] if reply_to else None,
        headers={
            "Message-ID": f"<{mail_id}@{urlsplit(settings.SITE_URL).hostname}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    if html:
        mail.attach_alternative(html, "text/html")
    return mail


def _from(sender: str) -> str:
    """The site's address under this name; `formataddr` quotes and encodes the name."""
    return formataddr((on_one_line(sender), parseaddr(settings.DEFAULT_FROM_EMAIL)[1]))


def render_text(template: str, context: dict[str, Any]) -> str:
    """The text of `templates/mails/<template>.txt`, with its line breaks."""
    text = render_to_string(f"mails/{template}.txt", {**context, "site": settings.SITE_URL})
    return text.strip() + "\n"


def render_html(template: str, context: dict[str, Any]) -> str:
    """The HTML of `templates/mails/<template>.html`, every value of it escaped."""
    return render_to_string(f"mails/{template}.html", {**context, "site": settings.SITE_URL})


def link_to(name: str, *arguments: str) -> str:
    """An absolute URL of this site. Its host comes from the settings, since a client can send any
    Host header. It is never an address of a frame."""
    return settings.SITE_URL + outside(name, *arguments)
