"""The watch over the file of the server's keys: workers go on under the ones that `rollbook key rotate` puts there."""

import logging
from dataclasses import replace
from pathlib import Path

from models import settings
from server import secret_key
from server.jobs.periodic import PeriodicTask

log = logging.getLogger("rollbook.keys")


class KeyWatch(PeriodicTask):
    """Takes the keys over as they change. A file that cannot be read, or is not whole, changes nothing."""

    interval = secret_key.NOTICED_SECONDS / 4

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def run(self) -> None:
        """Look once."""
        keys = secret_key.read(self.file)
        if keys != settings.current.secret_key:
            settings.apply(replace(settings.current, secret_key=keys))
            log.info("the server's keys have changed: there are %d", keys.count(b",") + 1)
