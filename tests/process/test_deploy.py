"""The deployment files: what they name is there, what can be checked or run on this machine is."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import Template

import httpx2
import kubernetes_validate
import psycopg
import pytest
import yaml

from server.settings import Settings, variables
from tests.conftest import ROOT, Served
from tests.postgres import PostgresServer
from tests.proxies import need, run_proxy

DEPLOY = ROOT / "deploy"
FILES = sorted(file for file in DEPLOY.rglob("*") if file.is_file())
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
BIN = ROOT / ".venv/bin"


def check(*command: object, **given: str) -> None:
    """Run a program that finds faults, and show what it finds."""
    ran = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=os.environ | given, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, ran.stdout + ran.stderr)


def copied() -> Iterator[tuple[str, str]]:
    """Yield what the container image takes from the repository, and where it puts it."""
    for line in re.findall(r"^COPY (?!--from)(.+)$", (DEPLOY / "Containerfile").read_text(), re.MULTILINE):
        source, target = line.split()
        yield source, target


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(DEPLOY)))
def test_every_setting_that_is_named_is_one(file: Path) -> None:
    assert set(re.findall(r"ROLLBOOK_[A-Z_]+", file.read_text())) <= variables().keys()


def test_the_image_takes_all_that_serving_and_operating_need(tmp_path: Path) -> None:
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    for source, target in copied():
        into = tmp_path / target
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, into)
        else:
            into.mkdir(exist_ok=True)
            shutil.copy(ROOT / source, into)
    commands = [["-m", "server.cli", *words.split()] for words in ("db migrate", "account list", "db check")]
    for command in [*commands, ["-c", "from server.__main__ import create_app; create_app()"]]:
        environment = {"PATH": os.environ["PATH"], "ROLLBOOK_DATA": str(tmp_path / "data")}
        ran = subprocess.run(
            [BIN / "python", *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr


def test_the_build_sees_what_it_copies_and_little_else() -> None:
    let_in = set(re.findall(r"^!(.+)$", (DEPLOY / "Containerfile.dockerignore").read_text(), re.MULTILINE))
    assert let_in == {source for source, _ in copied()}


def test_the_container_file_has_no_known_fault() -> None:
    check(BIN / "hadolint", DEPLOY / "Containerfile")


def test_the_compose_file_keeps_to_its_schema() -> None:
    check(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_the_compose_file_fits_the_others() -> None:
    one, haproxy = COMPOSE["services"]["one"], COMPOSE["services"]["haproxy"]
    assert one == COMPOSE["services"]["two"]
    assert (DEPLOY / one["build"]["context"] / one["build"]["dockerfile"]).is_file()
    (subnet,) = COMPOSE["networks"]["front"]["ipam"]["config"]
    assert one["environment"]["ROLLBOOK_TRUSTED_PROXIES"] == subnet["subnet"]
    settings = (DEPLOY / "haproxy.cfg").read_text()
    bound = set(re.findall(r"bind :(\d+)", settings))
    assert {port.partition(":")[2] for port in haproxy["ports"]} == bound
    assert set(re.findall(r'"\$\{(\w+)\}"', settings)) == haproxy["environment"].keys()
    for service in (one, haproxy):
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    for image in [service.get("image", "") for service in COMPOSE["services"].values()]:
        assert "/" not in image


KUBERNETES = DEPLOY / "kubernetes"
BASE = KUBERNETES / "base"
RESOURCES = [
    resource
    for file in sorted(BASE.glob("*.yaml"))
    if file.name != "kustomization.yaml"
    for resource in yaml.safe_load_all(file.read_text())
]


def test_kubernetes_knows_every_member_of_what_it_gets() -> None:
    for resource in RESOURCES:
        for version in ("1.30", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(resource, version, strict=True)
    kinds = {resource["kind"] for resource in RESOURCES}
    assert kinds == {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy"}


def test_kustomize_finds_all_that_it_puts_together() -> None:
    for folder in (BASE, KUBERNETES / "postgresql"):
        wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())
        there = {file.name for file in folder.iterdir()} - {"kustomization.yaml", "settings.env"}
        assert {name for name in wanted["resources"] if name != "../base"} == there
    program = shutil.which("kubectl")  # where it is there: it is large, and no other test needs it
    if program:
        put = subprocess.run(
            [program, "kustomize", KUBERNETES / "postgresql"], capture_output=True, text=True, check=True
        )
        kinds = [resource["kind"] for resource in yaml.safe_load_all(put.stdout)]
        assert sorted(kinds) == sorted([*(one["kind"] for one in RESOURCES), "ConfigMap", "Cluster"])


def test_a_pod_fits_what_the_server_does() -> None:
    deployment = next(one for one in RESOURCES if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    wait = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > wait + Settings.shutdown_seconds
    assert container["readinessProbe"]["timeoutSeconds"] > Settings.database_timeout_seconds
    assert pod["enableServiceLinks"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert str(pod["securityContext"]["runAsUser"]) in (DEPLOY / "Containerfile").read_text()
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted == {"/data", "/tmp"}  # noqa: S108  # in the container
    names = set(re.findall(r"^(ROLLBOOK_\w+)=", (BASE / "settings.env").read_text(), re.MULTILINE))
    assert {"ROLLBOOK_PUBLIC_URL", "ROLLBOOK_TRUSTED_PROXIES"} <= names  # so the policy is `guarded`
    services = [one for one in RESOURCES if one["kind"] == "Service"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"] for one in services for port in one["spec"]["ports"]} == ports.keys()


def test_no_secret_stands_in_a_file() -> None:
    for file in FILES:
        assert not re.search(r"(PASSWORD|KEY): (?!\$\{\w+:\?\}$)\S", file.read_text(), re.MULTILINE), file


def test_the_page_of_the_cluster_fills_in_all_that_its_files_want(tmp_path: Path) -> None:
    page = (ROOT / "scripts/tools/docs/pages/cluster.md").read_text()
    blocks = re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (given,) = [block for block in blocks if "envsubst" in block]
    settings = tmp_path / "cluster.env"
    settings.write_text(given.partition("<<'END'\n")[2].partition("END\n")[0])
    for file in sorted((DEPLOY / "cluster").iterdir()):
        assert f"deploy/cluster/{file.name}" in given
        wanted = set(re.findall(r"\$\{(\w+)\}", file.read_text()))
        show = f"set -eu; export programs=; . {settings}; export -p"
        ran = subprocess.run(["bash", "-c", show], capture_output=True, text=True, check=False)  # noqa: S607  # a shell
        assert wanted <= set(re.findall(r"^declare -x (\w+)=", ran.stdout, re.MULTILINE)), file.name
    filled = Template((DEPLOY / "cluster/patroni.yml").read_text()).substitute(dict.fromkeys(wanted, "x"))
    assert yaml.safe_load(filled)["bootstrap"]["dcs"]["synchronous_mode"] is True


def test_the_unit_file_has_no_known_fault(tmp_path: Path) -> None:
    program = need("systemd-analyze")
    unit = tmp_path / "rollbook.service"
    unit.write_text((DEPLOY / "rollbook.service").read_text().replace("/opt/rollbook", str(ROOT)))
    check(program, "verify", unit)
    check(program, "security", "--offline=true", "--threshold=20", unit)


# --- two instances behind the proxy ----------------------------------------------------------------------------------


@pytest.fixture
def database_url(postgres: PostgresServer) -> str:
    """Address of an empty database."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE deployed")
    return postgres.url.removesuffix("rollbook") + "deployed"


