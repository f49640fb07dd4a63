from django.apps import AppConfig


class BookingsConfig(AppConfig):
    name = "bookings"
    default_auto_field = "django_mongodb_backend.fields.ObjectIdAutoField"

    def ready(self) -> None:
        from bookings import accounts, checks, metrics, roles  # noqa: F401  three register themselves
        from locks.connection import watch_breakers

        watch_breakers(metrics.note_breaker)
