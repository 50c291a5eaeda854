"""Dashboard and alerts: sound to their own tools, and about metrics that a server really has."""

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import ROOT, Served
from tests.process.test_deploy import check
from tests.proxies import need, wait_for

MONITORING = ROOT / "deploy/monitoring"
BOARD = json.loads((MONITORING / "dashboard.json").read_text())
(GROUP,) = yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"]
ALERTS = {rule["alert"]: rule["expr"] for rule in GROUP["rules"]}
SHOWN = [target["expr"] for panel in BOARD["panels"] for target in panel["targets"]]
PROMETHEUS_OWN = {"instance", "job", "le"}


def test_the_alerts_fire_and_stay_quiet_as_they_should() -> None:
    """Prometheus' own tool runs them over series of an hour, good ones and bad ones."""
    promtool = need("promtool")
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", "rules.test.yaml"]):
        check(promtool, *words[:2], MONITORING / words[2])
    well, unwell = yaml.safe_load((MONITORING / "rules.test.yaml").read_text())["tests"]
    assert {case["alertname"] for case in well["alert_rule_test"]} == ALERTS.keys()
    (firing,) = unwell["promql_expr_test"]
    assert {re.findall('"(.+)"', one["labels"])[0] for one in firing["exp_samples"]} == ALERTS.keys()


def test_what_the_dashboard_asks_is_promql(tmp_path: Path) -> None:
    promtool = need("promtool")
    plain = [expr.replace("$__rate_interval", "5m").replace("$instance", ".*") for expr in SHOWN]
    rules = [{"record": f"shown:{number}", "expr": expr} for number, expr in enumerate(plain)]
    file = tmp_path / "shown.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "shown", "rules": rules}]}))
    check(promtool, "check", "rules", file)


def test_the_dashboard_is_one_to_grafana() -> None:
    """Its own library reads it and writes it again, and nothing that stands in the file was unknown to it."""
    register_default_plugins()
    again = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(BOARD)))
    assert lost(BOARD, again) == []
    assert lost({**BOARD, "panles": []}, again) == ["/panles"]


def lost(given: Any, kept: Any, at: str = "") -> list[str]:
    """Return the places at which something was given that was not kept."""
    if isinstance(given, dict):
        return [
            place
            for name, value in given.items()
            for place in (lost(value, kept[name], f"{at}/{name}") if name in kept else [f"{at}/{name}"])
        ]
    if isinstance(given, list):
        assert len(given) == len(kept), at
        return [
            place
            for number, pair in enumerate(zip(given, kept, strict=True))
            for place in lost(*pair, f"{at}/{number}")
        ]
    return [] if given == kept else [at]


@pytest.mark.once("metrics know no engine")
def test_every_metric_that_is_named_is_in_a_scrape_and_every_metric_is_named(serve: Callable[..., Served]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    server = serve(ROLLBOOK_METRICS_BIND=bind, ROLLBOOK_RATE_LIMITS="1")
    statuses = []
    while 429 not in statuses and len(statuses) < 1000:
        query = {"username": "nobody", "password": f"a wrong phrase {len(statuses)}"}
        statuses.append(httpx2.get(f"{server.url}/login", params=query).status_code)
    assert 429 in statuses

    def scrape() -> str:
        return httpx2.get(f"http://{bind}/metrics").text

    wait_for(lambda: "rollbook_limit_hits_total{" in scrape())  # requests are counted a moment after they ended
    families = list(text_string_to_metric_families(scrape()))
    samples = [sample for family in families for sample in family.samples if sample.name.startswith("rollbook_")]
    names = {sample.name for sample in samples}
    labels = {label for sample in samples for label in sample.labels} | PROMETHEUS_OWN
    named: set[str] = set()
    for expr in [*SHOWN, *ALERTS.values()]:
        named |= set(re.findall(r"\brollbook_\w+", expr))
        groups = ",".join(re.findall(r"\b(?:by|on) \(([^)]+)\)", expr))
        used = {*filter(None, re.split(r"[, ]+", groups)), *re.findall(r"(\w+)=~?\"", expr)}
        assert used <= labels, expr
    assert named <= names
    assert {re.sub("_(sum|count|bucket|created)$", "", name) for name in names} <= {
        re.sub("_(sum|count|bucket|created)$", "", name) for name in named
    }
