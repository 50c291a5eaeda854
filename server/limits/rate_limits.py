"""How often an operation may be asked: `x-rate-limit` in the spec, the only place where that is said.

What is asked is counted before it is done, in a transaction of its own, so that of many at once no more pass than may.
Where only failures count, what did not fail is given back afterwards. Whoever guesses at an account's password is
counted apart from the devices and addresses from which the account has logged in: strangers may use up their own
tries, not its owner's. A new password begins all anew.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, NamedTuple

from connexion.middleware.abstract import RoutedAPI, RoutedMiddleware
from connexion.operations import AbstractOperation
from limits import RateLimitItemPerSecond
from limits.strategies import FixedWindowRateLimiter

from handlers.exceptions import TooManyRequests
from models import clock, settings
from models.account import Account
from models.errors import AccountNotFound, DirectoryError
from models.identifiers import contact_key, username_key
from models.known_address import KnownAddress
from models.rate_counter import ALL
from models.settings import DAY
from server.connection.client_ip import client_ip, site
from server.contract.layer import LayerAPI, LayerMiddleware, Step
from server.contract.request import Request
from server.contract.request_members import argument_reader
from server.contract.response import Reply
from server.contract.spec_error import error_in
from server.limits import device_cookie
from server.limits.rate_limit_storage import RateLimitStorage
from server.settings import Settings

PER = ("address", "account", "recipient", "access key")
COUNTS = ("requests", "failures", "failures in a row")
Readers = dict[str, Callable[[Request], Any]]
"""What reads an argument of a request, by the name that a limit gives it."""
KNOWN = {"name", "per", "of", "actions", "counts", "limit", "seconds"}


class Limit:
    """One entry of `x-rate-limit`.

    name: limits of one name share their counts, in all contracts. per: who is counted. of: the argument that names the
    account or recipient; without it the account is the caller's own. actions: the only ones that are counted.
    """

    def __init__(self, declared: dict[str, Any]) -> None:
        self.name: str = declared["name"]
        self.per: str = declared["per"]
        self.of: str | None = declared.get("of")
        self.actions = frozenset(declared.get("actions", ()))
        self.counts: str = declared.get("counts", "requests")
        if self.per not in PER or self.counts not in COUNTS or not declared.keys() <= KNOWN:
            raise ValueError(f"x-rate-limit {self.name!r} cannot be read")
        self.item = RateLimitItemPerSecond(declared["limit"], declared["seconds"], f"limit/{self.name}")

    def key(self, *who: object) -> str:
        """Return what a caller is counted under; it does not tell who that is."""
        text = "\n".join(map(str, who)).encode()
        return self.item.key_for(hmac.digest(settings.current.secret_keys[0], text, hashlib.sha256).hex()[:32])


class Subject(NamedTuple):
    """Whose password is tried, and by whom.

    who: what the account is counted under. account_id: 0 where there is none. guesser: empty for a stranger.
    seen: when the account logged in from this address, to the day.
    """

    who: str
    account_id: int
    guesser: str
    device: str | None
    seen: int


class Count(NamedTuple):
    """One limit of a request, under the keys of who asks and of the strangers that are beside."""

    limit: Limit
    key: str
    strangers: str


class Ask:
    """One request to a limited operation: who asks, and for what."""

    def __init__(self, request: Request, address: str, readers: Readers) -> None:
        self.request = request
        self.readers = readers
        self.user = request.user
        self.site = site(address)
        self.subject: Subject | None = None

    def value(self, name: str) -> Any:
        """Return an argument."""
        return self.readers[name](self.request)

    def count(self, limit: Limit) -> Count:
        """Return under what this request is counted."""
        if limit.per != "account":
            client = self.request.client
            who = {
                "address": self.site,
                "recipient": contact_key(str(self.value(limit.of))) if limit.of else "",
                "access key": client.accessid if client else "",
            }
            key = limit.key(limit.per, who[limit.per])
            return Count(limit, key, key)
        if limit.counts == "requests":
            key = limit.key("account", self.user.account.id)
            return Count(limit, key, key)
        self.subject = subject = self.subject or self._find(limit.of)
        return Count(limit, limit.key("guess", subject.who, subject.guesser), limit.key("guess", subject.who, ""))

    def _find(self, of: str | None) -> Subject:
        """Find whose password is tried; as much work for an account that is not there."""
        account, named, seen = self._account(of)
        if account is None:
            return Subject(f"nobody {named}", 0, "", None, seen)
        who = f"{account.id} {account.password_hash}"
        if self.user is not None and self.user.account.id == account.id:
            return Subject(who, account.id, f"session {self.user.id}", None, clock.now())
        known_device = device_cookie.read(self.request, account.id)
        guesser = f"device {known_device}" if known_device else f"address {self.site}" if seen else ""
        return Subject(who, account.id, guesser, known_device, seen)

    def _account(self, of: str | None) -> tuple[Account | None, str, int]:
        """Return the account, or what it was named by, and when it logged in from here."""
        if of is None:
            return self.user.account, "", 0
        value = self.value(of)
        if not isinstance(value, int):
            account, seen = KnownAddress.find_login(value, self.site)
            return account, username_key(value), seen
        try:
            account = Account.by_id(value)
        except AccountNotFound:
            return None, str(value), KnownAddress.last_seen(0, self.site)
        return account, "", KnownAddress.last_seen(account.id, self.site)


class Counted:
    """The counts of one request. A request that is run again, since another was faster, is counted once."""

    def __init__(self, storage: RateLimitStorage, ask: Ask, limits: list[Limit]) -> None:
        self.storage = storage
        self.ask = ask
        self.counts = [ask.count(limit) for limit in limits]
        self.limiter = storage.count(lambda limiter: _take(limiter, self.counts))
        self.only_failures = any(limit.counts != "requests" for limit in limits)
        self.guessed = False

    def give_back(self) -> None:
        """Take back the count of a request that did not fail, in its transaction."""
        if self.only_failures:
            self.storage.correct(self.limiter, self._give_back)

    def _give_back(self, limiter: FixedWindowRateLimiter) -> None:
        _give_back(limiter, self.counts)

    def settle(self) -> None:
        """Take back the count of a request that was undone, in a transaction of its own."""
        if self.only_failures and not self.guessed:
            self.storage.correct_alone(self.limiter, self._give_back)


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
        trusted, storage = self.settings.trusted_networks, self.storage

        def act_within(request: Request) -> Reply:
            """Raises TooManyRequests."""
            asked = [limit for limit in limits if not limit.actions or request.action in limit.actions]
            if not asked:
                return step(request)
            counted: Counted | None = request.counted
            if counted is None:
                counted = Counted(storage, Ask(request, client_ip(request.scope, trusted), readers), asked)
                request.counted = counted
            try:
                reply = step(request)
            except DirectoryError as error:
                counted.guessed = error.guessed
                raise
            if reply.status < 400:
                counted.give_back()
                _recognize_next_time(counted.ask, reply, gives_cookie)
            return reply

        return act_within if limits and self.settings.rate_limits else step


def _readers(operation: AbstractOperation, declared: list[dict[str, Any]]) -> Readers:
    """Return what reads each argument that limits name. Raises SpecError."""
    readers: Readers = {}
    for number, limit in enumerate(declared):
        if of := limit.get("of"):
            try:
                readers[of] = argument_reader(operation, of, limit.get("actions", ()))
            except ValueError as error:
                raise error_in(operation, "x-rate-limit", number, "of", reason=error) from None
    return readers


def _recognize_next_time(ask: Ask, reply: Reply, gives_cookie: bool) -> None:
    """Remember from where the account has logged in."""
    if not ask.subject:
        return
    if ask.subject.seen <= clock.now() - DAY:
        KnownAddress.note(ask.subject.account_id, ask.site)
    if gives_cookie:
        reply.add(device_cookie.write(ask.subject.account_id, ask.subject.device))


class RateLimitMiddleware(LayerMiddleware, RoutedMiddleware[RateLimitAPI]):
    """Counts what is limited."""

    api_cls = RateLimitAPI


def _take(limiter: FixedWindowRateLimiter, counts: list[Count]) -> FixedWindowRateLimiter:
    """Count a request under all its limits, or under none. Raises TooManyRequests."""
    storage: Any = limiter.storage
    over = storage.take([(key, limit.item.amount, limit.item.get_expiry()) for limit, key, _ in counts])
    if over:
        number, expires = over
        limit = counts[number].limit
        seconds = limit.item.get_expiry()
        left = min(max(1, round(expires - clock.now())), seconds)
        raise TooManyRequests(left, limit.name, limit.item.amount, seconds)
    return limiter


def _give_back(limiter: FixedWindowRateLimiter, counts: list[Count]) -> None:
    """Take back the count of a request that did not fail, where only failures count."""
    amounts: dict[str, int] = {}
    for limit, key, strangers in counts:
        if limit.counts == "failures":
            amounts[key] = 1
        elif limit.counts == "failures in a row":
            amounts |= {key: ALL, strangers: ALL}
    storage: Any = limiter.storage
    storage.give_back(amounts)
