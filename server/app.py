"""The application: every contract of `specs/` behind one door."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connexion import ConnexionMiddleware
from connexion.middleware.lifespan import LifespanMiddleware
from connexion.middleware.security import SecurityMiddleware
from connexion.resolver import RelativeResolver
from starlette.middleware.cors import CORSMiddleware

from models import password_rules, rules
from models.database import connect
from server.background import Repeating
from server.counters import Counters
from server.courier import Courier
from server.credentials import ApiKey
from server.delivery.carriers import carriers
from server.errors import Door
from server.housekeeper import Housekeeper
from server.ledger import Ledger
from server.observation import Observer
from server.operation import OperationMiddleware
from server.pages import pages
from server.placement import Placement
from server.routing import RouteTable
from server.settings import Settings, read
from server.specs import load_contracts

CORS: dict[str, Any] = {
    "allow_credentials": True,
    "allow_methods": ["GET", "POST", "PUT", "DELETE"],
    "allow_headers": ["Authorization", "Content-MD5", "Content-Type", "token", "X-Request-ID"],
    "expose_headers": ["Content-Disposition", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-ID"],
}
"""What pages of the named origins may send and read."""

if TYPE_CHECKING:
    from server.metrics import Metrics  # loads its library, which few servers need


def create_app(settings: Settings | None = None, metrics: "Metrics | None" = None) -> ConnexionMiddleware:
    """Build the ASGI application. The store must have been migrated."""
    settings = settings or read()
    rules.apply(settings)
    connect(settings.database_url)
    if settings.policy == "guarded":
        password_rules.common()  # read once, before workers are forked
    contracts = load_contracts()
    placement = Placement(settings)
    counters = Counters(settings.rate_limit_url)
    observer = Observer(settings, [metrics] if metrics else [])

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        tasks: list[Repeating] = [Courier(carriers(settings)), Housekeeper()]
        if metrics:
            metrics.serve()
            tasks.append(metrics.pulse(placement))
        for task in tasks:
            task.start()
        with tracing(settings.otlp_endpoint, observer):
            yield
            observer.tell()
        for task in tasks:
            task.stop()
        placement.close()

    operations = OperationMiddleware(pages(contracts, placement))
    app = ConnexionMiddleware(
        operations,
        lifespan=lifespan,
        middlewares=[
            *([partial(Ledger, file=Path(settings.ledger))] if settings.ledger else []),
            *([partial(CORSMiddleware, allow_origins=settings.named_origins, **CORS)] if settings.cors_origins else []),
            partial(Door, contracts=contracts, operations=operations, observer=observer),
            partial(RouteTable, settings=settings),
            SecurityMiddleware,
            LifespanMiddleware,
        ],
        security_map={"apiKey": partial(ApiKey, placement)},
    )
    for contract in contracts:
        app.add_api(
            contract.document,
            name=contract.stem,
            resolver=RelativeResolver(f"handlers.{contract.stem}"),
            settings=settings,
            placement=placement,
            counters=counters,
        )
    return app


@contextmanager
def tracing(endpoint: str, observer: Observer) -> Iterator[None]:
    """Send traces while the context lasts, where a collector is named; without one the library is not even loaded."""
    if not endpoint:
        yield
        return
    from server.tracing import Traces  # noqa: PLC0415  # takes memory and time

    traces = Traces(endpoint)
    observer.listeners.append(traces)
    try:
        yield
    finally:
        observer.listeners.remove(traces)
        traces.close()
