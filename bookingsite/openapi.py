"""The API's description in OpenAPI 3, at /api/schema: written once per process and format.

Writing it takes a tenth of a second of processor time, anyone may ask for it, and it changes only
with a deployment.
"""

import functools
import threading
from typing import Any

from django.http import HttpResponse
from django.utils.cache import patch_cache_control
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

# How long a client may keep it.
MAX_AGE_S = 3600

# The library's generator changes what all threads share, so one thread writes at a time.
_writing = threading.Lock()


class Description(SpectacularAPIView):
    """Reads nothing but the format (`?format=` or `Accept`): there is one version, in English."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer = request.accepted_renderer
        with _writing:
            text = write_description(renderer.format)
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        response = HttpResponse(text, content_type=renderer.media_type + charset)
        name = self._get_filename(request, version=None)
        response["Content-Disposition"] = f'inline; filename="{name}"'
        patch_cache_control(response, max_age=MAX_AGE_S)
        return response


@functools.cache
def write_description(format: str) -> str | bytes:
    """The description as `yaml` or `json`, in the same words for everyone."""
    renderer = {"yaml": OpenApiYamlRenderer, "json": OpenApiJsonRenderer}[format]()
    description = Description.generator_class().get_schema(request=None, public=True)
    return renderer.render(description, renderer.media_type, {})
