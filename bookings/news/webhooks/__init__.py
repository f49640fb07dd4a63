"""Webhooks: what becomes of a partner's bookings, told to the partner's own server.

They follow the Standard Webhooks specification (https://www.standardwebhooks.com).
"""
