"""Webhooks: telling a partner's own server about changes of the partner's bookings.

They follow the Standard Webhooks specification (https://www.standardwebhooks.com). The relay in
`news` says which events a partner gets; here they are signed and sent, one after the other. Modules
here may import `deliveries` of `news`, `stays` and the layers below it.
"""
