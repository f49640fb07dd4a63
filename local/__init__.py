"""Runs the site on one machine: its servers, the checks before them, and the runner."""
