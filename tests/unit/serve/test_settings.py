"""Who is let in without a key: nobody who could come from elsewhere."""

import pytest

from beholder.errors import ConfigError
from beholder.serve.auth import ApiKeysConfig
from beholder.serve.settings import ServeSettings

HAPROXY = {"RAY_SERVE_ENABLE_HA_PROXY": "1"}  # listens at all addresses, whatever the host


@pytest.mark.parametrize(
    ("settings", "env", "needed"),
    [
        (ServeSettings(), {}, False),
        (ServeSettings(host="0.0.0.0"), {}, True),
        (ServeSettings(), HAPROXY, True),
        (ServeSettings(local=True), HAPROXY, False),
        (ServeSettings(keys=ApiKeysConfig(required=True)), {}, True),
    ],
)
def test_keys_are_needed_where_somebody_could_come_from_elsewhere(settings: ServeSettings, env: dict, needed: bool) -> None:
    assert settings.needs_keys(env) == needed
    settings.check_access(env)


@pytest.mark.parametrize(("host", "env"), [("0.0.0.0", {}), ("127.0.0.1", HAPROXY)])
def test_a_service_that_is_open_to_all_is_refused(host: str, env: dict) -> None:
    with pytest.raises(ConfigError, match="keys are needed"):
        ServeSettings(host=host, keys=ApiKeysConfig(required=False)).check_access(env)
