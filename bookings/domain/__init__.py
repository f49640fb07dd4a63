"""What the words of the business mean: a booking, a wish for a stay, a caller, money.

Modules here hold the facts and the rules that need nobody else's data; what reads the catalogue is
in `catalogue`, what reads or writes bookings in `stays`. They may import `infrastructure`,
`refusals` and `points`.
"""
