"""symbols.py [<scratch>]: the headers, the map and the library that was built agree on what is exported, for
each library of ours.

symbols.py --write adds to the map what the headers have and the map has not.

A function is exported in the node of its @since, and stands below a comment that has one. Declarations without an
empty line between them share a comment."""
import re
import sys

from common import ROOT, dynamic, exported, finish, prefix

problems = []


class Library:
    """A library of ours: what its headers declare, its map, and its name."""

    def __init__(self, name, headers, exports, macro, node):
        self.name, self.headers, self.map, self.macro, self.node = name, ROOT / headers, ROOT / exports, macro, node


LIBRARIES = (Library("libevloop", "include", "core/evloop.map", "EVL_API", "EVLOOP_"),
             Library("libevloop-tls", "addons/tls/include", "addons/tls/evloop-tls.map", "EVL_TLS_API", "EVLOOP_TLS_"),
             Library("libevloop-fiber", "addons/fiber/include", "addons/fiber/evloop-fiber.map", "EVL_FIBER_API",
                     "EVLOOP_FIBER_"),
             Library("libevloop-http", "addons/http/include", "addons/http/evloop-http.map", "EVL_HTTP_API", "EVLOOP_HTTP_"),
             Library("libevloop-httpd", "addons/httpd/include", "addons/httpd/evloop-httpd.map", "EVL_HTTPD_API",
                     "EVLOOP_HTTPD_"))


def in_headers(library):
    """{function: its @since}"""
    found = {}
    for header in sorted(library.headers.rglob("*.h")):
        text = re.sub(r"^[ \t]*#.*$", "#", header.read_text(), flags=re.MULTILINE)
        since = []
        for token in re.finditer(rf"/\*.*?\*/|\n[ \t]*\n|\b{library.macro}\b[^;]*;", text, re.DOTALL):
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


def in_map(library):
    """{function: its node's version}"""
    found = {}
    for version, body in re.findall(rf"{library.node}(\S+) \{{(.*?)\}}", library.map.read_text(), re.DOTALL):
        names = re.findall(r"^    (\w+);$", body, re.MULTILINE)
        if names != sorted(names):
            problems.append(f"{library.map.name}: the functions of {library.node}{version} are not sorted")
        found.update({name: version for name in names})
    return found


def write(library, missing):
    text = library.map.read_text()
    for version in sorted(set(missing.values())):
        node = re.search(rf"{library.node}{re.escape(version)} \{{\nglobal:\n(.*?)(local:|\}})", text, re.DOTALL)
        if not node:
            sys.exit(f"{library.map.name} has no node {library.node}{version}; begin one")
        names = re.findall(r"\w+", node[1]) + [name for name, since in missing.items() if since == version]
        text = text[:node.start(1)] + "".join(f"    {name};\n" for name in sorted(names)) + text[node.end(1):]
    library.map.write_text(text)


def compare(library):
    """Headers and map. Returns what the map has."""
    headers, exports = in_headers(library), in_map(library)
    if sys.argv[1:] == ["--write"]:
        write(library, {name: since for name, since in headers.items() if name not in exports})
        exports = in_map(library)
    for name in sorted(headers.keys() | exports.keys()):
        if name not in exports:
            problems.append(f"{name}: not in {library.map.name}; run tests/packaging/symbols.py --write")
        elif name not in headers:
            problems.append(f"{name}: in {library.map.name}, but in no header")
        elif exports[name] != headers[name]:
            problems.append(f"{name}: since {headers[name]}, but in node {library.node}{exports[name]}")
    return exports


def compare_built(library, file, exports):
    abi = (ROOT / "core" / "abi.txt").read_text().strip()
    built = dict(symbol.split("@@" + library.node) for symbol in exported(file))
    if built != exports:
        problems.append(f"{file.name} and {library.map.name} differ in {sorted(built.items() ^ exports.items())}")
    if dynamic(file, "SONAME") != [f"{library.name}.so.{abi}"]:
        problems.append(f"the soname is {dynamic(file, 'SONAME')}")


for library in LIBRARIES:
    exports = compare(library)
    if sys.argv[1:] and sys.argv[1] != "--write":
        file = prefix(sys.argv[1], "cmake") / "lib" / f"{library.name}.so"
        if file.exists() or library.name == "libevloop": # an add-on may have been left out
            compare_built(library, file, exports)
finish(problems)
