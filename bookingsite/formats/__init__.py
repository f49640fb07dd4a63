"""Formats of dates and times that replace Django's, one package for each language."""
