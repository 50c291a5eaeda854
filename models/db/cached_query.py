"""Statements whose SQL is written once.

Peewee writes the SQL of a statement anew whenever it runs, which takes four times as long as SQLite takes to answer an
indexed look-up. The few that stand on the path of every request or of every log in are written once and keep their
text.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Generic, TypeVar

import peewee

from models.db.database import database
from models.db.transaction import WRITES

Row = TypeVar("Row", bound=peewee.Model)


class CachedStatement:
    """A statement by values that come later. build: returns it, with any value where one is to come."""

    def __init__(self, build: Callable[[], Any]) -> None:
        self.build = build
        self.texts: dict[type, str] = {}
        self.writes = False

    def execute(self, *values: Any) -> Any:
        """Run the statement with these values, in the order in which they stand in it; return its cursor."""
        store = database.obj
        text = self.texts.get(type(store))
        if text is None:
            query = self.build()
            self.writes = isinstance(query, WRITES)
            text = self.texts[type(store)] = query.sql()[0]
        if self.writes:
            store.check_begun()
        return store.execute_sql(text, values)


class CachedQuery(CachedStatement, Generic[Row]):
    """A statement that returns one row.

    Its columns must be all of `model`'s, then all of the model that the foreign key `joined` refers to, if any.
    """

    def __init__(self, model: type[Row], build: Callable[[], Any], joined: str = "") -> None:
        super().__init__(build)
        self.model = model
        self.joined = joined

    def first(self, *values: Any) -> Row | None:
        """Run the statement; return its row as a model.

        A miss takes as long as a hit, so that time does not tell who is known.
        """
        return self.instance(self.execute(*values).fetchone() or self._blank())

    def instance(self, row: tuple[Any, ...]) -> Row | None:
        """Return a row as a model, or nothing where all of it is NULL, after the same work."""
        instance = self._from_row(row)
        return None if row[0] is None else instance

    def _blank(self) -> tuple[None, ...]:
        others = self.model._meta.fields[self.joined].rel_model._meta.sorted_field_names if self.joined else ()
        return (None,) * (len(self.model._meta.sorted_field_names) + len(others))

    def one(self, *values: Any) -> Row:
        """Run a statement that always returns a row; return it as a model."""
        return self._from_row(self.execute(*values).fetchone())

    def _from_row(self, row: tuple[Any, ...]) -> Row:
        names: list[str] = self.model._meta.sorted_field_names
        instance: Row = fill(self.model, row[: len(names)])
        if self.joined:
            other = self.model._meta.fields[self.joined].rel_model
            instance.__rel__[self.joined] = fill(other, row[len(names) :])
        return instance


class CachedInsert(CachedStatement):
    """A statement that inserts one row of a model, all its columns but the number that the store gives."""

    def __init__(self, model: Any) -> None:
        fields = [field for field in model._meta.sorted_fields if not isinstance(field, peewee.AutoField)]
        self.model = model
        self.columns = {field.name: None for field in fields} | {
            field.name: field.default for field in fields if field.default is not None
        }
        super().__init__(lambda: model.insert(self.columns).returning(model._meta.primary_key))

    def create(self, **values: Any) -> Any:
        """Insert a row; return it as a model. What is left out is the column's default, or NULL."""
        row = self.columns | values
        if len(row) > len(self.columns):
            raise ValueError(f"no such columns: {', '.join(row.keys() - self.columns.keys())}")
        number = self.execute(*row.values()).fetchone()[0]
        return self.model(**row, **{self.model._meta.primary_key.name: number})


def fill(model: Any, values: tuple[Any, ...], names: Sequence[str] = ()) -> Any:
    """Make a model of stored values, as Peewee's own cursors do, without a call per column.

    names: of the columns that the values stand for; default: all.
    """
    instance = model.__new__(model)  # what `Model.__init__` sets, in half the time
    instance._dirty, instance.__rel__ = set(), {}
    data = instance.__data__ = dict(zip(names or model._meta.sorted_field_names, values, strict=True))
    if not names:
        for name in _truths(model):  # SQLite stores them as numbers
            data[name] = bool(data[name])
    return instance


@cache
def _truths(model: Any) -> list[str]:
    """Return the names of the boolean columns."""
    return [field.name for field in model._meta.sorted_fields if isinstance(field, peewee.BooleanField)]
