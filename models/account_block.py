"""How many accounts there are, and where the n-th one stands, without reading them all."""

import peewee

from models.db.database import Model, database

SIZE = 4096
"""Ids in a block: a million accounts are some 250 blocks."""


class AccountBlock(Model):
    """Number of the accounts whose ids begin at `block * SIZE`; written with the account that comes or goes."""

    block = peewee.BigIntegerField(primary_key=True)
    accounts = peewee.IntegerField()

    @classmethod
    def add(cls, account_id: int, number: int) -> None:
        """Note that an account came (1) or went (-1)."""
        arrived = cls.insert(block=account_id // SIZE, accounts=number)
        arrived.on_conflict(conflict_target=[cls.block], update={cls.accounts: cls.accounts + number}).execute()

    @classmethod
    def total(cls) -> int:
        """Count all accounts."""
        return int(cls.select(peewee.fn.COALESCE(peewee.fn.SUM(cls.accounts), 0)).scalar())

    @classmethod
    def seek(cls, offset: int, direction: str) -> tuple[range, int]:
        """Find the ids of the block in which the account at this offset stands, and the offset within them.

        direction: `asc` or `desc` in order of id. The range is empty where there are not so many accounts.
        """
        before = peewee.fn.SUM(cls.accounts).over(order_by=[getattr(cls.block, direction)()])
        blocks = cls.select(cls.block, cls.accounts, before.alias("reached"))
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
        return range(block * SIZE, (block + 1) * SIZE), offset - (int(reached) - accounts)
