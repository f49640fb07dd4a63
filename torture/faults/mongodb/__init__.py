"""Faults of the replica set, by what they work on.

Only clocks differ while another of these lasts, so each finds the set whole. Each leaves it whole,
whatever became of it in between.
"""

from torture.faults.mongodb import disks_and_clocks, fail_points, links, members

__all__ = ["disks_and_clocks", "fail_points", "links", "members"]
