"""A model without a table: the admin lists the look-up under it, and staff get its permission."""

from django.db import models


class IdempotencyKey(models.Model):
    """Stands for a key in Redis and in the durable store. It is never stored."""

    digest = models.CharField(primary_key=True, max_length=64)

    class Meta:
        managed = False
        default_permissions = ("view",)
        verbose_name = "idempotency key"
