"""The front desk's pages: occupancy, today, free rooms, guests. Each asks for a permission on
bookings of its own, and changes bookings through services only."""
