"""The whole service in this process: the shipped portraits, a few candidates, a store of its own."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from beholder import config
from beholder.serve import api
from beholder.serve.local_service import LocalService
from beholder.serve.settings import ServeSettings


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> ServeSettings:
    """Those of `beholder serve`, with 60 candidates of which 3 are drawn, and photos inverted in one pass."""
    words = [
        f"workspace={tmp_path_factory.mktemp('served')}",
        "components.candidates.count=60",
        "components.ranking.exact=3",
        "image_library.refinement.steps=0",
    ]
    return config.load(ServeSettings, command="serve", overrides=words)


@pytest.fixture(scope="session")
def service(settings: ServeSettings) -> LocalService:
    return LocalService.load(settings.service_config)


@pytest.fixture(scope="session")
def client(service: LocalService, settings: ServeSettings) -> Iterator[TestClient]:
    """A client that gets an answer of 500 as an answer."""
    with TestClient(api.create(service, limits=settings.limits), raise_server_exceptions=False) as client:
        yield client
