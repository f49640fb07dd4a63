from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from bookings.people import second_factor


class Command(BaseCommand):
    help = (
        "Removes the two-factor login of a member of staff whose telephone and recovery codes are "
        "lost. They then log in by password and set it up again. First make sure who is asking."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", metavar="USERNAME", help="the name in the admin's list")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"There is no user {name}; see them in the admin.")
        if second_factor.remove_factor(user.pk):
            self.stdout.write(f"{name} logs in by password until they set up a device again.")
        else:
            self.stdout.write(f"{name} has no device set up; nothing was changed.")
