"""Ports: what is refused before anything starts."""

import socket

import pytest

from beholder import process
from beholder.errors import ConfigError


def test_a_port_that_is_taken_is_refused_even_where_it_could_be_shared() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Ray Serve's proxy does
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is taken"):
            process.check_port("127.0.0.1", port)
    process.check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.9", "2001:db8::9"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="no address of this machine"):
        process.check_port(host, 8000)
