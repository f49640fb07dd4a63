"""Idempotency keys: claim, replay, finish. Its core knows neither Django nor bookings."""
