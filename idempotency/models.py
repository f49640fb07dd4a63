"""No table: a name under which the admin lists the look-up and people get the right to use it."""

from django.db import models


class IdempotencyKey(models.Model):
    """Stands for what Redis and the durable store know of a key; never stored itself."""

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "idempotency key"
