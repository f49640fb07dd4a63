"""The API's description in OpenAPI 3, at /api/schema: written once per process and format.

Writing it takes a tenth of a second of processor time, anyone may ask for it, and it changes only
with a deployment.
"""

import functools
import hashlib
import threading
from typing import Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response, patch_cache_control
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

from bookings.infrastructure.compression import compress, pack

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
        tag = _tag_of(text)
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        # 304 without a body if the client has this description already.
        response = get_conditional_response(request, etag=tag) or HttpResponse(
            text, content_type=renderer.media_type + charset
        )
        response["ETag"] = tag
        name = self._get_filename(request, version=None)
        response["Content-Disposition"] = f'inline; filename="{name}"'
        patch_cache_control(response, max_age=MAX_AGE_S)
        compress(request, response, packed_by=_pack_once)
        return response


# Both formats.
_pack_once = functools.lru_cache(maxsize=2)(pack)


@functools.cache
def _tag_of(text: str | bytes) -> str:
    """Weak, since the compressed description has the same."""
    packed = text.encode() if isinstance(text, str) else text
    return f'W/"{hashlib.sha256(packed).hexdigest()[:32]}"'


@functools.cache
def write_description(format: str) -> str | bytes:
    """The description as `yaml` or `json`, in the same words for everyone."""
    renderer = {"yaml": OpenApiYamlRenderer, "json": OpenApiJsonRenderer}[format]()
    description = Description.generator_class().get_schema(request=None, public=True)
    return renderer.render(description, renderer.media_type, {})
