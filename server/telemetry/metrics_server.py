"""The address at which metrics are read: one socket for all workers, whoever is free answers."""

import os
import shutil
import socket
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from server.settings import SettingError, Settings

BACKLOG = 16


def listen(settings: Settings) -> socket.socket:
    """Return the socket that all workers will answer at; make ready the folder in which they count.

    To be called before anything is counted. Raises SettingError.
    """
    folder = settings.data / "metrics"
    shutil.rmtree(folder, ignore_errors=True)  # counts of servers that are gone
    folder.mkdir(mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # the library looks once, when it is loaded
    host, _, port = settings.metrics_bind.rpartition(":")
    try:
        listener = socket.create_server(
            (host.strip("[]"), int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=BACKLOG
        )
    except OSError as error:
        raise SettingError(f"ROLLBOOK_METRICS_BIND: {error.strerror}: {settings.metrics_bind}") from None
    listener.setblocking(False)  # of all workers that are woken, one gets the connection, none waits for the next
    return listener


class ScrapeServer(ThreadingMixIn, WSGIServer):
    """A server on a socket that is listening already."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, app: Any) -> None:
        super().__init__(listener.getsockname(), Quiet, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        self.set_app(app)


class Quiet(WSGIRequestHandler):
    """Logs no scrape, and waits for no one who does not say what he wants."""

    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
