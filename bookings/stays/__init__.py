"""What is done with bookings: made, held, confirmed, moved, cancelled, read, and answered for.

The desk's own work is in `front_desk`; mails and webhooks that follow are in `news`, which empties
the outboxes that are filled here. Modules here may import `availability` and what is below it, and
the layers `idempotency` and `locks`.
"""
