"""Projects: who works on them, and the graph that they annotate."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import peewee

from models import clock, settings
from models.account import Account
from models.audit.events import Event, note
from models.db.database import LastingId, Model, database
from models.errors import (
    AlreadyMember,
    BadGraph,
    NotAMember,
    NotFriends,
    ProjectNotFound,
    RequestNotFound,
    TooManyInvitations,
)
from models.friendship import LONGEST_LIST, Friendship

PAGE = 1_000
"""Rows that an export reads at a time."""
BATCH = 200
"""Rows that an import writes at a time."""
LONGEST_PROJECT_NAME = 128
LONGEST_GRAPH_NAME = 256
UNWRITABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

Row = Mapping[str, Any]
Known = dict[int, tuple[int, str]]
"""Id of an entity in the file -> its id and name in the store."""


class Project(Model):
    """A graph under annotation, owned by one of its members."""

    id = LastingId()
    name = peewee.CharField(max_length=LONGEST_PROJECT_NAME)
    owner = peewee.ForeignKeyField(Account, backref="projects", on_delete="CASCADE")
    created = peewee.BigIntegerField()
    member_count: int
    entity_count: int
    relation_count: int
    """The three counts are there on what `list_all` returns."""

    @classmethod
    def by_id(cls, id: int) -> Self:
        """Find a project. Raises ProjectNotFound."""
        project: Self | None = cls.get_or_none(cls.id == id)
        if project is None:
            raise ProjectNotFound
        return project

    @classmethod
    def by_member(cls, id: int, account: Account) -> Self:
        """Find a project for one of its members. Raises ProjectNotFound, NotAMember."""
        project = cls.by_id(id)
        if not project.has_member(account):
            raise NotAMember
        return project

    @classmethod
    def list_all(cls) -> list[Self]:
        """Return all projects in order of id, with owner and counts."""
        counts = [
            model.select(peewee.fn.COUNT(model.id)).where(model.project == cls.id).alias(f"{stem}_count")
            for stem, model in (("member", Member), ("entity", Entity), ("relation", Relation))
        ]
        return list(cls.select(cls, Account, *counts).join(Account).order_by(cls.id))

    @classmethod
    def hand_over(cls, leaver: Account) -> None:
        """Give the projects that an account owns to their longest-standing other member, where there is one.

        Nobody joins them meanwhile, and no member leaves.
        """
        colleagues = Account.select(Account.id).where(Account.id.in_(_members_of_owner(leaver)))
        database.begin_immediate(holding=(leaver, *colleagues))
        list(database.for_delete(cls.select(cls.id).where(cls.owner == leaver).order_by(cls.id)))
        others = (
            Member.select(Member.account)
            .where(Member.project == cls.id, Member.account != leaver)
            .order_by(Member.joined, Member.id)
        )
        owned = (cls.owner == leaver) & peewee.fn.EXISTS(others)
        cls.update(owner=others.limit(1)).where(owned).execute()

    def has_member(self, account: Account) -> bool:
        """Tell whether the account works on this project."""
        rows: Any = Member.select().where(Member.project == self, Member.account == account)
        return bool(rows.exists())

    def invite(self, inviter: Account, friend: Account) -> None:
        """Invite a friend; inviting twice is the same as once.

        Raises NotFriends, AlreadyMember, TooManyInvitations.
        """
        database.begin_immediate(holding=(inviter, friend))
        if not Friendship.between(inviter, friend):
            raise NotFriends
        if self.has_member(friend):
            raise AlreadyMember
        self._invite(inviter, Friendship.friend == friend)
        if Invitation.select().where(Invitation.invitee == friend).count() > settings.current.max_invitations:
            raise TooManyInvitations

    def invite_friends(self, inviter: Account) -> None:
        """Invite every friend who is not a member and for whom not too many invitations wait."""
        database.begin_immediate(holding=(inviter, *Friendship.friends_of(inviter)))
        members = Member.select(Member.account).where(Member.project == self)
        waiting = Invitation.select(peewee.fn.COUNT(Invitation.id)).where(Invitation.invitee == Friendship.friend)
        self._invite(inviter, Friendship.friend.not_in(members), waiting < settings.current.max_invitations)

    def _invite(self, inviter: Account, *chosen: Any) -> None:
        friends = Friendship.select(
            peewee.Value(self.id), Friendship.account, Friendship.friend, peewee.Value(clock.now())
        ).where(Friendship.account == inviter, *chosen)
        columns = [Invitation.project, Invitation.inviter, Invitation.invitee, Invitation.created]
        try:
            Invitation.insert_from(friends, columns).on_conflict_ignore().execute()
        except peewee.IntegrityError:
            raise ProjectNotFound from None

    def entities_rows(self) -> Iterator[dict[str, Any]]:
        """Yield `{id, name}` of each entity in order of id."""
        return _pages(Entity.select(Entity.id, Entity.name).where(Entity.project == self), Entity.id)

    def relations_rows(self) -> Iterator[dict[str, Any]]:
        """Yield `{id, name}` of each relation in order of id."""
        return _pages(Relation.select(Relation.id, Relation.name).where(Relation.project == self), Relation.id)

    def triads_rows(self) -> Iterator[dict[str, Any]]:
        """Yield `{id, name, source_id, source_name, target_id, target_name, destination_name}` in order of id.

        The last repeats the name before it, under which existing clients read it.
        """
        source, target = Entity.alias(), Entity.alias()
        triads = (
            Relation.select(
                Relation.id,
                Relation.name,
                source.id.alias("source_id"),
                source.name.alias("source_name"),
                target.id.alias("target_id"),
                target.name.alias("target_name"),
                target.name.alias("destination_name"),
            )
            .join(source, on=(Relation.source == source.id))
            .join_from(Relation, target, on=(Relation.target == target.id))
            .where(Relation.project == self)
        )
        return _pages(triads, Relation.id)

    @classmethod
    def import_graph(
        cls,
        name: str,
        owner: Account,
        entities: Iterable[Row],
        triads: Iterable[Row] = (),
        progress: Callable[[int], None] | None = None,
    ) -> Self:
        """Make a project from rows in the shape of `entities_rows` and `triads_rows`, or nothing at all.

        Names and structure are kept; the ids of the rows only tie the triads to the entities, new ones are given.
        progress: called with the number of rows that were just written.
        Raises BadGraph, which names the row.
        """
        _check_name("name", name, LONGEST_PROJECT_NAME, "project")
        report = progress or (lambda rows: None)
        now = clock.now()
        database.begin_immediate()
        with database.atomic():
            project: Self = cls.create(name=name, owner=owner, created=now)
            Member.create(project=project, account=owner, joined=now)
            known = project._import_entities(entities, report)
            project._import_triads(triads, known, report)
        note(Event.IMPORTED, owner.id, what="project", id=project.id)
        return project

    def _import_entities(self, rows: Iterable[Row], report: Callable[[int], None]) -> Known:
        known: Known = {}
        for batch in _batches("entities", rows):
            names = {}
            for place, row in batch:
                number, name = _id(row, "id", place), _name(row, "name", place)
                if number in known or number in names:
                    raise BadGraph(f"{place}: id {number} is there twice")
                names[number] = name
            _insert(Entity, batch, [{"project": self, "name": name} for name in names.values()], "name is there twice")
            written = Entity.select(Entity.id, Entity.name).where(
                Entity.project == self, Entity.name.in_(list(names.values()))
            )
            ids = {entity.name: entity.id for entity in written}
            known.update({number: (ids[name], name) for number, name in names.items()})
            report(len(batch))
        return known

    def _import_triads(self, rows: Iterable[Row], known: Known, report: Callable[[int], None]) -> None:
        for batch in _batches("triads", rows):
            relations = []
            for place, row in batch:
                source, target = _end(row, "source", known, place), _end(row, "target", known, place)
                if source == target:
                    raise BadGraph(f"{place}: source and target are the same entity")
                name = _name(row, "name", place)
                relations.append({"project": self, "name": name, "source": source, "target": target})
            _insert(Relation, batch, relations, "there is a relation from this source to this target already")
            report(len(batch))


class Member(Model):
    """An account that works on a project; its owner is one too."""

    id = peewee.BigAutoField()
    project = peewee.ForeignKeyField(Project, backref="members", index=False, on_delete="CASCADE")
    account = peewee.ForeignKeyField(Account, backref="memberships", on_delete="CASCADE")
    joined = peewee.BigIntegerField()

    class Meta:
        indexes = ((("project", "account"), True),)


class Invitation(Model):
    """A member asks a friend to work on a project; whoever asks first stands in the row."""

    id = peewee.BigAutoField()
    project = peewee.ForeignKeyField(Project, backref="invitations", on_delete="CASCADE")
    inviter = peewee.ForeignKeyField(Account, backref="invitations_sent", on_delete="CASCADE")
    invitee = peewee.ForeignKeyField(Account, backref="invitations", index=False, on_delete="CASCADE")
    created = peewee.BigIntegerField()

    class Meta:
        indexes = ((("invitee", "project"), True),)

    @classmethod
    def accept(cls, project_id: int, invitee: Account) -> None:
        """Make the invitee a member. Raises RequestNotFound."""
        database.begin_immediate(holding=(invitee,))
        project = database.for_share(Project.select(Project.id).where(Project.id == project_id))
        if project.first() is None:  # it does not go meanwhile
            raise RequestNotFound
        cls.deny(project_id, invitee)
        Member.insert(project=project_id, account=invitee, joined=clock.now()).on_conflict_ignore().execute()

    @classmethod
    def deny(cls, project_id: int, invitee: Account) -> None:
        """Forget the invitation. Raises RequestNotFound."""
        database.begin_immediate()
        if not cls.delete().where(cls.project == project_id, cls.invitee == invitee).execute():
            raise RequestNotFound

    @classmethod
    def waiting_for(cls, invitee: Account) -> list[Self]:
        """Return the invitations that wait for an answer with inviter and project, the oldest first."""
        invitations = (
            cls.select(cls, Account, Project)
            .join(Account, on=(cls.inviter == Account.id))
            .join_from(cls, Project)
            .where(cls.invitee == invitee)
        )
        return list(invitations.order_by(cls.id).limit(LONGEST_LIST))


class Entity(Model):
    """A node of a project's graph."""

    id = peewee.BigAutoField()
    project = peewee.ForeignKeyField(Project, backref="entities", index=False, on_delete="CASCADE")
    name = peewee.CharField(max_length=LONGEST_GRAPH_NAME)

    class Meta:
        indexes = ((("project", "name"), True), (("project", "id"), False))


