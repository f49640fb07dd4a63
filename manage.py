#!/usr/bin/env python
"""The operators' entrance: `manage.py help` lists what it can do."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType

# Written by `make run`, so that a second terminal talks to the servers it started.
RUN_ENV = Path(__file__).resolve().parent / "var" / "run.env"


def main() -> None:
    # In a container a command is process 1, whom the kernel spares a signal without a handler.
    signal.signal(signal.SIGTERM, stop)
    if RUN_ENV.exists():
        for line in RUN_ENV.read_text(encoding="utf-8").splitlines():
            name, separator, value = line.partition("=")
            if separator:
                os.environ.setdefault(name, value)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookingsite.settings")

    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError:
        sys.exit("Django is missing here; use .venv/bin/python manage.py, which `make run` makes.")

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except Exception as error:
        if "--traceback" in sys.argv or not is_unreachable(error):
            raise
        sys.exit("MongoDB cannot be reached; start it (make run), or mend MONGODB_URI.")


def stop(number: int, _: FrameType | None) -> None:
    """Ends like any program that gets this signal, through whatever has to be tidied up."""
    sys.exit(128 + number)


def is_unreachable(error: Exception) -> bool:
    """Whether a command failed because there is no MongoDB to talk to, or no primary."""
    from bookings import mongodb_errors

    failed = mongodb_errors.driver_error(error)
    return failed is not None and mongodb_errors.is_passing(failed)


if __name__ == "__main__":
    main()
