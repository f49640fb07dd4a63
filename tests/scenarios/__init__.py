"""The scenarios of /how-it-works, recorded from the real service: see record.py."""
