"""The work of the front desk: marking stays, blocking rooms, moving, finding guests, figures.

`stays` writes every change of a booking. Modules here may import `stays` and the packages below it,
but neither `news` nor `people`.
"""
