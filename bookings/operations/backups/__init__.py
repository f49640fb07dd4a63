"""Backups of the site's whole database as of one moment, and their restoration.

A backup is a folder with a BSON file for each collection, an archive of the photos' files, a
manifest that describes them, and their SHA-256 digests. `folders` keeps such folders whole,
`writing` fills one, `restoring` reads one, and `photos` copies files both ways.
The doctor checks what a backup needs, and finds a restore that was not finished. Modules here may
import `domain` and `points`, and the names of photos' files from `content`, but nothing else in
between: a backup copies documents as they are.
"""
