"""The texts that a hotel must show, each on a page of its own."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# By the field of the hotel's content, which is also the last part of the page's URL.
LEGAL: dict[str, Promise] = {
    "terms": _("Terms and conditions"),
    "privacy": _("Privacy"),
    "imprint": _("Imprint"),
}
