"""The sequencer: puts the events that acts have left in their lanes into the chain of the audit."""

import logging
from time import monotonic

from models.audit.chain import BATCH, AuditHead, Tell, sequence
from models.db.database import run_transaction
from server.jobs.periodic import PeriodicTask

log = logging.getLogger("rollbook.audit")


class Sequencer(PeriodicTask):
    """Sequences what was committed. Each worker has one; of two at once one does it, and the other one nothing.

    tell: is told what has come into the chain, where somebody wants to know.
    """

    interval = 0.5
    telling_seconds = 60.0
    """The head goes to the log at most this often: kept elsewhere, it shows what was cut off later."""

    def __init__(self, tell: Tell | None = None) -> None:
        super().__init__()
        self.tell = tell
        self._told = -self.telling_seconds
        self._head = ""

    def run(self) -> None:
        """Sequence until less than a whole batch is left."""
        while sequence(tell=self.tell) == BATCH and not self.stopping.is_set():
            pass
        if monotonic() - self._told >= self.telling_seconds:
            self._tell()

    def _tell(self) -> None:
        self._told = monotonic()
        head = run_transaction(AuditHead.find)
        said = f"{head.last}:{head.last_chain}" if head else "none"
        if said != self._head:
            log.info("audit: the end of the chain is %s", said)
            self._head = said
