from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.infrastructure.texts import BadText, read_line
from bookings.models import ApiClient
from bookings.people import tokens


class Command(BaseCommand):
    help = "Issues a token for an API client. The last line is the token alone, shown only now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the client; made if there is none of this name")
        parser.add_argument(
            "--act-for-others",
            action="store_true",
            help="let the client send a userId, to book for its own guests",
        )
        parser.add_argument(
            "--revoke", action="store_true", help="revoke all its tokens at once and issue none"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            name = read_line(options["name"].strip())
        except BadText:
            name = ""
        if not 0 < len(name) <= 100:
            raise CommandError("Give the client a name of 1 to 100 characters on one line.")
        if options["revoke"]:
            client = ApiClient.objects.filter(name=name).first()
            if client is None:
                raise CommandError(f"There is no API client {name}; see them in the admin.")
            ended = tokens.revoke_tokens(client.pk)
            self.stdout.write(f"Tokens of {name} revoked: {ended}.")
            return
        client, made = ApiClient.objects.get_or_create(name=name)
        if options["act_for_others"] and not client.act_for_others:
            client.act_for_others = True
            client.save(update_fields=["act_for_others"])
        self.stdout.write(
            f"{'New' if made else 'Known'} client {name}, client:{client.pk}. Keep this token:"
        )
        self.stdout.write(tokens.issue_token(client.pk))
