"""How days, moments and stays are written, for the admin and the guests' pages alike."""
