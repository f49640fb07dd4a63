"""What the front desk does: marks guests, blocks rooms, moves stays, finds guests, reads figures.

A change of a booking goes through `stays`, which writes it. Modules here may import `stays` and
what is below it, and neither `news` nor `people`.
"""
