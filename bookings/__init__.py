"""The booking engine: hotels, stays and bookings, from the entrances down to the database."""
