"""Whether this machine's Celery worker is alive, for a probe: `python -m bookingsite.worker_probe`.

Exit status 1 when the worker does not answer through the broker. A broker that is away is not the
worker's fault, and a restart would only make it come back later: that is 0. Whether the work gets
done is another question, which `manage.py doctor` answers.
"""

import sys

from celery.utils.nodenames import default_nodename
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from bookingsite.celery import app
from locks.connection import OPERATION_TIMEOUT_S

# It answers within milliseconds, whatever its tasks are doing; this is for a busy machine.
ANSWER_TIMEOUT_S = 5.0


def main() -> int:
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
