"""`make torture`: see docs/reliability.md."""

import sys

from torture.faults import UnknownFault
from torture.options import BadOption, environment_options
from torture.run import run
from torture.stack import NotStarted


def main() -> int:
    try:
        return run(environment_options())
    except (BadOption, UnknownFault, NotStarted) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2


if __name__ == "__main__":
    sys.exit(main())
