"""The site's database backend: django-mongodb-backend, with its unsafe parts (5.2.4) replaced.

Tests fail when a newer release does these things itself.
"""

from django_mongodb_backend import base
from django_mongodb_backend.operations import DatabaseOperations as BackendOperations

from bookingsite.database.schema import DatabaseSchemaEditor


class DatabaseOperations(BackendOperations):
    """Makes `iexact` match only the given text, not everything that fits it as a pattern.

    The backend implements `iexact` with a regular expression. It escapes the text in every other
    look-up of that kind, but not here: boss|x@evil.example matched boss@hotel.example.
    """

    prep_for_iexact_query = BackendOperations.prep_for_like_query


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = DatabaseSchemaEditor
    ops_class = DatabaseOperations
