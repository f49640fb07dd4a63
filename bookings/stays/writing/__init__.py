"""The only writer of the collection `bookings`: one module for each kind of write.

Every change of a stored booking goes through `versioned`, which compares and moves its version. No
other module of the site may write to the collection; a test checks that. Modules here may import
the modules of `stays` that read.
"""
