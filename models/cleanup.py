"""What nobody needs any more goes, a little at a time, so that no request waits for it."""

from models.account_block import AccountBlock
from models.audit import chain
from models.known_address import KnownAddress
from models.outbox import OutboxMessage
from models.rate_counter import RateCounter
from models.recovery import RecoveryCode
from models.session import Session

BATCH = 500


def purge(batch: int = BATCH) -> bool:
    """Delete up to a batch each of what expired: sessions, codes, counters, addresses, old messages and events.

    Changes of the number of accounts are folded into their blocks.

    Tells whether there may be more.
    """
    tables = (Session, RecoveryCode, RateCounter, KnownAddress, OutboxMessage, AccountBlock, chain)
    return max([table.purge(batch) for table in tables]) >= batch
