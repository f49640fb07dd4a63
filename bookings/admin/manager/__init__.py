"""The manager's pages: prices in bulk, nights as CSV, occupancy and revenue, who did what.

A page adds a job for its nights, and `catalogue` does the job. Modules here may import the other
modules of `admin`, except `desk`, and every layer below the entrances.
"""

from bookings.admin.manager import figures, files, log, prices

__all__ = ["figures", "files", "log", "prices"]
