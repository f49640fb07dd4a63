"""The development settings, on the servers and the database that the test run made."""

import os

os.environ.setdefault("BOOKINGSITE_ENV", "development")
os.environ.setdefault("SECRET_KEY", "only-for-tests")
os.environ.setdefault("API_THROTTLE", "off")
os.environ.setdefault("DEFAULT_HOTEL", "demo")
os.environ.setdefault("MONGODB_NAME", "test_bookingsite")

from bookingsite.settings import *  # noqa: E402, F403

# Argon2 is slow on purpose, and here nobody guesses passwords.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
