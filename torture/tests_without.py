"""A plugin of pytest that switches guards off: `WITHOUT=lease pytest -p torture.tests_without`."""

import os

from torture import guards


def pytest_collection_finish() -> None:
    """The settings are loaded by now, and the tests have imported what they use."""
    guards.switch_off(filter(None, os.environ.get("WITHOUT", "").split(",")))
