"""Give the published contracts to each tool, and tell in a table who came to its end.

A fault that `known.yaml` does not list ends the run with 1. A program that is missing is said aloud and fails nothing,
but on CI.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import Queue
from typing import Any

import httpx2
import orjson
import yaml

from scripts.tools.fuzz.server import Server
from scripts.tools.harness.npm import CannotBeHad, install
from scripts.tools.interop.place import BUILT, PACKAGES, Fault, NotHere, Place, version
from scripts.tools.interop.tools import TOOLS, Tool
from server.specs import Contract, load_contracts

HERE = Path(__file__).parent
WORKERS = 2
TABLE = BUILT.with_name("interop.json")
KNOWN: list[dict[str, Any]] = yaml.safe_load((HERE / "known.yaml").read_text("utf-8"))

Row = dict[str, Any]


def main() -> int:
    """Run, and write the table. Returns 1 where something failed, 75 without npm."""
    contracts = {contract.stem: contract for contract in load_contracts()}
    parser = argparse.ArgumentParser(prog="interop", description=__doc__)
    parser.add_argument("tools", nargs="*", metavar="TOOL", help="part of a tool's name; default: all")
    parser.add_argument("--contract", choices=contracts, action="append", help="default: all")
    options = parser.parse_args()
    tools = [tool for tool in TOOLS if not options.tools or any(part in tool.name for part in options.tools)]
    stems = options.contract or list(contracts)
    try:
        install(HERE, PACKAGES)
    except CannotBeHad as error:
        print(f"interop: {error}", file=sys.stderr)
        return error.exit_code
    began = time.monotonic()
    servers: Queue[Server] = Queue()  # a server of its own for each worker: journeys look at the newest accounts
    with ExitStack() as open_ones:
        for _ in range(WORKERS):
            scratch = open_ones.enter_context(tempfile.TemporaryDirectory())
            servers.put(open_ones.enter_context(Server(Path(scratch))))
        with ThreadPoolExecutor(WORKERS) as workers:
            waiting = [workers.submit(meet, tool, contracts[stem], servers) for tool in tools for stem in stems]
            rows = [one.result() for one in waiting]
    note(rows)
    missing = sorted({row["told"] for row in rows if row["outcome"] == "not run here"})
    for told in missing:
        print(f"NOT RUN HERE: {told}")
    failed = sum(row["outcome"] == "fails" for row in rows) + (len(missing) if os.environ.get("CI") == "true" else 0)
    print(f"{len(rows) - failed} passed, {failed} failed")
    print(f"interop: {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


def note(rows: list[Row]) -> None:
    """Write the table; what was run anew takes the place of what it said."""
    before: list[Row] = orjson.loads(TABLE.read_bytes()) if TABLE.exists() else []
    known = {(row["tool"], row["contract"]): row for row in [*before, *rows]}
    order = {tool.name: number for number, tool in enumerate(TOOLS)}
    kept = sorted((row for row in known.values() if row["tool"] in order), key=lambda row: order[row["tool"]])
    TABLE.write_bytes(orjson.dumps(kept, option=orjson.OPT_INDENT_2))


def meet(tool: Tool, contract: Contract, servers: "Queue[Server]") -> Row:
    """Have a tool and a contract meet on a server that nobody else has; return what came of it."""
    server = servers.get()
    try:
        return _meet(tool, contract, server)
    finally:
        servers.put(server)


def _meet(tool: Tool, contract: Contract, server: Server) -> Row:
    folder = BUILT / re.sub(r"\W+", "-", tool.name) / contract.stem
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    document = folder / f"{contract.stem}.json"
    document.write_bytes(httpx2.get(f"{server.url}/specs/{contract.stem}.json").raise_for_status().content)
    known = [one for one in KNOWN if one["tool"] == tool.name and contract.stem in one["contracts"]]
    row: Row = {"tool": tool.name, "version": version(tool.package), "contract": contract.stem, "does": tool.does}
    try:
        told = tool.run(Place(contract, server, document, folder)) or ""
        row |= {"outcome": "works", "told": told}
        if known:
            row |= {"outcome": "fails", "told": f"known.yaml lists a fault that is gone: {known[0]['why']}"}
    except NotHere as reason:
        row |= {"outcome": "not run here", "told": str(reason)}
    except Fault as fault:
        excuse = next((one for one in known if re.search(one["says"], str(fault))), None)
        row |= {"outcome": "fails", "told": str(fault)}
        if excuse:
            row |= {"outcome": "the tool's fault", "told": excuse["why"].strip(), "link": excuse["link"]}
    print(f"{tool.name:<36} {contract.stem:<12} {row['outcome']}: {row['told'][-2000:]}", flush=True)
    return row


sys.exit(main())
