#!/usr/bin/env python3
"""What must not build does not, for the reason that it gives; and what stands beside it does.

Each case in cases.cpp is a block `#if CASE == name` with a comment `// says: <part of the message>`. Without a case
the file builds."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COMPILER = [*os.environ["CXX"].split(), "-std=c++20", "-fsyntax-only", f"-I{ROOT / 'include'}", f"-I{ROOT / 'cpp'}"]


def build(name, flags):
    define = [f"-DCASE_{name}"] if name else []
    run = subprocess.run([*COMPILER, *flags, *define, str(HERE / "cases.cpp")], capture_output=True, text=True)
    return run.returncode, run.stderr


def check(name, says, flags):
    code, text = build(name, flags)
    if not name:
        return None if code == 0 else f"without a case:\n{text}"
    if code == 0:
        return f"{name}: builds"
    return None if says in text else f"{name}: does not build, and does not say {says!r}:\n{text}"


def main():
    source = (HERE / "cases.cpp").read_text()
    cases = re.findall(r"^#\s*(?:if|elif) defined\(CASE_(\w+)\)(?: +// (\S+))?\n\s*// says: (.+)$", source, re.M)
    if len(cases) != source.count("defined(CASE_"):
        return "a case that does not say why it must not build"
    jobs = [("", "", []), ("", "", ["-fno-exceptions", "-fno-rtti"])]
    jobs += [(name, says, [*(flag.split(",") if flag else []), "-Werror=unused-result"]) for name, flag, says in cases]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        wrong = [answer for answer in pool.map(lambda job: check(*job), jobs) if answer]
    print("\n".join(wrong))
    print(f"{len(cases)} cases, {len(wrong)} wrong")
    return 1 if wrong else 0


sys.exit(main())
