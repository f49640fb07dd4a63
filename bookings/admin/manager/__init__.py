"""The manager's pages: prices in bulk, nights as CSV, occupancy and revenue, who did what."""

from bookings.admin.manager import figures, files, log, prices

__all__ = ["figures", "files", "log", "prices"]
