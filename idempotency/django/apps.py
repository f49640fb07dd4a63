from django.apps import AppConfig


class IdempotencyConfig(AppConfig):
    """The page of the admin and the command that look up a key. Views need no installed app."""

    name = "idempotency.django"
    label = "idempotency"
