#!/usr/bin/env python3
"""Every behaviour in docs/asyncio.md and docs/asyncio-cpp.md is tested, or said to differ or not to apply; both lists agree."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NUMBERS = [*range(1, 147)]


def tested():
    names = re.compile(r"\bAsyncio_(\d{3})_\w+")
    files = sorted((ROOT / "tests").rglob("*_test.cpp"))
    return {int(n) for path in files for n in names.findall(path.read_text())}


def listed():
    row = re.compile(r"^\| (\d{3}) \| .+ \| (tested|differs, tested: .+|differs: .+|not applicable: .+) \|$", re.M)
    docs = [ROOT / "docs" / name for name in ("asyncio.md", "asyncio-cpp.md")]
    return {int(n): what for path in docs for n, what in row.findall(path.read_text())}


def main():
    tests, rows = tested(), listed()
    wrong = []
    for number in sorted({*NUMBERS, *rows, *tests}):
        what = rows.get(number)
        claims = what is not None and re.match("(differs, )?tested", what) is not None
        if what is None:
            wrong.append(f"{number:03}: no row in docs/asyncio.md or docs/asyncio-cpp.md")
        elif claims and number not in tests:
            wrong.append(f"{number:03}: the docs say tested, and there is no test Asyncio_{number:03}_...")
        elif not claims and number in tests:
            wrong.append(f"{number:03}: there is a test, and the docs say {what!r}")
    print("\n".join(wrong))
    print(f"{len(rows)} behaviours listed, {len(tests)} tested, {len(wrong)} wrong")
    return 1 if wrong else 0


sys.exit(main())
