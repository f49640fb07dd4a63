"""A probe for this machine's Celery worker: `python -m bookingsite.worker_probe`.

Exits with status 1 when the worker does not answer through the broker. It exits with 0 when the
broker is away: that is not the worker's fault, and a restart would only bring the worker back
later. Whether the work gets done is another question, which `manage.py doctor` answers.
"""

import sys

from celery.utils.nodenames import default_nodename
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from bookingsite.celery import app
from locks.connection import OPERATION_TIMEOUT_S

# A worker answers within milliseconds whatever its tasks are doing; the rest is for busy machines.
ANSWER_TIMEOUT_S = 5.0


def main() -> int:
    """Pings the worker and returns the exit status."""
    name = default_nodename(None)
    try:
        with app.connection_for_write(
            connect_timeout=ANSWER_TIMEOUT_S,
            transport_options={
                "socket_timeout": OPERATION_TIMEOUT_S,
                "socket_connect_timeout": OPERATION_TIMEOUT_S,
                "max_retries": 0,
            },
        ) as connection:
            answers = app.control.ping(
                destination=[name], timeout=ANSWER_TIMEOUT_S, limit=1, connection=connection
            )
    except (KombuError, RedisError, OSError) as error:
        sys.stdout.write(f"The broker does not answer ({type(error).__name__}); no verdict.\n")
        return 0
    if answers:
        return 0
    sys.stdout.write(f"{name} does not answer.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
