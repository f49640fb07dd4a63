from django.apps import AppConfig


class BookingsConfig(AppConfig):
    name = "bookings"
    default_auto_field = "django_mongodb_backend.fields.ObjectIdAutoField"

    def ready(self) -> None:
        # All except `metrics` are imported because they register checks or signal receivers.
        from bookings import checks  # noqa: F401
        from bookings.infrastructure import metrics  # noqa: F401
        from bookings.news.webhooks import endpoints  # noqa: F401
        from bookings.people import accounts, roles, second_factor, sessions  # noqa: F401
        from locks.connection import watch_breakers

        watch_breakers(metrics.note_breaker)
