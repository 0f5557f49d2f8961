"""`beholder serve`: the whole service, until Ctrl-C."""

import os
import sys
from typing import NoReturn

from beholder import process
from beholder.recommending.components import BOTH
from beholder.runs import Run, log
from beholder.serve import watchdog
from beholder.serve.settings import ServeSettings

EVERYWHERE = ("0.0.0.0", "::")  # all addresses of this machine, none of which a browser can open by that name


def main(settings: ServeSettings, run: Run) -> None:
    settings.check_access()
    if settings.local or (settings.ray.address in (None, "local") and "RAY_ADDRESS" not in os.environ):
        process.check_port(settings.host, settings.port)
        if settings.editor == "diffusion":
            settings.diffusion.check_model()  # before anything is started
    if settings.local:
        run_in_process(settings)
        return
    from beholder.serve.app import running  # with Ray, which the service in one process does without

    with running(settings):
        print(welcome(settings), flush=True)
        wait(settings)


def wait(settings: ServeSettings) -> NoReturn:
    """Wait until the service on Ray is lost, and end this process with exit code 1 and a line that says why."""
    url = f"{addresses(settings)[0]}healthz"
    parts = watchdog.ray_parts()
    reason = f"the service is lost: {watchdog.watch(url, parts, seconds=settings.serve.watchdog_s)}; start it again"
    log.error("%s", reason)
    if parts:  # a Ray of its own: what is left of it can't be asked to stop
        process.end(reason, 1)
    print(f"beholder: {reason}", file=sys.stderr)
    raise SystemExit(1)


def run_in_process(settings: ServeSettings) -> None:
    """Run the service in this process, without Ray."""
    import uvicorn

    from beholder.serve import api
    from beholder.serve.editors.paired_service import PairedService
    from beholder.serve.local_service import LocalService
    from beholder.serve.security.slow_heads import PromptHeadProtocol

    process.switch_often()
    kind = PairedService if settings.editor == BOTH else LocalService
    service = kind.load(settings.service_config, threads=settings.threads, queue=settings.queue)
    print(welcome(settings), flush=True)
    app = api.of_settings(service, settings)
    uvicorn.run(app, host=settings.host, port=settings.port, http=PromptHeadProtocol, log_level="warning", access_log=False)


def welcome(settings: ServeSettings) -> str:
    """Return a line that says where the service is."""
    address, *others = addresses(settings)
    keys = " Keys are needed; `beholder keys make=NAME` makes one." if settings.needs_keys() else ""
    elsewhere = f" From other machines: {' or '.join(others)}." if others else ""
    return f"{address} is the page, {address}docs describes the API; Ctrl-C ends it.{elsewhere}{keys}"


def addresses(settings: ServeSettings) -> list[str]:
    """Return the addresses at which a browser opens the page: this machine's own first, then those for other machines."""
    hosts = [settings.host]
    if settings.host in EVERYWHERE:
        loopback = "127.0.0.1" if settings.host == "0.0.0.0" else "[::1]"
        hosts = [loopback, *process.own_names()]
    return [f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{settings.port}/" for host in hosts]
