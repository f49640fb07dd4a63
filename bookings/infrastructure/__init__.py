"""What the booking engine stands on: its connections, its clock, its measures, and its plain tools.

Nothing here knows what a booking, a guest or a hotel is; a rule of the business belongs in `domain`
or above. Modules here may import `refusals` and `points`, the layers `locks` and `idempotency`, and
libraries.
"""
