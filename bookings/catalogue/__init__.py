"""What a hotel sells: its rooms and categories, and the calendar of nights with their prices.

Nothing here reads bookings; whether a room is free is the business of `availability`. Modules here
may import `indexes`, `domain`, `infrastructure`, `refusals`, `points` and `models`.
"""
