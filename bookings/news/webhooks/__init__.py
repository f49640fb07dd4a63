"""Webhooks: telling a partner's own server about changes of the partner's bookings.

They follow the Standard Webhooks specification (https://www.standardwebhooks.com).
"""
