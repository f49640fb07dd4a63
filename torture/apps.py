"""The application that switches guards off, once the site's own code is loaded."""

from django.apps import AppConfig
from django.conf import settings


class TortureConfig(AppConfig):
    name = "torture"

    def ready(self) -> None:
        without = getattr(settings, "TORTURE_WITHOUT", [])
        if without:
            from torture import guards

            guards.switch_off(without)
