"""Who is let in without a key: nobody who could come from elsewhere."""

import socket

import pytest

from beholder.errors import ConfigError
from beholder.serve import entrance
from beholder.serve.keys import KeysConfig
from beholder.serve.settings import Settings

HAPROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1"}  # listens at all addresses, whatever the host


@pytest.mark.parametrize(
    ("settings", "env", "needed"),
    [
        (Settings(), {}, False),
        (Settings(host="0.0.0.0"), {}, True),
        (Settings(), HAPROXY, True),
        (Settings(local=True), HAPROXY, False),
        (Settings(keys=KeysConfig(required=True)), {}, True),
    ],
)
def test_keys_are_needed_where_somebody_could_come_from_elsewhere(settings: Settings, env: dict, needed: bool) -> None:
    assert entrance.needs_keys(settings, env) == needed
    entrance.check(settings, env)


@pytest.mark.parametrize(("host", "env"), [("0.0.0.0", {}), ("127.0.0.1", HAPROXY)])
def test_a_service_that_is_open_to_all_is_refused(host: str, env: dict) -> None:
    with pytest.raises(ConfigError, match="keys are needed"):
        entrance.check(Settings(host=host, keys=KeysConfig(required=False)), env)


def test_a_port_that_is_taken_is_refused_even_where_it_could_be_shared() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Ray Serve's proxy does
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is taken"):
            entrance.check_port("127.0.0.1", port)
    entrance.check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["203.0.113.9", "2001:db8::9"])
def test_an_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(ConfigError, match="no address of this machine"):
        entrance.check_port(host, 8000)
