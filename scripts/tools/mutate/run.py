"""Run mutants: each in a process of its own, so that none leaves anything behind."""

import logging
import multiprocessing
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from connexion.exceptions import InvalidSpecification

from scripts.tools.harness.in_process import InProcess
from scripts.tools.mutate.mutants import Mutant
from scripts.tools.mutate.proof import Focus, Proof
from server.contract.spec_error import SpecError
from server.settings import SettingError
from server.specs import Contract, build

SECONDS = 120
"""Of one run; a mutant that takes longer is one that survives."""
MEMORY = Path("/dev/shm")  # noqa: S108  # where it is a disk in memory, stores lie on it
EVERYTHING = Focus()


class Verdict(NamedTuple):
    """What became of a mutant. fault: by which it was seen, empty where it was not; run: in which of the two."""

    mutant: str
    kind: str
    run: str
    fault: str


def judge(mutants: list[Mutant], contracts: list[Contract], known: set[str], processes: int) -> Iterator[Verdict]:
    """Yield what became of each mutant, in their order."""
    global _mutants, _contracts, _known  # what forked processes have
    _mutants, _contracts, _known = mutants, {one.stem: one for one in contracts}, known
    with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap(_judge, range(len(mutants)))


def complain(contracts: list[Contract], processes: int, limits: bool) -> Iterator[tuple[str, list[str]]]:
    """Yield what proofs of the originals have to say against them, by contract. limits: whether they are used up."""
    global _contracts  # noqa: PLW0603
    _contracts = {one.stem: one for one in contracts}
    jobs = [(stem, limits) for stem in _contracts]
    with multiprocessing.get_context("fork").Pool(processes, maxtasksperchild=1) as pool:
        yield from pool.imap_unordered(_complain, jobs)


_mutants: list[Mutant] = []
_contracts: dict[str, Contract] = {}
_known: set[str] = set()


def _complain(job: tuple[str, bool]) -> tuple[str, list[str]]:
    stem, limits = job
    logging.disable()
    contract = _contracts[stem]
    focus = EVERYTHING if limits else Focus(limits=frozenset())
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        faults = Proof(contract, InProcess(contract, Path(folder)), focus).faults()
        return stem, list(dict.fromkeys(faults))


def _judge(number: int) -> Verdict:
    logging.disable()  # of thousands of failures that are wanted
    mutant = _mutants[number]
    original = _contracts[mutant.stem]
    try:
        changed = build(original.source, mutant.document(original.document))
    except (SpecError, SettingError) as error:
        return Verdict(str(mutant), mutant.kind, "start", str(error))
    signal.signal(signal.SIGALRM, _give_up)
    for run, served, proved in (("server", changed, original), ("proofs", original, changed)):
        signal.alarm(SECONDS)
        try:
            if fault := _first_fault(served, proved, mutant.focus):
                return Verdict(str(mutant), mutant.kind, run, fault)
        except TimeoutError:
            continue
        finally:
            signal.alarm(0)
    return Verdict(str(mutant), mutant.kind, "", "")


def _give_up(*_: Any) -> None:
    raise TimeoutError


def _first_fault(served: Contract, proved: Contract, focus: Focus) -> str:
    """Return the first fault that the original has not, or an empty text."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        try:
            build(served.source, served.document)  # models know what the served one says of sessions and fields
            server = InProcess(served, Path(folder))
            faults = Proof(proved, server, focus).faults()
        except (SpecError, SettingError, InvalidSpecification, LookupError, ValueError) as error:
            return f"cannot be served, or proved: {type(error).__name__} {str(error)[:200]}"
        return next((fault for fault in faults if fault not in _known), "")
