"""What a contract keeps of an account beyond the account's own columns: texts by name, none unique, none in order."""

from collections.abc import Iterator, Mapping
from typing import Any

import peewee

from models.account import Account
from models.db.database import Model, database

declared: dict[str, dict[str, int]] = {}
"""Contract that is loaded -> name of each of its fields (`x-account-fields`) -> most characters."""


class AccountField(Model):
    """One value of one contract."""

    id = peewee.BigAutoField()
    account = peewee.ForeignKeyField(Account, backref="+", index=False, on_delete="CASCADE")
    contract: Any = peewee.CharField(max_length=16)
    name: Any = peewee.CharField(max_length=64)
    value: Any = peewee.TextField()

    class Meta:
        indexes = ((("account", "contract", "name"), True),)

    @classmethod
    def of(cls, account: Account, contract: str) -> dict[str, str]:
        """Return what a contract keeps of an account, by name."""
        rows: Any = cls.select(cls.name, cls.value).where(cls.account == account, cls.contract == contract)
        return dict(rows.order_by(cls.name).tuples())

    @classmethod
    def put(cls, account: Account, contract: str, values: Mapping[str, str | None]) -> None:
        """Keep these values; None removes one. Raises ValueError for what the contract does not declare."""
        database.begin_immediate()
        for name, value in values.items():
            if value is None:
                cls.delete().where((cls.account == account) & (cls.contract == contract) & (cls.name == name)).execute()
                continue
            if len(value) > declared[contract].get(name, -1):
                raise ValueError(f"{contract} does not declare such a {name}")
            row = cls.insert(account=account, contract=contract, name=name, value=value)
            unique: list[Any] = [cls.account, cls.contract, cls.name]
            row.on_conflict(conflict_target=unique, update={cls.value: value}).execute()

    @classmethod
    def between(cls, first: int, last: int) -> dict[int, dict[str, dict[str, str]]]:
        """Return what is kept of the accounts from one id to another: id -> contract -> name -> value."""
        rows: Any = cls.select(cls.account, cls.contract, cls.name, cls.value).where(cls.account.between(first, last))
        found: dict[int, dict[str, dict[str, str]]] = {}
        for id, contract, name, value in rows.order_by(cls.account, cls.contract, cls.name).tuples():
            found.setdefault(id, {}).setdefault(contract, {})[name] = value
        return found

    @classmethod
    def load(cls, rows: Iterator[tuple[int, Mapping[str, Mapping[str, str]]]]) -> None:
        """Keep what comes with new accounts: pairs of an id and contract -> name -> value."""
        for id, contracts in rows:
            values = [
                (id, contract, name, value) for contract, kept in contracts.items() for name, value in kept.items()
            ]
            if values:
                columns: list[Any] = [cls.account, cls.contract, cls.name, cls.value]
                cls.insert_many(values, columns).execute()
