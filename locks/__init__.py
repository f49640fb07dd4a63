"""Short-lived exclusive locks in Redis. It knows neither Django's models nor bookings."""
