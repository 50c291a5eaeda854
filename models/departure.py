"""What happens when an account leaves for good."""

from models.account import Account
from models.account_block import AccountBlockChange
from models.audit.events import Event, note
from models.errors import AccountNotFound
from models.project import Project


def delete_account(account: Account) -> None:
    """Delete an account with its sessions, friendships, memberships and invitations.

    A project that it owns goes to the longest-standing other member, or with the account where there is none.
    Raises AccountNotFound when it was deleted meanwhile.
    """
    Project.hand_over(account)
    if not account.delete_instance():
        raise AccountNotFound
    AccountBlockChange.add(account.id, -1)
    note(Event.ACCOUNT_DELETED, account.id)
