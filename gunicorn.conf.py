"""How gunicorn serves the site; read from the working folder, overruled by its command line."""

# Threads, since a booking mostly waits for MongoDB; processes, since Python has one lock each.
worker_class = "gthread"
workers = 2
threads = 4

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