class Relation(Model):
    """A named edge from one entity to another; at most one each way."""

    id = peewee.BigAutoField()
    project = peewee.ForeignKeyField(Project, backref="relations", index=False, on_delete="CASCADE")
    name = peewee.CharField(max_length=LONGEST_GRAPH_NAME)
    source = peewee.ForeignKeyField(Entity, backref="relations_out", index=False, on_delete="CASCADE")
    target = peewee.ForeignKeyField(Entity, backref="relations_in", on_delete="CASCADE")

    class Meta:
        indexes = ((("source", "target"), True), (("project", "id"), False))
        constraints = (peewee.Check("source_id <> target_id"),)


def _members_of_owner(owner: Account) -> Any:
    """Return the query for the ids of all members of an account's projects."""
    return Member.select(Member.account).join(Project).where(Project.owner == owner)


def _pages(query: Any, id: Any) -> Iterator[dict[str, Any]]:
    """Yield rows page by page, each with a query of its own, so that no transaction lasts as long as the reader."""
    last = 0
    while page := list(query.where(id > last).order_by(id).limit(PAGE).dicts()):
        yield from page
        last = page[-1]["id"]


def _batches(file: str, rows: Iterable[Row]) -> Iterator[list[tuple[str, Row]]]:
    """Yield the rows in batches, each row with its place in the file, such as `entities[3]`."""
    placed = ((f"{file}[{number}]", row) for number, row in enumerate(rows))
    yield from peewee.chunked(placed, BATCH)


