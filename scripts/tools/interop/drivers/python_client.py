"""Drive a Python client of openapi-generator: `python_client.py PACKAGE BASE_URL`, calls on stdin (../clients.py)."""

import importlib
import inspect
import json
import pkgutil
import re
import sys

package, base_url = sys.argv[1:]
made = importlib.import_module(package)
exceptions = importlib.import_module(f"{package}.exceptions")
models = importlib.import_module(f"{package}.models")
configuration = made.Configuration(host=base_url)
client = made.ApiClient(configuration)
apis = [
    value(client)
    for module in pkgutil.iter_modules(importlib.import_module(f"{package}.api").__path__)
    for name, value in vars(importlib.import_module(f"{package}.api.{module.name}")).items()
    if inspect.isclass(value) and name.endswith("Api")
]
wire = []
send = client.rest_client.request


def watch(*arguments, **options):
    """Send, and keep what came."""
    wire.append(send(*arguments, **options))
    return wire[-1]


client.rest_client.request = watch


def plain(name):
    """Return a name as all languages agree on it; the generator puts `var_` before a word of Python."""
    return re.sub(r"[^a-z0-9]", "", name.lower().removeprefix("var_"))


def ask(call):
    """Make a call; return what the driver writes."""
    method = next(
        getattr(api, f"{call['operation']}_with_http_info")
        for api in apis
        if hasattr(api, f"{call['operation']}_with_http_info")
    )
    taken = {plain(name): one for name, one in inspect.signature(method).parameters.items() if name[0] != "_"}
    given = {taken[plain(one["name"])].name: one["value"] for one in call["parameters"]}
    payload = call["payload"]
    if isinstance(payload, dict):
        free = [one for one in taken.values() if one.name not in given]
        bodies = [one for one in free if hasattr(body_type(one), "from_dict")]
        if bodies:
            given[bodies[0].name] = body_type(bodies[0]).from_dict(payload)
        else:
            given |= {taken[plain(name)].name: value for name, value in payload.items() if plain(name) in taken}
    elif payload is not None:
        given[next(name for name in taken.values() if name.name not in given).name] = payload
    configuration.api_key = dict(call["credentials"])
    options = {"_headers": dict(call["headers"])}
    return method(**given, **options)


def body_type(parameter):
    """Return the class of a body, which may stand in `Optional` and `Annotated`."""
    found = re.findall(r"models\.\w+\.(\w+)", str(parameter.annotation))
    return getattr(models, found[0], None) if found else None


for line in sys.stdin:
    wire.clear()
    call = json.loads(line)
    answer = {}
    try:
        data = ask(call).data
        if hasattr(data, "to_dict"):
            answer["understood"] = json.loads(data.to_json())
    except exceptions.ApiException as error:
        if error.data is not None and hasattr(error.data, "to_dict"):
            answer["understood"] = json.loads(error.data.to_json())
    except Exception as error:
        answer["broken" if wire else "refused"] = f"{type(error).__name__}: {error}"
    if wire:
        answer |= {
            "status": wire[0].status,
            "headers": list(wire[0].headers.items()),
            "body": wire[0].data.decode(),
        }
    print(json.dumps(answer), flush=True)
