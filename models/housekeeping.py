"""What nobody needs any more goes, a little at a time, so that no request waits for it."""

from models import audit
from models.outbox import OutboxMessage
from models.recovery import RecoveryCode
from models.session import Session

BATCH = 500


def purge(batch: int = BATCH) -> bool:
    """Delete up to a batch each of expired sessions, expired codes, old delivered messages and old audit events.

    Tells whether there may be more.
    """
    gone = [table.purge(batch) for table in (Session, RecoveryCode, OutboxMessage, audit)]
    return max(gone) >= batch
