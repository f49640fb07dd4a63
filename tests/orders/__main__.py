"""Plays small worlds in every order, on servers of its own: `python -m tests.orders`.

    PAIRS     `all` (without a value), `none`, or such as `create+confirm,cancel+sweep`
    TRIPLES   `all` (without a value), `none`, such as `create+cancel+sweep`, or every n-th: `1/20`
    UNMERGED  pairs to play without counting equal places as one, `none`, or the usual ones
    WORLDS    live, dead, booked, or several of them (all without a value)
    CRASHES   0 to let no process of a pair die
    TIME      1 to let the time of all holds run out at any moment
    SWITCHES  the most changes of the process in an order of a triple (3)
    OFF       guards to take out, such as `slots` (tests/orders/guards.py)
    OUT       the file for the figures, written again after each world (var/orders.json)

It prints each world while it plays, then a table, and ends with 1 if a promise was broken.
"""

import argparse
import os
import sys

from tests.own_servers import own_servers


def main() -> int:
    argparse.ArgumentParser(
        prog="python -m tests.orders",
        usage="[PAIRS=...] [TRIPLES=...] [WORLDS=...] python -m tests.orders",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    with own_servers("orders", log_level="CRITICAL"):
        from tests.orders import run

        try:
            return run.main(os.environ)
        except KeyboardInterrupt:
            run.say("Stopped; the file has what was played until now.")
            return 130


if __name__ == "__main__":
    sys.exit(main())