@pytest.mark.once("a deployment of several instances is on PostgreSQL")
def test_two_instances_behind_the_proxy_serve_on_when_one_dies(
    serve: Callable[..., Served], database_url: str, tmp_path: Path
) -> None:
    need("haproxy")
    settings = {
        "ROLLBOOK_DATABASE_URL": database_url,
        "ROLLBOOK_TRUSTED_PROXIES": "127.0.0.1",
        "ROLLBOOK_POLICY": "guarded",
    }
    servers = [serve(**settings) for _ in range(2)]
    with (
        run_proxy("haproxy", tmp_path, *(server.url for server in servers)) as proxy,
        httpx2.Client(base_url=proxy.url, verify=proxy.trust, timeout=30) as client,
    ):
        said = {"username": "alice", "password": "a long enough phrase"}
        assert client.post("/v1/user", json=said).json()["code"] == "OK"
        login = client.post(
            "/user/signin",
            data={"user_id": "alice", "password": said["password"]},
            headers={"X-Forwarded-For": "203.0.113.9"},
        )
        assert login.json()["ret"] == 0
        assert "secure" in login.headers["set-cookie"].lower()
        assert client.get("/readyz").status_code == 404
        codes = []

        def log_in(_: int) -> str:
            answer = client.post("/v1/login", json=said, headers={"token": "default"})
            return str(answer.json()["code"])

        with ThreadPoolExecutor(4) as pool:
            for number, code in enumerate(pool.map(log_in, range(60))):
                codes.append(code)
                if number == 10:
                    servers[0].end(signal.SIGTERM)
        assert codes == ["OK"] * 60
        token = client.get("/login", params={"username": "alice", "password": said["password"]}).json()["token"]
        assert client.get("/user/alice", params={"token": token}).json()["username"] == "alice"
    written = proxy.log.read_text()
    assert "/login" in written
    assert "password" not in written
    assert token not in written
    with psycopg.connect(database_url) as connection:
        addresses = connection.execute("SELECT DISTINCT address FROM audit_event WHERE event = 'logged_in'").fetchall()
    assert addresses == [("127.0.0.1",)]
