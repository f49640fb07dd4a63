from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from idempotency.django import lookup
from idempotency.errors import InvalidKey, UnknownCaller

WHAT_A_KEY_IS = "the key, together with --caller, or its digest (64 hex digits)"


class Command(BaseCommand):
    help = "Shows what is known about an idempotency key, or removes its record from Redis."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="show the state, the answer and the effect of a key")
        show.add_argument("key", metavar="KEY", help=WHAT_A_KEY_IS)
        purge = actions.add_parser("purge", help="remove the records of keys from Redis")
        purge.add_argument("key", metavar="KEY", nargs="*", help=WHAT_A_KEY_IS)
        purge.add_argument("--all", action="store_true", help="remove all records")
        operation = lookup.default_operation()
        default = f" (default: {operation})" if operation else ""
        for action in (show, purge):
            action.add_argument(
                "--caller",
                default="",
                help=f"the owner of the key: {lookup.help_on('caller')}",
            )
            action.add_argument(
                "--operation",
                default="",
                help=f"the operation: {lookup.help_on('operation')}{default}",
            )
            action.add_argument("--target", default="", help=lookup.help_on("target"))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "show":
            self._show(self._digest(options["key"], options), options["target"])
        else:
            self._purge(options)

    def _show(self, digest: str, target: str) -> None:
        finding = lookup.look_up(digest, target=target)
        self.stdout.write(f"Digest: {digest}")
        self.stdout.write(finding.state)
        if finding.effect:
            effect = finding.effect
            self.stdout.write(f"Stored in {effect.model} {effect.pk}: {effect.label}.")
        elif finding.store_answers:
            self.stdout.write("Nothing is stored under this key.")
        else:
            self.stdout.write("Only Redis was asked; set IDEMPOTENCY_FIND_EFFECT to ask the store.")
        if finding.answer:
            self.stdout.write(f"Answer: {finding.answer.status} {finding.answer.content_type}")
            self.stdout.write(finding.body)

    def _purge(self, options: dict[str, Any]) -> None:
        if bool(options["key"]) == options["all"]:
            raise CommandError("Name the keys to purge, or pass --all.")
        claims = lookup.claims()
        try:
            if options["all"]:
                digests = list(claims.digests())
            else:
                digests = [self._digest(key, options) for key in options["key"]]
            removed = sum(claims.forget(digest) for digest in digests)
        except RedisError as error:
            raise CommandError("Start Redis; it does not answer.") from error
        self.stdout.write(
            f"Redis forgot {removed} of its records. Successes stay final where a durable store "
            "keeps them. If only Redis kept an answer, its effect may happen again. A request that "
            "was refused may succeed now."
        )

    def _digest(self, key: str, options: dict[str, Any]) -> str:
        try:
            return lookup.read_digest(
                key,
                caller=options["caller"],
                operation=options["operation"],
                target=options["target"],
            )
        except (InvalidKey, UnknownCaller) as error:
            raise CommandError(str(error)) from error
