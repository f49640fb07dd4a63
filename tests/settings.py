"""The development settings, with the servers and the database of this test run."""

import os
import tempfile

os.environ.setdefault("BOOKINGSITE_ENV", "development")
os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("API_THROTTLE", "off")
os.environ.setdefault("DEFAULT_HOTEL", "demo")
os.environ.setdefault("MONGODB_NAME", "test_bookingsite")
os.environ.setdefault(
    "PHOTOS_FOLDER",
    f"{os.environ.get('TEST_SERVERS_FOLDER') or tempfile.gettempdir()}/photos",
)

from bookingsite.settings import *  # noqa: E402, F403

# Argon2 is slow on purpose, and no one guesses passwords here.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# Here for every process of the site that a test starts, and before its first client, which takes
# the listeners registered by then.
from pymongo import monitoring  # noqa: E402

from tests.query_plans import queries  # noqa: E402

monitoring.register(queries)
