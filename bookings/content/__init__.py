"""What guests read about a hotel and its rooms: texts by language, amenities, beds, an address.

Nothing here decides what can be booked; `catalogue` and `availability` do. Modules here may import
`indexes`, `domain`, `infrastructure`, `refusals`, `points` and `models`.
"""
