"""How many accounts there are, and where the n-th one stands, without reading them all."""

from typing import Any

import peewee

from models.db.cached_query import CachedInsert
from models.db.database import Model, database

SIZE = 4096
"""Ids in a block: a million accounts are some 250 blocks."""


class AccountBlock(Model):
    """Number of the accounts whose ids begin at `block * SIZE`, but for the changes that are not folded in yet."""

    block = peewee.BigIntegerField(primary_key=True)
    accounts = peewee.IntegerField()

    @classmethod
    def total(cls) -> int:
        """Count all accounts."""
        counts = _counts()
        total = peewee.Select([counts], [peewee.fn.COALESCE(peewee.fn.SUM(counts.c.accounts), 0)])
        return int(total.bind(database).scalar())

    @classmethod
    def seek(cls, offset: int, direction: str) -> tuple[range, int]:
        """Find the ids of the block in which the account at this offset stands, and the offset within them.

        direction: `asc` or `desc` in order of id. The range is empty where there are not so many accounts.
        """
        counts = _counts()
        reached = peewee.fn.SUM(counts.c.accounts).over(order_by=[getattr(counts.c.block, direction)()])
        blocks = peewee.Select([counts], [counts.c.block, counts.c.accounts, reached.alias("reached")])
        found = (
            peewee.Select([blocks], [blocks.c.block, blocks.c.accounts, blocks.c.reached])
            .where(blocks.c.reached > offset)
            .order_by(blocks.c.reached)
            .limit(1)
            .bind(database)
            .tuples()
            .first()
        )
        if found is None:
            return range(0), 0
        block, accounts, reached = found
        return range(block * SIZE, (block + 1) * SIZE), offset - int(reached - accounts)

    @classmethod
    def counts(cls) -> dict[int, int]:
        """Return block -> number of its accounts, without empty ones."""
        counts = _counts()
        rows = peewee.Select([counts], [counts.c.block, counts.c.accounts]).bind(database).tuples()
        return {block: int(accounts) for block, accounts in rows if accounts}

    @classmethod
    def purge(cls, batch: int) -> int:
        """Fold up to a batch of changes into their blocks; return how many."""
        oldest = AccountBlockChange.select(AccountBlockChange.id).order_by(AccountBlockChange.id).limit(batch)
        if not oldest.exists():
            return 0
        database.begin_immediate()
        folded = AccountBlockChange.delete().where(AccountBlockChange.id.in_(oldest))
        change: dict[int, int] = {}
        rows = list(folded.returning(AccountBlockChange.block, AccountBlockChange.accounts).tuples().execute())
        for block, accounts in rows:
            change[block] = change.get(block, 0) + accounts
        for block, accounts in sorted(change.items()):  # the same order everywhere
            arrived = cls.insert(block=block, accounts=accounts)
            arrived.on_conflict(conflict_target=[cls.block], update={cls.accounts: cls.accounts + accounts}).execute()
        return len(rows)


class AccountBlockChange(Model):
    """Accounts that came or went; written with them, and folded into the block later.

    Rows are only added here, so nobody who registers waits for another: an upsert of the block would lock its row.
    """

    id = peewee.BigAutoField()
    block = peewee.BigIntegerField()
    accounts = peewee.IntegerField()

    @classmethod
    def add(cls, account_id: int, number: int) -> None:
        """Note that an account came (1) or went (-1)."""
        CHANGE.create(block=account_id // SIZE, accounts=number)


CHANGE = CachedInsert(AccountBlockChange)


def _counts() -> Any:
    """Return the query for block and number of accounts, all told."""
    rows = AccountBlock.select(AccountBlock.block, AccountBlock.accounts).union_all(
        AccountBlockChange.select(AccountBlockChange.block, AccountBlockChange.accounts)
    )
    return peewee.Select(
        [rows], [rows.c.block, peewee.fn.SUM(rows.c.accounts).alias("accounts")], group_by=[rows.c.block]
    ).alias("counts")
