"""The site: sources put together, given to the generator, and finished so that it needs nothing from elsewhere."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from scripts.tools.docs import (
    contract_page,
    failure_page,
    interop_page,
    journey_page,
    last_run,
    ledger_page,
    limit_table,
    requirements,
)
from scripts.tools.docs.contracts import Reader, readers
from scripts.tools.docs.languages import BASE, LANGUAGES
from scripts.tools.docs.markdown import table
from scripts.tools.docs.snippets import make_sheet
from server.specs import FOLDER as SPECS

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
BUILD = ROOT / "build"
DIRECTIVE = re.compile(r"^<!-- (\w+)(?:: (.*))? -->$", re.MULTILINE)
"""In a page written by hand, a line that stands for what is written elsewhere: `<!-- readme: Settings -->`."""
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
STYLE = re.compile(r'(\w+)\.appendChild\(\w+\("style",\{\},(\w+)\.toString\(\)\)\)')
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CHINESE = {"zh.html"}


def build(target: Path, work: Path = BUILD / "documentation") -> None:
    """Build the site into a folder. Raises SystemExit where a page leads nowhere."""
    shutil.rmtree(work, ignore_errors=True)
    pages = work / "pages"
    shutil.copytree(HERE / "pages", pages)
    shutil.copytree(HERE / "assets", pages / "assets")
    known = readers()
    for page in pages.rglob("*.md"):
        page.write_text(_fill_in(page.read_text("utf-8"), known), "utf-8")
    _write_contracts(pages, known)
    _write_journeys(pages, known)
    (work / "zensical.toml").write_text(_settings(known), "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--clean", "--strict"],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ran.returncode:
        told = COLOUR.sub("", ran.stdout)
        sys.exit(told.partition("Traceback")[0])
    _finish(work / "site")
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(work / "site", target)


def _write_contracts(pages: Path, known: dict[str, Reader]) -> None:
    for folder in ("contracts", "specs", "snippets"):
        (pages / folder).mkdir()
    for stem, reader in known.items():
        sheet = make_sheet(reader)
        (pages / f"contracts/{stem}.md").write_text(contract_page.write(reader, sheet), "utf-8")
        text = yaml.dump(
            reader.contract.published(BASE), Dumper=yaml.SafeDumper, allow_unicode=True, sort_keys=False, width=120
        )
        (pages / f"specs/{stem}.yaml").write_text(text, "utf-8")
        for language in LANGUAGES:
            (pages / f"snippets/{stem}.{language.ending}").write_text(sheet.whole(language), "utf-8")


def _write_journeys(pages: Path, known: dict[str, Reader]) -> None:
    (pages / "journeys").mkdir()
    (pages / "specs/journeys").mkdir()
    for stem, reader in known.items():
        file = SPECS / f"journeys/{stem}.yaml"
        text = f"# Journeys: {stem}\n\nThis contract has no journey yet.\n"
        if file.exists():
            shutil.copy(file, pages / "specs/journeys")
            text = journey_page.write(reader, yaml.safe_load(file.read_text("utf-8")))
        (pages / f"journeys/{stem}.md").write_text(text, "utf-8")


def _settings(known: dict[str, Reader]) -> str:
    """Return the generator's settings with a navigation entry for each contract."""
    text = (HERE / "zensical.toml").read_text("utf-8")
    for folder in ("contracts", "journeys"):
        text = text.replace(f'"{folder}/*"', ", ".join(f'"{folder}/{stem}.md"' for stem in known))
    return text


def _fill_in(text: str, known: dict[str, Reader]) -> str:
    """Put what is written elsewhere in its place."""
    fillings: dict[str, Callable[[str], str]] = {
        "readme": _readme,
        "contracts": lambda heads: _overview(known, heads.split(", ")),
        "failures": lambda _: failure_page.write(known),
        "journeys": lambda _: _journeys(known),
        "interop": lambda _: interop_page.write(last_run.read("interop")),
        "ledger": lambda _: ledger_page.write(last_run.read("contract_coverage")),
        "limits": lambda _: limit_table.write(known),
        "requirements": requirements.write,
    }
    return DIRECTIVE.sub(lambda found: fillings[found[1]](found[2] or ""), text)


def _readme(heading: str) -> str:
    """Return a section of the README, or what stands before the first; its links lead to the site's pages."""
    text = (ROOT / "README.md").read_text("utf-8")
    start = f"## {heading}\n" if heading else "\n"
    if start not in text:
        raise LookupError(f"the README has no section {heading!r}")
    section = text.partition(start)[2].partition("\n## ")[0]
    section = re.sub(r"\]\(specs/(\w+)\.yaml\)", r"](contracts/\1.md)", section)
    return section.replace("](scripts/tools/docs/pages/", "](").strip("\n")


def _overview(known: dict[str, Reader], heads: list[str]) -> str:
    rows = [
        (f"[{stem}](contracts/{stem}.md)", reader.info["title"], f"`{reader.base_path or '/'}`", str(reader.acts))
        for stem, reader in known.items()
    ]
    return table(heads, rows)


def _journeys(known: dict[str, Reader]) -> str:
    return "\n".join(f"- [{stem}](journeys/{stem}.md): {reader.info['title']}" for stem, reader in known.items())


def _finish(site: Path) -> None:
    """Leave no script or style inline, so that a strict policy lets all work; have Chinese words told apart in search.

    Raises SystemExit where the generator has become another, and this must be looked at anew.
    """
    (site / "404.html").unlink()
    scripts = site / "assets/javascripts"
    for bundle in scripts.glob("bundle.*.js"):
        adopt = r"\1.adoptedStyleSheets=[(s=>(s.replaceSync(\2.toString()),s))(new CSSStyleSheet)]"
        text, found = STYLE.subn(adopt, bundle.read_text("utf-8"))
        if found != 1:
            sys.exit(f"{bundle.name}: the style of the search is not where it was")
        bundle.write_text(text, "utf-8")
    for page in site.rglob("*.html"):
        up = "../" * (len(page.relative_to(site).parts) - 1)

        def move_out(found: re.Match[str], up: str = up) -> str:
            name = f"{hashlib.sha256(found[1].encode()).hexdigest()[:12]}.js"
            (scripts / name).write_text(found[1], "utf-8")
            return f'<script src="{up}assets/javascripts/{name}"></script>'

        text = INLINE.sub(move_out, page.read_text("utf-8"))
        text = text.replace('href="./.."', 'href="../index.html"')  # in files, a folder is no page
        if page.name in CHINESE:
            text = text.replace('<html lang="en"', '<html lang="zh"', 1)
        page.write_text(text, "utf-8")
    for index in site.glob("search.js*"):
        index.write_text(index.read_text("utf-8").replace('"lang":["en"]', '"lang":["en","zh"]', 1), "utf-8")
