"""The version that a site tells of is the project's."""

from __future__ import annotations

import tomllib

from django.conf import settings

from bookingsite import __version__
from tests.site.site import ROOT


def test_is_the_same_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert __version__ == project["version"]
    assert settings.SPECTACULAR_SETTINGS["VERSION"] == project["version"]
