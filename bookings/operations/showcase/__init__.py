"""Two hotels that show what a site can look like: texts, painted pictures, prices of a year,
sixty days of bookings.

`bench/pictures` paints the pictures. Guests can book here as in any hotel;
`bookings/operations/demo_data.py` makes the plain hotels that examples and measurements use.
Modules here may import `stays`, `catalogue`, `content` and every layer below them.
"""
