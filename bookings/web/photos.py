"""The pictures of photos, which are files: the same for everybody, and never changed."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from bookings.content.photos import files
from bookings.content.photos.files import StorageAway

# A photo with other pixels has another URL.
KEEP = "public, max-age=31536000, immutable"


@require_safe
def picture(request: HttpRequest, name: str) -> HttpResponse:
    """One picture by its name, such as `<id>-<digest>/960.avif`.

    Asks neither MongoDB nor the session, and lets no other name reach the storage.
    """
    known = files.PICTURE.fullmatch(name)
    if known is None or not files.are_on():
        return _say("There is no such photo.", status=404)
    try:
        content = files.read(name)
    except StorageAway:
        response = _say("The photos are away for a moment; try again.", status=503)
        response["Retry-After"] = str(int(files.PAUSE_S))
        return response
    if content is None:
        return _say("There is no such photo.", status=404)
    response = HttpResponse(content, content_type=files.FORMATS[known["format"]])
    response["Cache-Control"] = KEEP
    return response


def _say(sentence: str, *, status: int) -> HttpResponse:
    return HttpResponse(f"{sentence}\n", content_type="text/plain; charset=utf-8", status=status)
