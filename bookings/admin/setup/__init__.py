"""The guided set-up: one subject a page, from an empty site to a hotel that is open for booking.

Each page saves what it has, so the set-up can be left and continued. Modules here may import the
other modules of `admin`, except `desk`, and every layer below the entrances.
"""
