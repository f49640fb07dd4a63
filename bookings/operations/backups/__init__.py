"""Backups of the site's whole database, as of one moment, and how they come back.

A backup is a folder: a file of BSON for each collection, a manifest that says what is in them, and
their SHA-256. `folders` keeps such folders whole, `writing` fills one, `restoring` reads one.
"""
