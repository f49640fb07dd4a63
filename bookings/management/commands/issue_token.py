from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bookings.domain.callers import ACT_FOR_OTHERS, BOOK, SCOPES
from bookings.domain.stay_request import parse_date
from bookings.infrastructure import clock
from bookings.infrastructure.texts import BadText, read_line
from bookings.models import ApiClient, Hotel
from bookings.people import tokens
from bookings.people.tokens import Allowed, end_of


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
            "--scope",
            action="append",
            choices=SCOPES,
            help="let the token do this alone; give it several times for more; all by default",
        )
        parser.add_argument(
            "--hotel",
            action="append",
            metavar="ID",
            help="let the token know this hotel alone; give it several times for more",
        )
        parser.add_argument(
            "--last-day", metavar="YYYY-MM-DD", help="the day, by UTC, at whose end the token ends"
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
        allowed = _read_allowed(options)
        client, made = ApiClient.objects.get_or_create(name=name)
        if options["act_for_others"] and not client.act_for_others:
            client.act_for_others = True
            client.save(update_fields=["act_for_others"])
        self.stdout.write(
            f"{'New' if made else 'Known'} client {name}, client:{client.pk}. Keep this token:"
        )
        self.stdout.write(tokens.issue_token(client.pk, allowed))


def _read_allowed(options: dict[str, Any]) -> Allowed:
    """Raises CommandError."""
    hotels = options["hotel"]
    if hotels:
        known = set(Hotel.objects.filter(pk__in=hotels).values_list("pk", flat=True))
        if missing := sorted(set(hotels) - known):
            raise CommandError(f"There is no hotel {missing[0]}; see their ids in the admin.")
    scopes = tuple(options["scope"] or SCOPES)
    if options["act_for_others"] and not {BOOK, ACT_FOR_OTHERS} <= set(scopes):
        raise CommandError(
            "This token could not act for others; leave out --scope, or add "
            f"--scope {BOOK} --scope {ACT_FOR_OTHERS}."
        )
    if fault := tokens.judge_scopes(scopes):
        raise CommandError(fault)
    last_day = None
    if options["last_day"]:
        last_day = parse_date(options["last_day"])
        if last_day is None or last_day < clock.now().date():
            raise CommandError("Give --last-day a day that has not ended, written YYYY-MM-DD.")
    return Allowed(
        scopes=scopes,
        hotels=tuple(sorted(set(hotels))) if hotels else None,
        ends_at=end_of(last_day),
    )
