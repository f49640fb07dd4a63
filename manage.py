#!/usr/bin/env python
"""The operators' entrance: `manage.py help` lists what it can do."""

import os
import sys
from pathlib import Path

# Written by `make run`, so that a second terminal talks to the servers it started.
RUN_ENV = Path(__file__).resolve().parent / "var" / "run.env"


def main() -> None:
    if RUN_ENV.exists():
        for line in RUN_ENV.read_text(encoding="utf-8").splitlines():
            name, separator, value = line.partition("=")
            if separator:
                os.environ.setdefault(name, value)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookingsite.settings")

    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
