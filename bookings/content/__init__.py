"""What guests read and see of a hotel and its rooms: texts by language, amenities, beds, an
address, photos.

Nothing here decides what can be booked; `catalogue` and `availability` do. Modules here may import
`indexes`, `domain`, `infrastructure`, `refusals`, `points` and `models`.
"""
