"""MongoDB as the driver shows it: transactions, errors that pass, an outage, the set's members.

No module here reads or writes a collection of the business. Modules here may import the rest of
`infrastructure`.
"""
