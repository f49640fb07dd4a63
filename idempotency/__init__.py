"""Idempotency keys: claim, replay, finish. Knows neither Django's models nor bookings."""
