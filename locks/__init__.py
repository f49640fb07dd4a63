"""Short-lived exclusive locks in Redis. Its core knows neither Django nor bookings."""
