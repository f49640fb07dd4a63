"""Where django-mongodb-backend does something unsafe, and what is done instead."""

from django_mongodb_backend.operations import DatabaseOperations


def escape_iexact() -> None:
    """Has `iexact` find what was asked for, and nothing that fits it as a regular expression.

    The backend (5.2.4) looks it up by one, and escapes what it looks for in every such look-up but
    this: boss|x@evil.example was found to be boss@hotel.example. A test says when a newer backend
    does it itself.
    """
    DatabaseOperations.prep_for_iexact_query = DatabaseOperations.prep_for_like_query
