"""Rooms, stays and bookings: the flow, its documents, and its entrances."""
