"""What a hotel sells: its rooms and categories, and the calendar of nights with their prices.

Nothing here looks at bookings, so whether a room is free is not known here but in `availability`.
Modules here may import `indexes`, `domain`, `infrastructure`, `refusals`, `points` and `models`.
"""
