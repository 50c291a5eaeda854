"""What Schemathesis loads: who calls, and which failures are none. The runner says the rest by the environment."""

import atexit
import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies
from schemathesis import AuthContext, DeserializationContext, HookContext, Response
from schemathesis import Case as SomeCase
from schemathesis.auths import GLOBAL_AUTH_STORAGE
from schemathesis.core.failures import Failure

from scripts.tools.fuzz import suppressions
from scripts.tools.fuzz.callers import CALLERS, Signed
from scripts.tools.fuzz.described import Described
from scripts.tools.journeys.journeys import load_journeys

Case = SomeCase[Any]
STEM = os.environ["FUZZ_STEM"]
LOGGED_IN = os.environ["FUZZ_CALLER"] == "logged-in"
FOLDER = Path(os.environ["FUZZ_FOLDER"])

seen: defaultdict[str, Counter[int]] = defaultdict(Counter)
"""Operation -> status -> how often."""
GIVEN = os.environ["FUZZ_URL"], os.environ["FUZZ_ACCESSKEY"], FOLDER
caller = CALLERS[STEM](*GIVEN) if STEM in CALLERS else Described(load_journeys()[STEM], *GIVEN)

schemathesis.openapi.format("visible", strategies.text(strategies.characters(exclude_categories=["Cc", "Cs"])))


class Login:
    """Gives a case its credential (Schemathesis's protocol): what a link led on to it; else that of the caller."""

    def get(self, case: Case, context: AuthContext) -> str | None:
        """Return the credential, or None where the caller is anonymous."""
        return caller.carried(case) or (caller.session() if LOGGED_IN else caller.anonymous(case))

    def set(self, case: Case, data: str, context: AuthContext) -> None:
        """Put it into the case."""
        caller.attach(case, data)


def _is_protected(context: Any) -> bool:
    return bool(context.operation.definition.raw.get("security"))


if not isinstance(caller, Signed):
    schemathesis.auth(refresh_interval=None).apply_to(_is_protected)(Login)
elif LOGGED_IN:
    GLOBAL_AUTH_STORAGE.set_from_requests(caller.signature)


@schemathesis.hook
def before_call(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Let the caller prepare the case."""
    if LOGGED_IN:
        caller.before(case)


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Let the caller learn from the answer, and count it."""
    caller.after(response)
    seen[case.operation.definition.raw["operationId"]][response.status_code] += 1


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Drop what is suppressed, and count it."""
    suppression = suppressions.find(STEM, failure, case, response)
    if suppression:
        with (FOLDER / "suppressed").open("a") as file:
            file.write(f"{suppressions.SUPPRESSIONS.index(suppression)}\n")
    return suppression is None


@schemathesis.deserializer("text/html")
def read_page(context: DeserializationContext, response: Response) -> str:
    """Take a page for what its schema says it is: text."""
    return response.text


@atexit.register
def write_seen() -> None:
    """Leave the counts for the runner."""
    (FOLDER / "seen.json").write_text(json.dumps(seen))
