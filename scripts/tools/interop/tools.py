"""The tools: name as in the table, package whose version counts, what it does, and how."""

from collections.abc import Callable
from typing import NamedTuple

from scripts.tools.interop import generators, models, postman, servers, spectral, typescript
from scripts.tools.interop.place import Place

GENERATOR = "openapi-generator-cli"


class Tool(NamedTuple):
    """One tool. does: what has to go well, in words. run: does it; returns what there is to tell, or raises."""

    name: str
    package: str
    does: str
    run: Callable[[Place], str | None]


TOOLS = (
    Tool("openapi-generator: python", GENERATOR, "compiled; walks through the journey", generators.make_python),
    Tool("openapi-generator: php", GENERATOR, "compiled; walks through the journey", generators.make_php),
    Tool("openapi-generator: ruby", GENERATOR, "compiled", generators.make_ruby),
    Tool(
        "openapi-generator: typescript-fetch",
        GENERATOR,
        "compiled under strict",
        generators.make_typescript("typescript-fetch"),
    ),
    Tool(
        "openapi-generator: typescript-axios",
        GENERATOR,
        "compiled under strict",
        generators.make_typescript("typescript-axios"),
    ),
    Tool("openapi-generator: java", GENERATOR, "compiled; library native", generators.make_java),
    Tool("openapi-generator: go", GENERATOR, "compiled", generators.make_go),
    Tool(
        "openapi-generator: kotlin", GENERATOR, "parsed", generators.make_parsed("kotlin", "tree_sitter_kotlin", ".kt")
    ),
    Tool(
        "openapi-generator: csharp", GENERATOR, "parsed", generators.make_parsed("csharp", "tree_sitter_c_sharp", ".cs")
    ),
    Tool("openapi-generator: rust", GENERATOR, "parsed", generators.make_parsed("rust", "tree_sitter_rust", ".rs")),
    Tool("openapi-typescript", "openapi-typescript", "compiled under strict", typescript.make_openapi_typescript),
    Tool(
        "openapi-fetch",
        "openapi-fetch",
        "the journey's calls compiled under strict; walks through it",
        typescript.make_openapi_fetch,
    ),
    Tool("orval", "orval", "compiled under strict", typescript.make_orval),
    Tool(
        "swagger-typescript-api",
        "swagger-typescript-api",
        "compiled under strict",
        typescript.make_swagger_typescript_api,
    ),
    Tool("datamodel-code-generator", "datamodel-code-generator", "imported", models.make_models),
    Tool("Prism: mock", "@stoplight/prism-cli", "every operation answered as it is declared", servers.mock),
    Tool("Prism: proxy", "@stoplight/prism-cli", "the journey goes through; no complaint of an answer", servers.proxy),
    Tool("Spectral, OWASP", "@stoplight/spectral-owasp-ruleset", "no errors", spectral.lint),
    Tool(
        "openapi-to-postman, newman",
        "openapi-to-postmanv2",
        "every request answered as it is declared",
        postman.convert,
    ),
    Tool("newman, our collection", "newman", "the journey's requests pass the journey's tests", postman.walk),
)
