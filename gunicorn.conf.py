"""How gunicorn serves the site; read from the working folder, overruled by its command line."""

import os
import sys
import threading

from gunicorn import util

from bookingsite import worker_files

# Threads, since a booking mostly waits for MongoDB, and before them a loop that waits for clients.
# How many processes is gunicorn's own variable WEB_CONCURRENCY, which a setting here would
# overrule: several, since Python has one lock each.
worker_class = "bookingsite.http_worker.Worker"
threads = 4

# Each is a file descriptor, of which a process often has 1,024 for everything.
worker_connections = 500

# Files in pieces as well, so that the worker can tell who takes none of them.
sendfile = False

# Nothing that a request says of its own path is believed, wherever it comes from.
forwarder_headers = ""

# Longer than any request may last (10 s) and than a lock (15 s); see bookings/checks.py.
timeout = 20

# Deploying ends processes all day: they finish what they have begun.
graceful_timeout = 20

# A socket for steering a running gunicorn, which nothing here uses.
control_socket_disable = True

# One JSON object a line, like everything else the site says.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "bookingsite.logs.json_formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "gunicorn.error": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        # The site writes its own access lines; gunicorn's carry addresses.
        "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
    },
}


# Each worker counts in files of its own, and whichever Prometheus asks adds them up. The library
# looks for this variable while it is imported, which workers do after they were forked.
COUNTS = "PROMETHEUS_MULTIPROC_DIR"


def on_starting(server):
    if "prometheus_client" in sys.modules:
        sys.exit("Take --preload away: the site must be loaded by each worker, not before.")
    os.environ[COUNTS] = worker_files.make_folder()


def child_exit(server, worker):
    worker_files.bury(os.environ[COUNTS], worker.pid, living=server.WORKERS)


def on_exit(server):
    worker_files.remove_folder(os.environ[COUNTS])


# gunicorn closes a socket that has something unread by waiting up to two seconds for its client to
# close as well, and does so on the thread that accepts: ten clients who stop in the middle of a
# form that is refused unread would keep a worker from everybody, and end it at its time-out.
MAX_LINGERING = 50
_lingering = threading.BoundedSemaphore(MAX_LINGERING)
_wait_and_close = util.close_graceful


def close_beside(sock):
    """Closes the socket on a thread of its own; at once, where too many are waited for."""
    if not _lingering.acquire(blocking=False):
        sock.close()
        return

    def linger():
        try:
            _wait_and_close(sock)
        finally:
            _lingering.release()

    threading.Thread(target=linger, name="lingering", daemon=True).start()


util.close_graceful = close_beside
