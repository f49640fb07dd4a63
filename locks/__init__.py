"""Short-lived exclusive locks in Redis. Knows neither Django's models nor bookings."""
