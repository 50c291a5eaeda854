"""Serve: bring the store up to date, then run gunicorn with its ASGI worker."""

import argparse
import gc
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import peewee
from connexion import ConnexionMiddleware
from gunicorn.app.base import BaseApplication

from models.db.database import connect, database, reason
from models.errors import DirectoryError
from models.migrations import migrate
from models.settings import apply
from server.app import Layer, create_app
from server.connection.public_url import check_path
from server.connection.worker import Worker, hold_signals
from server.docs.pages import PATHS
from server.settings import SettingError, Settings, read
from server.specs import Contract, load_contracts
from server.telemetry.logs import GunicornLog, configure
from server.telemetry.metrics_server import listen

if TYPE_CHECKING:
    from server.sandbox.start import Sandbox
    from server.telemetry.metrics import Metrics

log = logging.getLogger("rollbook")


class Gunicorn(BaseApplication):
    """Gunicorn, configured by the settings and nothing else."""

    def __init__(self, settings: Settings, app: ConnexionMiddleware, metrics: "Metrics | None") -> None:
        self.settings = settings
        self.app = app
        self.metrics = metrics
        super().__init__()

    def load_config(self) -> None:
        """Hand the settings over."""
        options = {
            "bind": self.settings.bind,
            "workers": self.settings.workers,
            "worker_class": Worker,
            "graceful_timeout": self.settings.shutdown_seconds,
            "keepalive": self.settings.keepalive_seconds,
            "loglevel": self.settings.log_level,
            "logger_class": GunicornLog,
            # beyond our own limits, so that the contract answers; what is larger still, gunicorn refuses by itself
            "limit_request_line": 2 * self.settings.max_url_bytes + 1024,
            "limit_request_fields": self.settings.max_headers + 100,
            "limit_request_field_size": 2 * self.settings.max_header_bytes,
            # `server.connection` reads the scheme: gunicorn knows neither lists nor capitals, and refuses what differs
            "secure_scheme_headers": {},
            "http_parser": "python",  # `Parser`; one in C, where it is installed, would refuse what that reads
            "preload_app": True,  # the specs are compiled once and shared by all workers
            "control_socket_disable": True,
            # no access log: three of the contracts carry passwords in their URLs; the request log is the server's own
        }
        if self.metrics:
            forget = self.metrics.forget_worker
            options["child_exit"] = lambda server, worker: forget(worker.pid)
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application, in the master, before workers are forked."""
        gc.enable()
        gc.collect()
        gc.freeze()  # what lives as long as the process is not searched again: that would stop all requests for 100 ms
        return self.app


def _metrics(settings: Settings) -> "Metrics":
    """Listen for those who read metrics, and only then load what counts."""
    listener = listen(settings)
    from server.telemetry.metrics import Metrics  # noqa: PLC0415  # looks for the folder of `listen` as it is loaded

    return Metrics(listener)


def warn_of_openness(settings: Settings) -> None:
    """Say in the log, at every level, that others may do what the documents ask no credential for, if so."""
    if settings.policy == "documented" and settings.reachable_by:
        log.critical(
            "ROLLBOOK_POLICY is `documented`, and %s lets others in: WHOEVER REACHES %s MAY LIST, CHANGE AND DELETE "
            "ACCOUNTS WITHOUT A PASSWORD; `guarded` does not let them",
            *(settings.reachable_by, settings.public_url),
        )


def check_public_path(settings: Settings, contracts: list[Contract]) -> None:
    """Hold the path of the public address against those of contracts and pages. Raises SettingError."""
    served = [contract.base_path + path for contract in contracts for path in contract.document["paths"]]
    try:
        check_path(settings.public_path, [*served, *PATHS])
    except ValueError as error:
        raise SettingError(f"ROLLBOOK_PUBLIC_URL: {error}") from None


def main(layers: Sequence[Layer] = (), arguments: Sequence[str] = ()) -> None:
    """Serve until told to stop; a wrong setting ends with one line. layers: as of `create_app`."""
    parser = argparse.ArgumentParser("serve", description="Serve all contracts; settings come from the environment.")
    parser.add_argument("--sandbox", action="store_true", help="for who tests a client: a store to be thrown away")
    parser.add_argument("--public", action="store_true", help="let others than this machine use the sandbox")
    asked = parser.parse_args(arguments)
    if asked.public and not asked.sandbox:
        parser.error("--public is said of a --sandbox")
    if asked.sandbox:
        from server.sandbox.start import started  # noqa: PLC0415  # no other server loads it

        with started(asked.public) as sandbox:
            _serve(layers, sandbox)
    else:
        _serve(layers)


def _serve(layers: Sequence[Layer], sandbox: "Sandbox | None" = None) -> None:
    gc.disable()  # what is read and compiled now stays: to search it again and again takes a tenth of the start
    try:
        settings = sandbox.settings if sandbox else read()
        contracts = load_contracts(settings)
        check_public_path(settings, contracts)
        configure(settings.log_level)
        apply(settings)
        connect(settings.database_url)
        migrate()
        if sandbox:
            sandbox.seed()
        database.close()  # a connection must not be carried through a fork
        metrics = _metrics(settings) if settings.metrics_bind else None
        parts = sandbox.parts if sandbox else {}
        app = create_app(settings, metrics, layers, contracts=contracts, **parts)
    except (SettingError, DirectoryError, ValueError) as error:
        sys.exit(f"rollbook: {error}")
    except OSError as error:
        sys.exit(f"rollbook: ROLLBOOK_DATABASE_URL: {error.strerror}: {error.filename}")
    except (peewee.DatabaseError, peewee.InterfaceError) as error:
        sys.exit(f"rollbook: ROLLBOOK_DATABASE_URL: {reason(error)}")
    warn_of_openness(settings)
    address = f"http://{settings.bind}"
    print(
        f"Rollbook{' sandbox' * settings.sandbox} ({settings.policy} policy)\n  explorer    {address}/docs", flush=True
    )
    for contract in contracts:
        print(f"  {contract.stem:<11} {address}/docs/{contract.stem}", flush=True)
    hold_signals()
    Gunicorn(settings, app, metrics).run()


if __name__ == "__main__":
    main(arguments=sys.argv[1:])
