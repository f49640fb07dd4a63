#!/usr/bin/env python
"""The operators' entrance; `manage.py help` lists its commands."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

# `make run` writes it, so that a second terminal talks to the servers that it started.
RUN_ENV = Path(__file__).resolve().parent / "var" / "run.env"


def main() -> None:
    # A container's command is process 1; the kernel sends it no signal that it does not handle.
    signal.signal(signal.SIGTERM, stop)
    sys.unraisablehook = complain
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
        try:
            execute_from_command_line(sys.argv)
        finally:
            sys.stdout.flush()
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        if not is_unread():
            raise
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        what_to_do = explain(error)
        if "--traceback" in sys.argv or what_to_do is None:
            raise
        sys.exit(what_to_do)


def stop(number: int, _: FrameType | None) -> None:
    """Ends as any program does on this signal, and cleans up on the way."""
    sys.exit(128 + number)


def complain(unraisable: Any) -> None:
    """Reports an error that Python cannot raise, but for an object that a signal left half made.

    A signal can end a constructor between any two lines; what the destructor then misses says
    nothing that an operator could act on.
    """
    is_destructor = getattr(unraisable.object, "__name__", None) == "__del__"
    if not (is_destructor and unraisable.exc_type is AttributeError):
        sys.__unraisablehook__(unraisable)


def is_unread() -> bool:
    """Whether the reader of the command's output has gone, as `head` does; stops further output.

    A broken pipe to a server raises the same error, so this tries the output itself.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Otherwise the interpreter would try again at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def explain(error: Exception) -> str | None:
    """What to do if MongoDB refuses the login, is out of reach or has no primary; else None."""
    from bookings.infrastructure.mongodb import errors

    failed = errors.driver_error(error)
    if failed is None:
        return None
    if errors.is_unknown_login(failed):
        return errors.UNKNOWN_LOGIN
    if errors.is_passing(failed):
        return "MongoDB cannot be reached; start it (make run), or fix MONGODB_URI."
    return None


if __name__ == "__main__":
    main()
