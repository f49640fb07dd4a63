"""Breaks the real site in many ways, and checks what it promised.

Its variables, such as SEED, MINUTES and FAULTS, are in docs/development.md; docs/reliability.md
tells what it checks.
"""

import argparse
import sys


def main() -> int:
    argparse.ArgumentParser(
        prog="make torture",
        usage="[SEED=1] [MINUTES=10] [FAULTS=mongodb,redis] [CLIENTS=20] make torture",
        description=__doc__,
    ).parse_args()
    try:
        # To load all of this takes a moment, in which someone may think better of it.
        from torture.faults import UnknownFault
        from torture.guards import UnknownGuard
        from torture.options import BadOption, environment_options
        from torture.run import run
        from torture.stack import NotStarted
    except KeyboardInterrupt:
        return 130

    try:
        return run(environment_options())
    except (BadOption, UnknownFault, UnknownGuard, NotStarted) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2


if __name__ == "__main__":
    sys.exit(main())
