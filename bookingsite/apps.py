"""Django's own applications with the ObjectId keys that MongoDB uses."""

from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig
from django.contrib.auth.apps import AuthConfig as DjangoAuthConfig
from django.contrib.contenttypes.apps import ContentTypesConfig as DjangoContentTypesConfig

from bookingsite import backend_fixes

OBJECT_ID = "django_mongodb_backend.fields.ObjectIdAutoField"


class AdminConfig(DjangoAdminConfig):
    default_auto_field = OBJECT_ID
    default_site = "bookingsite.admin_site.Site"


class AuthConfig(DjangoAuthConfig):
    default_auto_field = OBJECT_ID

    def ready(self) -> None:
        super().ready()
        # Before anybody is looked up.
        backend_fixes.escape_iexact()


class ContentTypesConfig(DjangoContentTypesConfig):
    default_auto_field = OBJECT_ID
