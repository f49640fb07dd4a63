"""The only writer of the collection `bookings`: one module for each kind of write.

Every change of a booking that is there goes through `versioned`, which compares and moves its
version. No other module of the site may write here, and a test watches that; these may import the
rest of `stays` that reads.
"""
