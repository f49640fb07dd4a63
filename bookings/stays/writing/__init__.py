"""The only writer of the collection `bookings`: one module for each kind of write.

A write that changes what a booking is goes through `versioned`, which compares and moves its
version; emptying outboxes and renewing search terms do not. No other module may write to the
collection, except a restore and migrations; a test checks that. Modules here may import `queries`,
`kept_answers`, `rivals`, `notices` and `hold_limits` of `stays`, and the layers below it.
"""
