"""static_parts.py <scratch>: what a program does not use, the linker leaves out of it. Of the static library a program with
one timer gets the floors below the futures, streams and processes, since the loop names no part of them."""
import pathlib
import re
import sys

from common import CC, ROOT, finish, fresh, prefix, run

FLOORS = {"base", "backend", "loop", "op", "face"}

installed = prefix(sys.argv[1], "cmake")
library = next(installed.rglob("libevloop.a"))
work = fresh(pathlib.Path(sys.argv[1]).resolve() / "static_parts")
program, table = work / "timers_only", work / "map"
run(CC, "-I", installed / "include", ROOT / "tests" / "packaging" / "timers_only.c", library, "-lpthread",
    f"-Wl,-Map={table}", "-o", program)
run(program)

floor_of = {path.stem: path.parent.name for path in (ROOT / "core").rglob("*.c")}
linked = set(re.findall(r"libevloop\.a\((\w+)\.c\.o\)", table.read_text()))
problems = [] if "loop" in linked else [f"no object of the library in {table}"]
problems += [f"{floor_of[name]}/{name}.c is linked into a program with one timer"
             for name in sorted(linked) if floor_of[name] not in FLOORS]
print(f"{len(linked)} of {len(floor_of)} objects")
finish(problems)
