from django.apps import AppConfig


class LocksConfig(AppConfig):
    """The command that lists and breaks locks."""

    name = "locks.django"
    label = "locks"
