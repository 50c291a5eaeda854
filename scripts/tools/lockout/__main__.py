"""Simulate the days and print the tables."""

import os
import tempfile
import time
from dataclasses import replace

from models.db.database import connect
from models.migrations import migrate
from models.settings import apply
from scripts.tools.lockout.simulation import Simulation, all_accounts, one_account
from server.app import create_app
from server.settings import Settings, read

NUMBERS = (1, 100, 10_000)
HEAD = "| addresses of the attacker | guesses at one account a day | logins at home | elsewhere | recovery |"
NETWORKS = {"one address": "198.51.100.9", "one /64 of IPv6": "2001:db8::{}", "one /48 of IPv6": "2001:db8:0:{}::1"}
CHEAP = {"ROLLBOOK_ARGON2_TIME_COST": "1", "ROLLBOOK_ARGON2_MEMORY_KIB": "8", "ROLLBOOK_RATE_LIMITS": "1"}


def _settings(folder: str) -> Settings:
    os.environ |= CHEAP | {"ROLLBOOK_DATA": folder}
    settings = read()
    return replace(settings, database_url=f"sqlite:///{folder}/simulated.sqlite3")


def main() -> None:
    """Print what a day brings."""
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(folder)
        apply(settings)
        connect(settings.database_url)
        migrate()
        simulation = Simulation(create_app(settings), int(time.time()))
        print("| addresses of the attacker | guesses at one account a day | logins at home | elsewhere | recovery |")
        print("|---|---|---|---|---|")
        for turn, number in enumerate(NUMBERS):
            day = one_account(simulation, number, f"owner{turn}", f"1334558700{turn}")
            opens = "opens" if day.recovered else "does not open"
            told = f"{number:,}", day.guesses, f"{day.at_home} of 24", f"{day.elsewhere} of 24", opens
            print(f"| {' | '.join(map(str, told))} |", flush=True)
        print("\n| from | guesses at all accounts an hour | a day |\n|---|---|---|")
        for name, network in NETWORKS.items():
            hourly = all_accounts(simulation, 3, network)
            print(f"| {name} | {hourly:,} | {24 * hourly:,} |", flush=True)


if __name__ == "__main__":
    main()
