"""Production's settings without a database, to compare models with their migrations.

Otherwise `makemigrations --check` would ask the database which migrations it has seen.
"""

from bookingsite.settings import *  # noqa: F403

DATABASES = {"default": {"ENGINE": "django.db.backends.dummy"}}
