"""The service spread over Ray Serve's deployments keeps the contract that the one in one process keeps."""

import pytest
from support.service_suite import ServiceContract
from support.service_suite import call as call

from beholder import config
from beholder.serve.settings import ServeSettings


@pytest.fixture(scope="module")
def service(small_ray, tmp_path_factory):
    """All deployments on the Ray that tests share, without a proxy."""
    from ray import serve

    from beholder.serve import app
    from beholder.serve.ray_service import RayService

    words = [
        f"workspace={tmp_path_factory.mktemp('contract')}",
        "components.candidates.count=60",
        "components.ranking.exact=3",
        "image_library.refinement.steps=0",
    ]
    serve.start(http_options={"location": "NoServer"})
    serve.run(app.bind(config.load(ServeSettings, command="serve", overrides=words)), name="contract", route_prefix=None)
    yield RayService(*(serve.get_deployment_handle(name, "contract") for name in ("Editor", "Encoder", "Ranker")))
    serve.delete("contract")
    serve.shutdown()


class TestRayService(ServiceContract):
    """With the deployments of the fixture."""
