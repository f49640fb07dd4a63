"""English: only the admin shows a moment without a format of its own."""

# With the zone, since staff at a hotel would take it for the hotel's time. Mails and guests'
# pages name the hotel's time where they show it.
DATETIME_FORMAT = "Y-m-d H:i e"
