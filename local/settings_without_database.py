"""Production's settings without a database, for comparing models with their migrations.

`makemigrations --check` would otherwise ask the database which migrations it has seen.
"""

from bookingsite.settings import *  # noqa: F403

DATABASES = {"default": {"ENGINE": "django.db.backends.dummy"}}
