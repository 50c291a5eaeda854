"""Parse all files of a language below a folder: `parse.py GRAMMAR FOLDER ENDING`; prints how many there are."""

import importlib
import sys
from pathlib import Path

import tree_sitter

grammar, folder, ending = sys.argv[1:]
parser = tree_sitter.Parser(tree_sitter.Language(importlib.import_module(grammar).language()))
files = sorted(Path(folder).rglob(f"*{ending}"))
faults = []
for file in files:
    waiting = [parser.parse(file.read_bytes()).root_node]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            faults.append(f"{file}:{node.start_point.row + 1}: {node.text[:200]!r}")
        elif node.has_error:
            waiting += node.children
if faults:
    sys.exit("\n".join(faults))
print(len(files))
