"""The technical base of the booking engine: connections, clock, deadlines, metrics, queues, mail.

Nothing here reads bookings, guests or hotels, or decides about them; rules of the business belong
in `domain` or above. Modules here may import `refusals`, `points`, `locks`, `idempotency` and
third-party libraries.
"""
