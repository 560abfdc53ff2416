"""symbols.py [<scratch>]: the headers, core/evloop.map and the library that was built agree on what is exported.

symbols.py --write adds to the map what the headers have and the map has not.

A function is exported in the node of its @since, and stands below a comment that has one. Declarations without an
empty line between them share a comment."""
import re
import sys

from common import ROOT, dynamic, exported, finish, prefix

MAP = ROOT / "core" / "evloop.map"
problems = []


def in_headers():
    """{function: its @since}"""
    found = {}
    for header in sorted((ROOT / "include").rglob("*.h")):
        text = re.sub(r"^[ \t]*#.*$", "#", header.read_text(), flags=re.MULTILINE)
        since = []
        for token in re.finditer(r"/\*.*?\*/|\n[ \t]*\n|\bEVL_API\b[^;]*;", text, re.DOTALL):
            if token[0].startswith("/*"):
                since = re.findall(r"@since\W+(\d+\.\d+)", token[0])
            elif not token[0].strip():
                since = []
            else:
                name = re.search(r"(\w+)\(", token[0])[1]
                if len(since) != 1:
                    problems.append(f"{header.name}: {name}: wants a comment with one @since right above")
                if not name.startswith("evl_"):
                    problems.append(f"{header.name}: {name} does not begin with evl_")
                if name in found:
                    problems.append(f"{header.name}: {name} is declared twice")
                found[name] = since[0] if since else "?"
    return found


def in_map():
    """{function: its node's version}"""
    found = {}
    for version, body in re.findall(r"EVLOOP_(\S+) \{(.*?)\}", MAP.read_text(), re.DOTALL):
        names = re.findall(r"^    (\w+);$", body, re.MULTILINE)
        if names != sorted(names):
            problems.append(f"evloop.map: the functions of EVLOOP_{version} are not sorted")
        found.update({name: version for name in names})
    return found


def write(missing):
    text = MAP.read_text()
    for version in sorted(set(missing.values())):
        node = re.search(rf"EVLOOP_{re.escape(version)} \{{\nglobal:\n(.*?)(local:|\}})", text, re.DOTALL)
        if not node:
            sys.exit(f"evloop.map has no node EVLOOP_{version}; begin one")
        names = re.findall(r"\w+", node[1]) + [name for name, since in missing.items() if since == version]
        text = text[:node.start(1)] + "".join(f"    {name};\n" for name in sorted(names)) + text[node.end(1):]
    MAP.write_text(text)


headers, exports = in_headers(), in_map()
if sys.argv[1:] == ["--write"]:
    write({name: since for name, since in headers.items() if name not in exports})
    exports = in_map()

for name in sorted(headers.keys() | exports.keys()):
    if name not in exports:
        problems.append(f"{name}: not in evloop.map; run tests/packaging/symbols.py --write")
    elif name not in headers:
        problems.append(f"{name}: in evloop.map, but in no header")
    elif exports[name] != headers[name]:
        problems.append(f"{name}: since {headers[name]}, but in node EVLOOP_{exports[name]}")

if sys.argv[1:] and sys.argv[1] != "--write":
    library = prefix(sys.argv[1], "cmake") / "lib" / "libevloop.so"
    abi = (ROOT / "core" / "abi.txt").read_text().strip()
    built = dict(symbol.split("@@EVLOOP_") for symbol in exported(library))
    if built != exports:
        problems.append(f"libevloop.so and evloop.map differ in {sorted(built.items() ^ exports.items())}")
    if dynamic(library, "SONAME") != [f"libevloop.so.{abi}"]:
        problems.append(f"the soname is {dynamic(library, 'SONAME')}")

finish(problems)
