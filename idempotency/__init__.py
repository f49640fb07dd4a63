"""Idempotency keys: claim, replay, finish. It knows neither Django's models nor bookings."""
