"""floors.py [-v] [<directory of evloop_test's objects>]: a file of core/ includes, names and calls what is on its own floor
and on those below it, never what is above. Files of one name, and includes that lead nowhere, fail too.

The objects say with nm what each source defines and what it leaves undefined. Without them only the text is looked at."""
import collections
import pathlib
import re
import subprocess
import sys

from common import ROOT, finish

FLOORS = ["base", "backend", "loop", "op", "async", "net", "system", "face"]
NEIGHBOURS = {("net", "system"), ("system", "net")}  # neither knows the other
ALLOWED = set()  # ("loop/pass.c", "op/op.h"): what is left to be done. It may shrink, and is to be empty.
CORE = ROOT / "core"


def floor(path):
    return path.split("/")[0]


def is_wrong(user, used):
    upwards = FLOORS.index(floor(used)) > FLOORS.index(floor(user))
    return upwards or (floor(user), floor(used)) in NEIGHBOURS


def includes(problems):
    for path in sorted(CORE.rglob("*.[ch]")):
        for name in re.findall(r'^#\s*include "([^"]+)"', path.read_text(), re.M):
            target = (path.parent / name).resolve()
            if not target.exists():
                problems.append(f"{path.relative_to(CORE)}: there is no {name}")
            elif target.is_relative_to(CORE):
                yield path.relative_to(CORE).as_posix(), target.relative_to(CORE).as_posix(), "includes"


def tags():
    """struct evl_x, named in one file and defined in another: what a forward declaration hides from the includes."""
    texts = {p.relative_to(CORE).as_posix(): p.read_text() for p in sorted(CORE.rglob("*.[ch]"))}
    defined = {}
    for path, text in texts.items():
        for tag in re.findall(r"^(?:typedef )?struct (evl_\w+) \{", text, re.M):
            defined[tag] = path
    for path, text in texts.items():
        for tag in sorted(set(re.findall(r"struct (evl_\w+) \*", text)) & defined.keys()):
            yield path, defined[tag], f"struct {tag}"


def calls(build, problems):
    defined, wanted = {}, collections.defaultdict(set)
    sources = {}
    for obj in sorted(pathlib.Path(build).rglob("*.o*")):
        source = re.search(r"core/(\w+/\w+\.c)\.o(bj)?$", obj.as_posix())
        if source and (CORE / source[1]).exists():
            sources[str(obj)] = source[1]
    listing = subprocess.run(["nm", "-A", "-P", *sources], capture_output=True, text=True, check=True).stdout
    for line in listing.splitlines() if sources else []:
        obj, _, rest = line.rpartition(": ")
        symbol, kind = rest.split()[:2]
        source = sources[obj]
        if kind in "Uu":
            wanted[source].add(symbol)
        elif kind.isupper():
            defined[symbol] = source
    if not defined:
        problems.append(f"{build} has no objects of core/")
    for source, symbols in sorted(wanted.items()):
        for symbol in sorted(symbols & defined.keys()):
            yield source, defined[symbol], symbol


problems = []
arguments = [argument for argument in sys.argv[1:] if argument != "-v"]
rows = [*includes(problems), *tags(), *(calls(arguments[0], problems) if arguments else [])]
wrong = [row for row in rows if is_wrong(*row[:2])]
if "-v" in sys.argv:
    for row in wrong:
        print("%s -> %s: %s" % row)
for user, used, why in wrong:
    if (user, used) not in ALLOWED:
        problems.append(f"{user} is below {used}, and yet: {why}")
for user, used in sorted(ALLOWED - {row[:2] for row in wrong}):
    problems.append(f"{user} -> {used} is gone: take it off ALLOWED")
names = collections.Counter(path.name for path in CORE.rglob("*.c"))
problems += [f"two files are called {name}" for name, count in names.items() if count > 1]
finish(problems)
