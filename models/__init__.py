"""The directory: accounts, sessions and what belongs to them. Knows no HTTP."""

from models.access_key import AccessKey
from models.account import Account
from models.account_block import AccountBlock, AccountBlockChange
from models.account_field import AccountField
from models.audit.chain import AuditEvent, AuditHead
from models.audit.lanes import PendingEvent
from models.friendship import FriendApplication, Friendship
from models.known_address import KnownAddress
from models.outbox import OutboxMessage
from models.project import Entity, Invitation, Member, Project, Relation
from models.rate_counter import RateCounter
from models.recovery import RecoveryCode
from models.session import Session

TABLES = [
    Account,
    AccountBlock,
    AccountBlockChange,
    AccountField,
    Session,
    KnownAddress,
    RateCounter,
    AccessKey,
    Friendship,
    FriendApplication,
    Project,
    Member,
    Invitation,
    Entity,
    Relation,
    RecoveryCode,
    OutboxMessage,
    PendingEvent,
    AuditEvent,
    AuditHead,
]
"""All tables, those first that others refer to."""
