"""The site's database backend, which looks for no library of maps when it is imported.

django-mongodb-backend (5.2.4) imports Django's part for maps three times. Each time that looks for
GDAL under twelve names with ldconfig, gcc and ld, and fails: with a compiler installed this is a
third of the work of every start. The site draws no map.
"""

from ctypes import util

find_library = util.find_library


def find_all_but_gdal(name: str) -> str | None:
    return None if name.lower().startswith("gdal") else find_library(name)


util.find_library = find_all_but_gdal
try:
    import django_mongodb_backend.base  # noqa: F401
finally:
    util.find_library = find_library
