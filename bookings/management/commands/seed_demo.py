from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError

from bookings.content.photos.files import StorageAway
from bookings.operations import demo_data
from bookings.operations.showcase import seeding
from bookings.people import roles


class Command(BaseCommand):
    help = "Makes the demo hotels and, with --users, demo logins. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rooms",
            type=int,
            default=0,
            metavar="N",
            help="also make rooms bench_00001 to bench_N in hotel demo",
        )
        parser.add_argument(
            "--users",
            action="store_true",
            help="make the logins staff (a superuser), manager and desk with the password in "
            "DEMO_STAFF_PASSWORD, and guest with the one in DEMO_CUSTOMER_PASSWORD",
        )

        parser.add_argument(
            "--showcase",
            action="store_true",
            help="also make the hotels seaside and altstadt with texts, pictures and bookings",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["rooms"] <= 99_999:
            raise CommandError("Give --rooms a number from 0 to 99999.")
        if options["users"]:
            self._make_users()
        demo_data.seed(bench_rooms=options["rooms"])
        if options["showcase"]:
            try:
                seeding.seed()
            except StorageAway as away:
                raise CommandError(
                    "The storage of the photos does not answer; look at PHOTOS_FOLDER or "
                    "PHOTOS_BUCKET, and run this again."
                ) from away
        self.stdout.write("The demo hotels are there.")

    def _make_users(self) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("Demo logins are refused in production; use createsuperuser.")
        for username, variable, is_staff, role in (
            ("staff", "DEMO_STAFF_PASSWORD", True, None),
            ("manager", "DEMO_STAFF_PASSWORD", True, roles.MANAGER),
            ("desk", "DEMO_STAFF_PASSWORD", True, roles.FRONT_DESK),
            ("guest", "DEMO_CUSTOMER_PASSWORD", False, None),
        ):
            password = getattr(settings, variable)
            if not password:
                raise CommandError(f"Set {variable} to the password of the login {username}.")
            user, _ = User.objects.get_or_create(username=username)
            user.is_staff = is_staff
            user.is_superuser = is_staff and role is None
            # Setting the same password again makes another digest, which ends every session.
            if not user.check_password(password):
                user.set_password(password)
            user.save()
            # A group that staff have deleted is not made again.
            user.groups.set(Group.objects.filter(name=role))
