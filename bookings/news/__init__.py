"""News of bookings on its way: out of the outboxes, into deliveries, to guests and to partners.

`stays` decides what is news, with the change itself; letters about accounts are in `people`.
Modules here may import `stays` and what is below it, and neither `people` nor `front_desk`.
"""
