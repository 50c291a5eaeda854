"""Write the Postman collection of every contract of the house into specs/collections/: `scripts/collections`."""

import orjson

from scripts.tools.collections.collection import write
from scripts.tools.journeys.journeys import load_journeys
from server.specs import FOLDER

for stem, journey in load_journeys().items():
    file = FOLDER / f"collections/{stem}.json"
    file.write_bytes(orjson.dumps(write(journey), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(file)
