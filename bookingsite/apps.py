"""Django's own applications, with the ObjectId keys that MongoDB uses and names for staff."""

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.contrib.admin.options import FORMFIELD_FOR_DBFIELD_DEFAULTS
from django.contrib.auth.apps import AuthConfig as DjangoAuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig as DjangoContentTypesConfig
from django.db import models

from bookings.infrastructure.texts import LineField, LinesField

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


class AdminConfig(DjangoAdminConfig):
    verbose_name = "History"
    default_auto_field = OBJECT_ID
    default_site = "bookingsite.admin_site.Site"

    def ready(self) -> None:
        # This runs before any form is built from a model, so the rules for texts apply to every
        # form, including those for people and groups. A model's own choices and
        # `formfield_overrides` take precedence.
        FORMFIELD_FOR_DBFIELD_DEFAULTS[models.CharField]["form_class"] = LineField
        FORMFIELD_FOR_DBFIELD_DEFAULTS[models.TextField]["form_class"] = LinesField
        super().ready()


class AuthConfig(DjangoAuthConfig):
    verbose_name = "Users and groups"
    default_auto_field = OBJECT_ID

    def ready(self) -> None:
        super().ready()
        # Connects the receiver that notes when a session began; it needs the applications loaded.
        from bookingsite import staff  # noqa: F401


class ContentTypesConfig(DjangoContentTypesConfig):
    default_auto_field = OBJECT_ID
