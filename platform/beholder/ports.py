"""Ports of this machine: whether one is free."""

import errno
import socket

from beholder.errors import ConfigError


def check(host: str, port: int) -> None:
    """Raise ConfigError where something listens at a port of this machine already.

    Ray Serve's proxy would share the port with it, and each would get some of the requests.
    """
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((host, port))
    except PermissionError:
        raise ConfigError(f"port {port} is not for this user: give a port= of 1024 or above") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"port {port} is taken: stop what listens there, or give another port=") from None
        raise ConfigError(f"host={host} is no address of this machine: {error.strerror or error}") from None
