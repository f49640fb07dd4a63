"""The concepts of the business: a booking, a request for a stay, a caller, money.

Modules here have the facts and the rules that need no other data, with one exception:
`account_deletion` has a collection, since every layer above writes in the name of accounts.
`catalogue` reads the catalogue; `stays` reads and writes bookings. Modules here may import
`infrastructure`, `refusals` and `points`.
"""
