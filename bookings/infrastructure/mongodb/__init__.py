"""MongoDB through its driver: transactions, passing errors, outages, the replica set's members.

No module here reads or writes a collection of the business. Modules here may import the other
modules of `infrastructure`.
"""
