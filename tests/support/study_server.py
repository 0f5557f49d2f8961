"""Studies served in this process, on a port of their own, and away when told so."""

import socket
import threading
import time
from typing import cast

import uvicorn
from fastapi import FastAPI

from beholder.serve import api
from beholder.serve.protocols import Service
from beholder.serve.studies.study_access import StudiesAlone, StudyAccess
from beholder.studies.study_service import StudyService


def study_app(service: StudyService, **options) -> FastAPI:
    """The API of studies and nothing else; answers are in the tables a moment after they came."""
    return api.create(cast(Service, StudiesAlone()), studies=StudyAccess(service, every=0.05), studies_alone=True, **options)


class StudyServer:
    def __init__(self, service: StudyService) -> None:
        self.service = service
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        config = uvicorn.Config(study_app(self.service), host="127.0.0.1", port=self.port, log_level="error")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            assert self.thread.is_alive()
            time.sleep(0.02)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()
