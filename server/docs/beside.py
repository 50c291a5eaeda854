"""What is published beside a contract: its journey in Arazzo, and the journey as a Postman collection."""

import json

import yaml

from server.specs import Contract

BASE = "baseUrl"
"""The variable of a collection that holds where its contract begins."""


def arazzo(contract: Contract) -> bytes | None:
    """Return the journey, for whom the contract lies beside it; None where there is none."""
    if not contract.source.journey.is_file():
        return None
    document = yaml.safe_load(contract.source.journey.read_text("utf-8"))
    for source in document["sourceDescriptions"]:
        source["url"] = f"{source['name']}.yaml"
    text: str = yaml.dump(document, Dumper=yaml.SafeDumper, allow_unicode=True, sort_keys=False, width=120)
    return text.encode()


def collection(contract: Contract, public_url: str) -> bytes | None:
    """Return the collection below the address that people know; None where there is none."""
    if not contract.source.collection.is_file():
        return None
    document = json.loads(contract.source.collection.read_bytes())
    for variable in document["variable"]:
        if variable["key"] == BASE:
            variable["value"] = f"{public_url.rstrip('/')}{contract.base_path}"
    return json.dumps(document, ensure_ascii=False).encode()
