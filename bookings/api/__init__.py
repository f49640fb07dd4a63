"""The partners' entrance: the REST API and its OpenAPI description.

Each view reads a request, calls one service and sends its answer; `stays` makes the bytes of an
answer about a booking. Modules here may import every layer below the entrances.
"""
