"""Finds free ports of 127.0.0.1."""

from __future__ import annotations

import random
import socket


def port_is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: a port whose last connections are still closing counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port(low: int = 20000, high: int = 32000) -> int:
    """Return a free port; a random start keeps simultaneous runs apart."""
    ports = list(range(low, high))
    first = random.randrange(len(ports))
    for port in ports[first:] + ports[:first]:
        if port_is_free(port):
            return port
    raise OSError(f"All ports from {low} to {high} are taken: stop a program that uses one.")
