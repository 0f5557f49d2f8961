"""The service in one process keeps the contract."""

from support.service_suite import ServiceContract
from support.service_suite import call as call


class TestLocalService(ServiceContract):
    """With the service of conftest."""
