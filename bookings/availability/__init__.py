"""Which rooms are free for a stay, by which rule, and what the stay costs.

It reads bookings and writes none; claiming, locking and writing are in `stays`. Modules here may
import `catalogue` and the layers below it.
"""
