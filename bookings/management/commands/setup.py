import sys
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from bookings.domain.email_addresses import normalise_address
from bookings.infrastructure.mail import link_to
from bookings.people import account_letters, accounts


class Command(BaseCommand):
    help = (
        "Prints the address at which to set up a hotel. On a site without an administrator, it "
        "makes one and prints a link to choose the password, which works once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--email",
            default="",
            help="the e-mail address of the first administrator; asked for if it is missing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        staff = User.objects.filter(is_staff=True, is_active=True)
        administrators = [user for user in staff.order_by("username") if user.is_superuser]
        if not administrators:
            administrators = [self._make_administrator(options["email"])]
        if any(user.has_usable_password() for user in administrators):
            self.stdout.write(f"Log in and set up your hotel: {link_to('setup:start')}")
            return
        self.stdout.write(
            f"Choose the password of {administrators[0].email}. This link works once, within 24 "
            f"hours:\n\n  {account_letters.make_password_link(administrators[0])}\n\n"
            f"Then set up your hotel: {link_to('setup:start')}"
        )

    def _make_administrator(self, typed: str) -> User:
        if not typed and not sys.stdin.isatty():
            raise CommandError("Give the address of the first administrator: --email you@...")
        typed = typed or input("E-mail address of the administrator: ")
        try:
            address = normalise_address(typed)
        except ValidationError as fault:
            raise CommandError(fault.messages[0]) from None
        if accounts.find_account(address):
            raise CommandError(
                f"There is an account for {address} already; make it an administrator with "
                "manage.py shell, or give another address."
            )
        user = User(username=address, email=address, is_staff=True, is_superuser=True)
        user.set_unusable_password()
        user.save(force_insert=True)
        return user
