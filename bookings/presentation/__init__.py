"""How days and moments are written: one voice for the admin, the guests' pages and mails.

Modules here read no document, and may import no other package of bookings.
"""
