"""Makes every step of a migration on collections and indexes repeatable.

MongoDB puts no transaction around a migration, and Django records one only when all of it is done.
A migration that was killed, or lost MongoDB, runs again from its start. What it created exists by
then, what it removed is gone, and the values it filled in may be in use. The backend's own editor
fails at the first collection that exists.
"""

from typing import Any

from django.db.models import Index
from django_mongodb_backend.schema import DatabaseSchemaEditor as BackendSchemaEditor
from pymongo.errors import OperationFailure

from bookings.indexes import make_collection, make_indexes

# MongoDB's error codes.
NAMESPACE_NOT_FOUND, INDEX_NOT_FOUND = 26, 27


class DatabaseSchemaEditor(BackendSchemaEditor):
    """Sends its commands through a repeatable collection or database, and skips the removal of an
    index that is already gone."""

    def get_collection(self, name):
        collection = super().get_collection(name)
        return collection if self.collect_sql else RepeatableCollection(collection)

    def get_database(self):
        database = super().get_database()
        return database if self.collect_sql else RepeatableDatabase(database)

    def _remove_field_index(self, model, field, column_prefix=""):
        if self._finds(model, [column_prefix + field.column], index=True, type_=Index.suffix):
            super()._remove_field_index(model, field, column_prefix=column_prefix)

    def _remove_field_unique(self, model, field, column_prefix=""):
        if self._finds(model, [column_prefix + field.column], unique=True, primary_key=False):
            super()._remove_field_unique(model, field, column_prefix=column_prefix)

    def _remove_composed_index(
        self, model, field_names, constraint_kwargs, column_prefix="", parent_model=None
    ):
        columns = [column_prefix + model._meta.get_field(name).column for name in field_names]
        if self._finds(model, columns, parent_model=parent_model, **constraint_kwargs):
            super()._remove_composed_index(
                model, field_names, constraint_kwargs, column_prefix, parent_model
            )

    def _finds(self, model, columns, *, parent_model=None, **kind):
        """Whether such an index exists besides those that the model names. The backend is about to
        remove it, and fails if it is missing."""
        named = {one.name for one in (*model._meta.constraints, *model._meta.indexes)}
        return bool(self._constraint_names(parent_model or model, columns, exclude=named, **kind))


class _Repeatable:
    """Passes everything on to the object it wraps, except its own methods."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self._wrapped, name)


class RepeatableDatabase(_Repeatable):
    """A database in which creating a collection that exists is no error."""

    def create_collection(self, name: str) -> None:
        make_collection(self._wrapped, name)


class RepeatableCollection(_Repeatable):
    """A collection in which a command that was already carried out is no error."""

    def create_indexes(self, indexes: list[Any]) -> None:
        make_indexes(self._wrapped, indexes)

    def drop_index(self, name: str) -> None:
        try:
            self._wrapped.drop_index(name)
        except OperationFailure as error:
            if error.code != INDEX_NOT_FOUND:
                raise

    def rename(self, new_name: str) -> None:
        try:
            self._wrapped.rename(new_name)
        except OperationFailure as error:
            is_done = new_name in self._wrapped.database.list_collection_names()
            if error.code != NAMESPACE_NOT_FOUND or not is_done:
                raise

    def update_many(self, filter: dict[str, Any], update: Any) -> None:
        """Sets a new field's default only in documents that lack the field.

        The backend sets it everywhere, with a pipeline. By the time that is repeated, a request
        may have given the field a value."""
        if not filter and isinstance(update, list):
            filter = {column: {"$exists": False} for column in update[0]["$set"]}
        self._wrapped.update_many(filter, update)
