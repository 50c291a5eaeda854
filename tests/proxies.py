"""The proxies of `deploy/`, run as they are shipped but for their addresses, ports and files."""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

DEPLOY = Path(__file__).parents[1] / "deploy"
TRIES = 200


@dataclass(frozen=True)
class Proxy:
    """A proxy that runs. url: where it answers. trust: what knows its certificate. log: all that it wrote."""

    url: str
    trust: ssl.SSLContext
    log: Path

    @property
    def port(self) -> int:
        """Return the port that speaks TLS."""
        return int(self.url.rpartition(":")[2])


def need(program: str) -> str:
    """Return the path of a program; on CI it must be there, elsewhere what needs it is skipped, aloud."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        reason = f"not run here: there is no {program}; scripts/programs installs it"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return found


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def replaced(text: str, changes: dict[str, str]) -> str:
    """Return a configuration with other addresses; each must stand in it."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1, and its key."""
    certificate, key = folder / "crt", folder / "key"
    make = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost"
    name = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([need("openssl"), *make.split(), *name], check=True, capture_output=True)
    return certificate, key


Command = tuple[list[str], dict[str, str]]
"""What is run, and with which variables of the environment."""


def haproxy(folder: Path, port: int, servers: list[str]) -> Command:
    """Make `deploy/haproxy.cfg` ready; the second of its two instances may be the first once more."""
    certificate, key = make_certificate(folder)
    (folder / "certificates").mkdir()
    (folder / "certificates/localhost.pem").write_text(key.read_text() + certificate.read_text())
    ports = {"bind :8080": f"bind 127.0.0.1:{free_port()}", "bind :8443": f"bind 127.0.0.1:{port}"}
    (folder / "haproxy.cfg").write_text(replaced((DEPLOY / "haproxy.cfg").read_text(), ports))
    given = {"CERTIFICATES": str(folder / "certificates"), "ONE": servers[0], "TWO": servers[-1]}
    return [need("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")], given


def nginx(folder: Path, port: int, servers: list[str]) -> Command:
    """Make `deploy/nginx.conf` ready."""
    certificate, key = make_certificate(folder)
    plain = free_port()
    temporary = "".join(
        f"    {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    changes = {
        "/run/nginx.pid": f"{folder}/nginx.pid",
        "/var/log/nginx/access.log": f"{folder}/nginx.log",
        "/var/log/nginx/error.log": f"{folder}/error.log",
        "http {\n": f"http {{\n{temporary}",
        "/etc/nginx/certificates/fullchain.pem": str(certificate),
        "/etc/nginx/certificates/privkey.pem": str(key),
        "127.0.0.1:8000": servers[0],
        "listen 80 ": f"listen 127.0.0.1:{plain} ",
        "listen [::]:80 ": f"listen [::1]:{plain} ",
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "listen [::]:443 ": f"listen [::1]:{port} ",
    }
    (folder / "nginx.conf").write_text(replaced((DEPLOY / "nginx.conf").read_text(), changes))
    own = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    return [need("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-g", own], {}


def caddy(folder: Path, port: int, servers: list[str]) -> Command:
    """Make `deploy/Caddyfile` ready; it gets its certificate from us."""
    certificate, key = make_certificate(folder)
    changes = {
        "{\n\tservers {": "{\n\tadmin off\n\tauto_https disable_redirects\n\tservers {",
        "accounts.example.com {": f"https://127.0.0.1:{port} {{\n\ttls {certificate} {key}",
        "127.0.0.1:8000": servers[0],
    }
    (folder / "Caddyfile").write_text(replaced((DEPLOY / "Caddyfile").read_text(), changes))
    given = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    return [need("caddy"), "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")], given


PROXIES: dict[str, Callable[[Path, int, list[str]], Command]] = {"haproxy": haproxy, "nginx": nginx, "caddy": caddy}


def wait_for(answer: Callable[[], bool]) -> None:
    """Wait until something answers as it should."""
    for _ in range(TRIES):
        with suppress(httpx2.TransportError):
            if answer():
                return
        time.sleep(0.05)
    pytest.fail("waited in vain")


@contextmanager
def run_proxy(
    name: str, folder: Path, *urls: str, port: int | None = None, path: str = "", strips: bool = False
) -> Iterator[Proxy]:
    """Run a proxy in front of these servers, until the context ends.

    port: default: a free one. path: below which nginx has them. strips: whether nginx takes it off.
    """
    port, log = port or free_port(), folder / f"{name}.log"
    command, given = PROXIES[name](folder, port, [url.removeprefix("http://") for url in urls])
    if path:
        file = folder / "nginx.conf"
        changes = {"location / {": f"location {path}/ {{", "~ ^/+(": f"~ ^/+{path[1:]}/+("}
        if strips:
            changes["http://rollbook;"] = "http://rollbook/;"
        file.write_text(replaced(file.read_text(), changes))
    with (folder / "output").open("wb") if name == "nginx" else log.open("wb") as output:
        process = subprocess.Popen(command, env=os.environ | given, stdout=output, stderr=subprocess.STDOUT)
        try:
            trust = ssl.create_default_context(cafile=str(folder / "crt"))
            proxy = Proxy(f"https://127.0.0.1:{port}", trust, log)
            with httpx2.Client(base_url=proxy.url, verify=trust) as client:
                wait_for(lambda: client.get(f"{path}/docs").status_code == 200)
            yield proxy
        finally:
            process.terminate()
            process.wait(30)
