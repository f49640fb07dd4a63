"""Measurements and pictures, each started as `python -m bench.NAME`; none is part of the site."""
