"""Plays small worlds of real service calls in every order: `python -m tests.orders`."""
