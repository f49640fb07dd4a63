"""The front desk's pages: occupancy, today, free rooms and guests.

Each page checks its own permission on bookings. Only services change bookings; the lists of
bookings and blocks are in `admin` itself. Modules here may import the other modules of `admin`,
except `manager`, and every layer below the entrances.
"""
