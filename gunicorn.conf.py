"""gunicorn's settings, read from the working folder. Its command line overrides them."""

import os
import sys
import threading

from gunicorn import util

from bookingsite import worker_files

# Threads, since a booking mostly waits for MongoDB, and in front of them a loop that waits for
# clients. Several processes, since each Python has one lock: gunicorn's own variable
# WEB_CONCURRENCY gives their number, and a setting here would override it.
worker_class = "bookingsite.http_worker.Worker"
threads = 4

# Each is a file descriptor, and a process often has 1,024 in all.
worker_connections = 500

# Files are sent in pieces too, so that the worker notices a client that takes none of them.
sendfile = False

# A request's claims about its own path are never trusted, wherever they come from.
forwarder_headers = ""

# Longer than any request may last (10 s) and than a lock (15 s); see bookings/checks.py.
timeout = 20

# Deployments end processes all day, so they finish the requests that they have begun.
graceful_timeout = 20

# The socket for controlling a running gunicorn; nothing here uses it.
control_socket_disable = True

# One JSON object a line, like the rest of the site's logs.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "bookingsite.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "gunicorn.error": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        # The site writes its own access lines; gunicorn's carry addresses.
        "gunicorn.access": {"handlers": [], "level": "CRITICAL", "propagate": False},
    },
}


# Each worker counts in its own files, and the worker that Prometheus happens to ask adds them up.
# The library reads this variable on import, which happens in workers, after the fork.
COUNTS = "PROMETHEUS_MULTIPROC_DIR"


def on_starting(server):
    if "prometheus_client" in sys.modules:
        sys.exit("Remove --preload: each worker must load the site itself.")
    os.environ[COUNTS] = worker_files.make_folder()


def post_worker_init(worker):
    # By now the application has been loaded. It is another one where measurements need a floor.
    if "bookingsite.wsgi" in sys.modules:
        from bookingsite import start_checks

        start_checks.begin()


def child_exit(server, worker):
    worker_files.bury(os.environ[COUNTS], worker.pid, living=server.WORKERS)


def on_exit(server):
    worker_files.remove_folder(os.environ[COUNTS])


# To close a socket with unread data, gunicorn waits up to two seconds for its client to close too.
# It does so on the thread that accepts connections. Ten clients that stop in the middle of a form
# that is refused unread would block a worker for everyone, until its time-out ends it.
MAX_LINGERING = 50
_lingering = threading.BoundedSemaphore(MAX_LINGERING)
_wait_and_close = util.close_graceful


def close_beside(sock):
    """Closes the socket on a thread of its own, or at once if too many threads already wait."""
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
