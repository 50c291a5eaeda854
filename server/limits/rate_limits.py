"""How often an operation may be asked: `x-rate-limit` in the spec, the only place where that is said.

What is asked is counted before it is done, in a transaction of its own, so that of many at once no more pass than may.
Where only failures count, what did not fail is given back afterwards. Whoever guesses at an account's password is
counted apart from the devices and places from which the account has logged in: strangers may use up their own tries,
not its owner's. A new password begins all anew.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from limits.strategies import FixedWindowRateLimiter

from handlers.exceptions import TooManyRequests
from models import actor, clock, proof
from models.account import Account
from models.errors import AccountNotFound, DirectoryError, InvalidSession
from models.identifiers import contact_key, mobile_key, username_key
from models.known_address import KnownAddress
from models.rate_counter import ALL
from models.session import Session
from models.settings import DAY
from server.connection.client_ip import IPV6_NETWORK, client_ip, site
from server.contract.layer import LayerAPI, LayerMiddleware, Step
from server.contract.request import Request
from server.contract.request_members import argument_reader
from server.contract.response import Reply
from server.contract.spec_error import error_in
from server.limits import device_cookie
from server.limits.limit import IN_A_ROW, Limit
from server.limits.rate_limit_storage import Quota, RateLimitStorage
from server.settings import Settings

Readers = dict[str, Callable[[Request], Any]]
"""What reads an argument of a request, by the name that a limit gives it."""
SHARED = ("address", "network", "server")
"""What strangers share with an owner: whoever is known to the account is not counted by it."""


class Subject(NamedTuple):
    """Whose secret is tried, and by whom.

    who: what the account is counted under. account_id: 0 where there is none. guesser: empty for a stranger.
    seen: when the account logged in from this place, to the day.
    """

    who: str
    account_id: int
    guesser: str
    device: str | None
    seen: int


class Count(NamedTuple):
    """One limit of a request, under the key of who asks."""

    limit: Limit
    key: str

    @property
    def quota(self) -> Quota:
        """Return what is to be counted."""
        limit = self.limit
        return Quota(self.key, limit.most, limit.seconds, limit.growth, limit.soft)


class Ask:
    """One request to a limited operation: who asks, and for what."""

    def __init__(self, request: Request, address: str, readers: Readers) -> None:
        self.request = request
        self.readers = readers
        self.user = request.user
        self.address = address
        # many people come through one signed client: it is known to those who came through it before
        self.place = f"access key {request.client.accessid}" if request.client else site(address)
        self.subject: Subject | None = None

    @property
    def asker(self) -> str:
        """Return what tries at a code are counted by."""
        return (self.subject and self.subject.guesser) or self.place

    def value(self, name: str) -> Any:
        """Return an argument."""
        return self.readers[name](self.request)

    def counts(self, limits: list[Limit]) -> list[Count]:
        """Return under what this request is counted."""
        of_account = next((limit for limit in limits if limit.names_owner), None)
        self.subject = self._find(of_account) if of_account else None
        is_known = self.subject is not None and bool(self.subject.guesser)
        keys = ((limit, self._key(limit)) for limit in limits if not (is_known and limit.per in SHARED))
        return [Count(limit, key) for limit, key in keys if key]

    def _key(self, limit: Limit) -> str | None:
        """Return what a limit counts this request under; None where it does not."""
        client, subject = self.request.client, self.subject
        if limit.per == "account":
            if limit.counts == IN_A_ROW and subject:
                return limit.key("guess", subject.who, subject.guesser)
            account = self._acting(limit)
            return limit.key("account", account) if account else None
        who = {
            "address": site(self.address),
            "network": site(self.address, IPV6_NETWORK),
            "server": "",
            "recipient": contact_key(str(self.value(limit.of))) if limit.of else "",
            "access key": client.accessid if client else "",
        }
        return limit.key(limit.per, who[limit.per])

    def _acting(self, limit: Limit) -> int | None:
        """Return the id of the account that acts; None where nobody in particular does, or an administrator."""
        session = self.user
        if limit.session:
            try:
                session = Session.find(self.request.contract or "", str(self.value(limit.session)))
            except InvalidSession:
                return None
        if session is not None:
            return None if session.admin else int(session.account_id)
        value = self.value(limit.of) if limit.of else None
        return value if isinstance(value, int) else None

    def _find(self, limit: Limit) -> Subject:
        """Find whose secret is tried; as much work for an account that is not there."""
        account, named, seen = self._account(limit)
        if account is None:
            return Subject(f"nobody {named}", 0, "", None, seen)
        who = f"{account.id} {account.password_hash}"
        if limit.per == "server" and account.mobile_proved is None:
            return Subject(who, account.id, "", None, seen)  # whoever shows a number may be known to that account only
        if self.user is not None and self.user.account_id == account.id:
            return Subject(who, account.id, f"session {self.user.id}", None, clock.now())
        known_device = device_cookie.read(self.request, account.id)
        token = self.request.known
        if known_device:
            guesser = f"device {known_device}"
        elif token and token[0] == account.id:
            guesser = f"token {token[1]}"
        else:
            guesser = f"place {self.place}" if seen else ""
        return Subject(who, account.id, guesser, known_device, seen)

    def _account(self, limit: Limit) -> tuple[Account | None, str, int]:
        """Return the account, or what it was named by, and when it logged in from here."""
        if limit.of is None:
            return self.user.account, "", 0
        value = self.value(limit.of)
        if limit.per == "account" and not isinstance(value, int):
            account, seen = KnownAddress.find_login(value, self.place)
            return account, username_key(value), seen
        try:
            found = Account.by_id(value) if limit.per == "account" else proof.holder_of_mobile(mobile_key(str(value)))
        except AccountNotFound:
            found = None
        return found, str(value), KnownAddress.last_seen(found.id if found else 0, self.place)


class Counted:
    """The counts of one request. A request that is run again, since another was faster, is counted once."""

    def __init__(self, storage: RateLimitStorage, ask: Ask, limits: list[Limit]) -> None:
        self.storage = storage
        self.ask = ask
        self.counts = ask.counts(limits)
        nothing = storage.store, 0
        self.limiter, self.full = storage.count(lambda limiter: _take(limiter, self.counts)) if self.counts else nothing
        self.only_failures = any(limit.counts != "requests" for limit, _ in self.counts)
        self.is_even = any(limit.per == "server" for limit in limits)
        self.guessed = False

    def give_back(self) -> None:
        """Take back the count of a request that did not fail, in its transaction."""
        if self.only_failures:
            self.storage.correct(self.limiter, lambda limiter: _give_back(limiter, self.counts))

    def settle(self) -> None:
        """Take back the count of a request that was undone, in a transaction of its own.

        Where the count of a whole server would tell by time whether there was anything to guess, a guess takes as long.
        """
        if not self.only_failures or (self.guessed and not self.is_even):
            return
        amount = 0 if self.guessed else 1
        self.storage.correct_alone(self.limiter, lambda limiter: _give_back(limiter, self.counts, amount))


class RateLimitAPI(LayerAPI, RoutedAPI[Step]):
    """The limits of one contract."""

    def __init__(self, specification: Any, *, settings: Settings, storage: RateLimitStorage, **options: Any) -> None:
        known = {key: options[key] for key in ("next_app", "base_path", "resolver", "uri_parser_class")}
        super().__init__(specification, **known)
        self.settings = settings
        self.storage = storage
        self.add_paths()

    def make_operation(self, operation: AbstractOperation) -> Step:
        """Return what does what is asked, unless it is asked too often."""
        step = self.next_step(operation)
        declared = operation._operation.get("x-rate-limit", [])
        # the same order everywhere, so that two transactions never wait for each other
        limits = sorted(map(Limit, declared), key=lambda limit: limit.name)
        readers = _readers(operation, declared)
        gives_cookie: bool = operation._operation.get("x-device-cookie", False)
        makes_known: bool = operation._operation.get("x-known-place", False)
        trusted, storage = self.settings.trusted_networks, self.storage

        def act_within(request: Request) -> Reply:
            """Raises TooManyRequests."""
            counted: Counted | None = request.counted
            if counted is None:
                asked = [limit for limit in limits if not limit.actions or request.action in limit.actions]
                counted = Counted(storage, Ask(request, client_ip(request.scope, trusted), readers), asked)
                request.counted = counted
            visit = actor.Visit(counted.ask.asker, counted.full)
            previous = actor.visit.set(visit)
            try:
                reply = step(request)
            except DirectoryError as error:
                counted.guessed = error.guessed
                raise
            finally:
                actor.visit.reset(previous)
            if reply.status < 400 and request.scope["method"] != "HEAD":  # which is undone
                counted.give_back()
                _recognize_next_time(counted.ask, reply, gives_cookie, visit.account_id if makes_known else None)
            return reply

        return act_within if (limits or makes_known) and self.settings.rate_limits else step


def _readers(operation: AbstractOperation, declared: list[dict[str, Any]]) -> Readers:
    """Return what reads each argument that limits name. Raises SpecError."""
    readers: Readers = {}
    for number, limit in enumerate(declared):
        for word in {"of", "session"} & limit.keys():
            try:
                readers[limit[word]] = argument_reader(operation, limit[word], limit.get("actions", ()))
            except ValueError as error:
                raise error_in(operation, "x-rate-limit", number, word, reason=error) from None
    return readers


def _recognize_next_time(ask: Ask, reply: Reply, gives_cookie: bool, made_known: int | None) -> None:
    """Remember from where an account has logged in, or was made, or was recovered."""
    subject = ask.subject
    if made_known is not None:
        is_same = subject is not None and subject.account_id == made_known
        subject = Subject("", made_known, "", subject.device if subject and is_same else None, 0)
    if not subject:
        return
    if subject.seen <= clock.now() - DAY:
        KnownAddress.note(subject.account_id, ask.place)
    if gives_cookie:
        reply.add(device_cookie.write(subject.account_id, subject.device))


class RateLimitMiddleware(LayerMiddleware, RoutedMiddleware[RateLimitAPI]):
    """Counts what is limited."""

    api_cls = RateLimitAPI


def _take(limiter: FixedWindowRateLimiter, counts: list[Count]) -> tuple[FixedWindowRateLimiter, int]:
    """Count a request under all its limits, or under none.

    Returns in how many seconds one has room again that is exceeded but refuses nobody, 0 where none is. Raises
    TooManyRequests.
    """
    storage: Any = limiter.storage
    found = storage.take([count.quota for count in counts])
    full = 0
    for number, left in found:
        limit = counts[number].limit
        wait = min(max(1, round(left)), limit.growth.longest if limit.growth else limit.seconds)
        if not limit.soft:
            raise TooManyRequests(wait, limit.name, limit.most, limit.seconds)
        full = max(full, wait)
    return limiter, full


def _give_back(limiter: FixedWindowRateLimiter, counts: list[Count], amount: int = 1) -> None:
    """Take back the count of a request that did not fail, where only failures count."""
    amounts = dict(_amounts(counts, amount))
    storage: Any = limiter.storage
    if amounts:
        storage.give_back(amounts)


def _amounts(counts: list[Count], amount: int) -> Iterator[tuple[str, int]]:
    for limit, key in counts:
        if limit.counts == "failures" or (limit.counts == IN_A_ROW and not amount):
            yield key, amount
        elif limit.counts == IN_A_ROW:
            yield key, ALL
