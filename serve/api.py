"""The API: a service as HTTP. Thin and asynchronous: its routes read a request, ask the service and write the answer."""

import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import cast

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from beholder.recommending.components import open_store
from beholder.recommending.store.key_store import KeyStore
from beholder.recommending.store.person_owners import PersonOwners
from beholder.serve import auth, problem_details
from beholder.serve.admission import RequestLimits, RequestRunner
from beholder.serve.auth import KeyAuth
from beholder.serve.metrics import Meter, Metrics
from beholder.serve.middleware import Drain, RequestPolicy
from beholder.serve.protocols import Authorizer, RequestMetrics, Service
from beholder.serve.routes import api_document, image_routes, person_routes, question_routes, service_routes, study_routes
from beholder.serve.routes.page_files import PageFiles, PageMount
from beholder.serve.security.image_guard import ImageGuard
from beholder.serve.security.ownership import OwnedService
from beholder.serve.settings import LOOPBACK, ServeSettings
from beholder.serve.studies.study_access import StudiesAlone, StudyAccess
from beholder.studies.study_service import StudyService
from beholder.studies.study_store import StudyStore
from beholder.workspace import Workspace

_USUAL = (400, 401, 403, 413, 422, 429, 500, 503, 504)


def of_settings(
    service: Service,
    settings: ServeSettings,
    *,
    drain: Drain | None = None,
    metrics: Metrics | None = None,
    studies_alone: bool = False,
) -> FastAPI:
    """Return the API of a service as the settings open it.

    On loopback it goes by no other name, so that no page of another site can reach it by one of its own. metrics: where the API is
    not the only process of its kind. Raises ConfigError for a service without keys that would be reached from elsewhere.
    """
    settings.check_access()
    limits = settings.limits
    if settings.host in LOOPBACK and not limits.hosts:
        limits = replace(limits, hosts=list(LOOPBACK))
    drain, metrics = drain or Drain(), metrics or Metrics(Meter(), service.counts)
    metrics.meter.count_inside(lambda: drain.inside)
    workspace = Workspace(settings.workspace)
    store = open_store(settings.choices, workspace)
    authorizer = KeyAuth(KeyStore(store), settings.keys, metrics=metrics) if settings.needs_keys() else None
    studies = StudyAccess(StudyService(StudyStore(store), workspace))
    guard = ImageGuard(settings.image_library.limits, settings.images)
    owners, keys = PersonOwners(store), authorizer is not None
    owned = service if studies_alone else OwnedService(service, owners, settings.quotas, keys=keys, guard=guard)
    return create(
        owned, authorizer=authorizer, metrics=metrics, limits=limits, drain=drain, studies=studies, studies_alone=studies_alone
    )


def of_studies(settings: ServeSettings) -> FastAPI:
    """Return an API of studies and nothing else, as the settings open it."""
    return of_settings(cast(Service, StudiesAlone()), settings, studies_alone=True)


def create(
    service: Service,
    *,
    authorizer: Authorizer | None = None,
    metrics: RequestMetrics | None = None,
    limits: RequestLimits | None = None,
    drain: Drain | None = None,
    studies: StudyAccess | None = None,
    studies_alone: bool = False,
) -> FastAPI:
    """Return the application around a service. Without an authorizer everybody may do everything, which is for loopback alone.

    drain: the requests inside, for who wants to stop it. studies: where they are served, too; studies_alone: and nothing else.
    """
    limits = limits or RequestLimits()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.nullcontext() if studies is None else studies.importing():
            yield
        await service.close()

    app = FastAPI(
        title="Beholder",
        version=metadata.version("beholder"),
        summary="Learns how each person sees images, and recommends the edit of an image that this person will like most.",
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,  # described by a route of our own, which asks for what the API asks for
        responses=problem_details.responses(*_USUAL),
    )
    problem_details.install(app, retry_seconds=limits.retry_seconds)
    app.add_middleware(RequestPolicy, limits=limits, metrics=metrics, drain=drain)
    if limits.origins:  # the outermost, so that a refusal can be read by the other site's page, too
        app.add_middleware(
            CORSMiddleware,
            allow_origins=limits.origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["authorization", "content-type"],
        )
    api_document.install(app)
    app.router.route_class = auth.routes(authorizer)
    runner = RequestRunner(service, limits, metrics)
    for routes in () if studies_alone else (image_routes, question_routes, person_routes):
        routes.add_routes(app, runner, authorizer)
    if studies is not None:
        study_routes.add_routes(app, runner, authorizer, studies)
    service_routes.add_routes(app, runner, authorizer, metrics)
    page = Path(str(files("beholder.serve") / "page"))
    if (page / "index.html").is_file():
        app.router.routes.append(PageMount("/", PageFiles(directory=page, html=not studies_alone), name="page"))
    return app
