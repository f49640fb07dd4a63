"""The front desk's pages: occupancy, today, free rooms and guests. Each page checks its own
permission on bookings. Only services change bookings."""
