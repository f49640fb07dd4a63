"""The life of a booking: make, hold, confirm, extend, move, cancel and read it.

`front_desk` has the desk's own work. The outboxes are filled here; `news` empties them and sends
the mails and webhooks. Modules here may import `availability` and the layers below it, and the
libraries `idempotency` and `locks`.
"""
