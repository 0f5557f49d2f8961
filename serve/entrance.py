"""Entrance: the API as it is opened to whoever the settings let in."""

import os
from collections.abc import Mapping
from dataclasses import replace

from fastapi import FastAPI

from beholder.errors import ConfigError
from beholder.recommending.choices.keyring import Keyring
from beholder.recommending.parts import open_store
from beholder.serve import api
from beholder.serve.doors import House
from beholder.serve.graph import Graph
from beholder.serve.keys import Keys
from beholder.serve.metrics import Meter, Metrics
from beholder.serve.settings import LOOPBACK, Settings
from beholder.workspace import Workspace


def needs_keys(settings: Settings, env: Mapping[str, str] = os.environ) -> bool:
    """Whether who comes in has to show a key: unless nobody can come from elsewhere."""
    required = settings.keys.required
    return settings.host not in LOOPBACK or _open_to_all(settings, env) if required is None else required


def through_haproxy(env: Mapping[str, str]) -> bool:
    """Whether Ray Serve's HAProxy stands before the service, which listens at all addresses whatever the host."""
    return env.get("RAY_SERVE_ENABLE_HA_PROXY") == "1"


def _open_to_all(settings: Settings, env: Mapping[str, str]) -> bool:
    return not settings.local and through_haproxy(env)


def check(settings: Settings, env: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigError where a service without keys would be reached from elsewhere."""
    if _open_to_all(settings, env) and not needs_keys(settings, env):
        raise ConfigError(
            "RAY_SERVE_ENABLE_HA_PROXY=1 opens the service at all addresses, where keys are needed; leave it, or keys.required"
        )
    if settings.host not in LOOPBACK and not needs_keys(settings, env):
        raise ConfigError(f"host={settings.host} can be reached from elsewhere, where keys are needed; without any: host=127.0.0.1")


def api_of(graph: Graph, settings: Settings, *, house: House | None = None, metrics: Metrics | None = None) -> FastAPI:
    """The API of a graph. On loopback it goes by no other name, so that no page of another site can reach it by one of its own.

    metrics: where the API is not the only process of its kind.
    """
    check(settings)
    limits = settings.limits
    if settings.host in LOOPBACK and not limits.hosts:
        limits = replace(limits, hosts=list(LOOPBACK))
    house, metrics = house or House(), metrics or Metrics(Meter(), graph.counts)
    metrics.meter.count_inside(lambda: house.inside)
    return api.create(graph, gate=_gate(settings, metrics), metrics=metrics, limits=limits, house=house)


def _gate(settings: Settings, metrics: Metrics) -> Keys | None:
    if not needs_keys(settings):
        return None
    return Keys(Keyring(open_store(settings.choices, Workspace(settings.workspace))), settings.keys, metrics=metrics)
