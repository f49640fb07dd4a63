"""What happens to bookings when an account goes, whoever deletes it and wherever."""

from typing import Any

from django.conf import settings
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from bookings import services


@receiver(pre_delete, sender=settings.AUTH_USER_MODEL)
def forget_user(instance: Any, **_: Any) -> None:
    """Before the account goes: should this fail, the account is still there to try again."""
    services.forget_user(user_id=instance.pk)