def _insert(model: Any, batch: list[tuple[str, Row]], rows: list[dict[str, Any]], conflict: str) -> None:
    """Write a batch. Raises BadGraph for the first row that conflicts."""
    try:
        with database.atomic():
            model.insert_many(rows).execute()
    except peewee.IntegrityError:
        for (place, _), row in zip(batch, rows, strict=True):
            try:
                model.insert(row).execute()
            except peewee.IntegrityError:
                raise BadGraph(f"{place}: {conflict}") from None
        raise


def _check_name(field: str, value: Any, longest: int, place: str) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= longest or UNWRITABLE.search(value):
        raise BadGraph(f"{place}: {field} is not a text of 1 to {longest} characters without control characters")


def _name(row: Row, field: str, place: str) -> str:
    value = _value(row, field, place)
    _check_name(field, value, LONGEST_GRAPH_NAME, place)
    return str(value)


def _id(row: Row, field: str, place: str) -> int:
    value = _value(row, field, place)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadGraph(f"{place}: {field} is not a whole number")
    return value


def _end(row: Row, end: str, known: Known, place: str) -> int:
    """Return the store's id of a triad's source or target."""
    number = _id(row, f"{end}_id", place)
    if number not in known:
        raise BadGraph(f"{place}: {end}_id {number} is none of the entities")
    id, name = known[number]
    if row.get(f"{end}_name", name) != name:
        raise BadGraph(f"{place}: {end}_name is not the name of entity {number}")
    return id


def _value(row: Row, field: str, place: str) -> Any:
    if not isinstance(row, Mapping):
        raise BadGraph(f"{place}: not an object")
    if field not in row:
        raise BadGraph(f"{place}: {field} is missing")
    return row[field]
