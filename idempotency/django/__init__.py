"""Idempotency keys in Django: `decorator` for views, `drf` for REST framework, and look-ups."""
