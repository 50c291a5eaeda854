"""openapi-generator: a client in each language, compiled, or parsed where no compiler here can take it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from scripts.tools.harness.npm import BIN
from scripts.tools.interop import clients
from scripts.tools.interop.place import PYTHON, Fault, Place, need, need_file, npm_tool, python_tool, run

JAR = "site-packages/openapi_generator_cli/openapi-generator.jar"
GO = "/usr/share/gocode"
JAVA = [
    f"/usr/share/java/{name}.jar" for name in ("geronimo-annotation-1.3-spec", "httpclient", "httpcore", "httpmime")
]
"""What a Java client needs besides the JDK and Jackson."""
PHP = "/usr/share/php"
STRICT = [
    "--strict",
    "--noEmit",
    "--skipLibCheck",
    "--target",
    "es2022",
    "--module",
    "esnext",
    "--moduleResolution",
    "bundler",
    "--lib",
    "es2022,dom,dom.iterable",
    "--types",
    "node",
]


def generate(place: Place, language: str, *options: str) -> Path:
    """Generate a client, with the generator's own validation on; return its folder."""
    target = place.folder / language
    environment = {"JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}  # it ends before more would pay
    words = ("generate", "-g", language, "-i", place.document, "-o", target)
    run(python_tool("openapi-generator-cli"), *words, *options, environment=environment)
    return target


def make_python(place: Place) -> str:
    """Compile a Python client and drive it."""
    name = f"generated_{place.stem}"
    made = generate(place, "python", "-p", f"packageName={name}")
    run(python_tool("python"), "-m", "compileall", "-q", made)
    return clients.drive(place, [python_tool("python"), clients.DRIVERS / "python_client.py", name], made)


def make_php(place: Place) -> str:
    """Have PHP read every file of a PHP client, and drive it."""
    need("php")
    need_file(f"{PHP}/GuzzleHttp/autoload.php")
    made = generate(place, "php")
    for file in sorted((made / "lib").rglob("*.php")):
        run("php", "-l", file)
    return clients.drive(place, ["php", clients.DRIVERS / "php_client.php", made / "lib"], made)


def make_ruby(place: Place) -> None:
    """Have Ruby read every file of a Ruby client."""
    need("ruby")
    made = generate(place, "ruby")
    check = "ARGV.each { |file| RubyVM::InstructionSequence.compile_file(file) }"
    run("ruby", "-W0", "-e", check, *sorted(made.rglob("*.rb")))


def make_typescript(language: str) -> Callable[[Place], None]:
    """Return what compiles a client of one of the TypeScript generators."""

    def make(place: Place) -> None:
        compile_typescript(place, generate(place, language) / "index.ts")

    return make


def compile_typescript(place: Place, *files: Path) -> None:
    """Compile under `strict`. Raises Fault, also where a file is not there: the compiler would tell that only."""
    if missing := [file.name for file in files if not file.exists()]:
        raise Fault(f"not made: {', '.join(missing)}")
    link = place.folder / "node_modules"
    if not link.exists():
        link.symlink_to(npm_tool("tsc").parents[1])
    run(BIN / "node", npm_tool("tsc"), *STRICT, *files, cwd=place.folder)


def make_java(place: Place) -> None:
    """Compile a Java client of java.net.http and Jackson, which the generator brings in its jar."""
    need("javac")
    for library in JAVA:
        need_file(library)
    made = generate(place, "java", "--library", "native", "-p", "openApiNullable=false")
    (jar,) = PYTHON.glob(f"lib/*/{JAR}")
    sources = sorted((made / "src/main").rglob("*.java"))
    path = os.pathsep.join([str(jar), *JAVA])
    run("javac", "-proc:none", "-nowarn", "-d", place.folder / "classes", "-cp", path, *sources)


def make_go(place: Place) -> None:
    """Compile a Go client; what it needs besides Go's own library comes from Debian, not from Go's proxy."""
    need("go")
    need_file(f"{GO}/src/gopkg.in/validator.v2")
    made = generate(place, "go")
    source = place.folder / "path/src/rollbook"
    shutil.copytree(made, source, ignore=shutil.ignore_patterns("go.mod", "go.sum", "test"))
    path = os.pathsep.join([str(place.folder / "path"), GO])
    run("go", "build", ".", cwd=source, environment={"GO111MODULE": "off", "GOPATH": path, "GOFLAGS": ""})


def make_parsed(language: str, grammar: str, ending: str) -> Callable[[Place], None]:
    """Return what parses a client of a language whose compiler Debian has not, or not as new as the client asks."""

    def make(place: Place) -> None:
        made = generate(place, language)
        found = run(python_tool("python"), clients.DRIVERS / "parse.py", grammar, made / "src", ending)
        if not json.loads(found):
            raise Fault(f"no {ending} was made")

    return make
