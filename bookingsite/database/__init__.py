"""The site's database backend, imported without a search for GDAL.

django-mongodb-backend (5.2.4) imports Django's map support three times. Each import looks for GDAL
under twelve names with ldconfig, gcc and ld, and fails. With a compiler installed, that search is a
third of the work of every start. The site draws no maps.
"""

from ctypes import util

find_library = util.find_library


def find_all_but_gdal(name: str) -> str | None:
    """ctypes' search for a library, except that GDAL is never found."""
    return None if name.lower().startswith("gdal") else find_library(name)


util.find_library = find_all_but_gdal
try:
    import django_mongodb_backend.base  # noqa: F401
finally:
    util.find_library = find_library
