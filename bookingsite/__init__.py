"""The site: settings, URLs, health, and the translation of errors into HTTP."""

from bookingsite.celery import app as celery_app

__all__ = ["celery_app"]

__version__ = "0.1.0"
