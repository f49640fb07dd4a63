"""English, as the admin writes days and moments."""

# With the weekday, which staff ask for, and the month in letters, which no country misreads.
DATE_FORMAT = "D j M Y"
SHORT_DATE_FORMAT = "D j M"
# With the zone, since staff at a hotel would take it for the hotel's time. Mails and guests'
# pages name the hotel's time where they show it.
DATETIME_FORMAT = "D j M Y, H:i e"
