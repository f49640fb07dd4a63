"""News of bookings on its way: from the outboxes into deliveries, then to guests and partners.

`stays` decides what is news, together with the change itself; letters that prove an e-mail address
are in `people`. Modules here may import `stays` and the layers below, but neither `people` nor
`front_desk`.
"""
