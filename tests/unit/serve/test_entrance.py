"""Who is let in without a key: nobody who could come from elsewhere."""

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
