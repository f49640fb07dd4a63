"""Locks in Django: the command that lists them."""
