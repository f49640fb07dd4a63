"""The site's database backend: django-mongodb-backend, but for what it does unsafely (5.2.4).

Tests say when a newer one does these things itself.
"""

from django_mongodb_backend import base
from django_mongodb_backend.operations import DatabaseOperations as BackendOperations

from bookingsite.database.schema import DatabaseSchemaEditor


class DatabaseOperations(BackendOperations):
    """Has `iexact` find what was asked for, and nothing that fits it as a regular expression.

    The backend looks it up by one, and escapes what it looks for in every such look-up but this:
    boss|x@evil.example was found to be boss@hotel.example.
    """

    prep_for_iexact_query = BackendOperations.prep_for_like_query


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = DatabaseSchemaEditor
    ops_class = DatabaseOperations
