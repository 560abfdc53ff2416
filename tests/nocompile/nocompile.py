#!/usr/bin/env python3
"""What must not build does not, for the reason that it gives; and what stands beside it does.

Each case in cases.cpp is a block `#if CASE == name` with a comment `// says: <part of the message>`, or
`// GCC before 15 says: ...` where every other compiler builds it. Without a case the file builds."""
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COMPILER = [*os.environ["CXX"].split(), "-std=c++20", "-fsyntax-only", f"-I{ROOT / 'include'}", f"-I{ROOT / 'cpp'}"]


def is_old_gcc():
    """Whether coroutines lose what GCC before 15 loses."""
    macros = subprocess.run([*COMPILER, "-dM", "-E", "-x", "c++", os.devnull], capture_output=True, text=True, check=True)
    known = dict(re.findall(r"^#define (__\w+__) (.*)$", macros.stdout, re.M))
    return "__clang__" not in known and int(known.get("__GNUC__", 99)) < 15


def precompile(folder):
    """All headers, parsed once for all cases: what a case is compiled with."""
    header = pathlib.Path(folder) / "all.hpp"
    header.write_text("#include <evloop.hpp>\n")
    made = subprocess.run([*(word for word in COMPILER if word != "-fsyntax-only"), "-x", "c++-header", str(header), "-o",
                           f"{header}.gch"], capture_output=True)
    return ["-include", str(header)] if made.returncode == 0 else []


def build(name, flags, headers):
    define = [f"-DCASE_{name}"] if name else []
    if any(flag.startswith("-f") for flag in flags):  # parsed in another way
        headers = []
    run = subprocess.run([*COMPILER, *headers, *flags, *define, str(HERE / "cases.cpp")], capture_output=True, text=True)
    return run.returncode, run.stderr


def check(name, says, flags, headers):
    """What is wrong with a case, or None. One that says nothing has to build."""
    code, text = build(name, flags, headers)
    if not says:
        return None if code == 0 else f"{name or 'without a case'}:\n{text}"
    if code == 0:
        return f"{name}: builds"
    return None if says in text else f"{name}: does not build, and does not say {says!r}:\n{text}"


def main():
    source = (HERE / "cases.cpp").read_text()
    cases = re.findall(r"^#\s*(?:if|elif) defined\(CASE_(\w+)\)(?: +// (\S+))?\n\s*// (GCC before 15 )?says: (.+)$",
                       source, re.M)
    if len(cases) != source.count("defined(CASE_"):
        return "a case that does not say why it must not build"
    jobs = [("", "", []), ("", "", ["-fno-exceptions", "-fno-rtti"])]
    old_gcc = is_old_gcc()
    jobs += [(name, says if old_gcc or not only_old_gcc else "",
              [*(flag.split(",") if flag else []), "-Werror=unused-result"]) for name, flag, only_old_gcc, says in cases]
    with concurrent.futures.ThreadPoolExecutor(2) as pool, tempfile.TemporaryDirectory() as folder:
        headers = precompile(folder)
        wrong = [problem for problem in pool.map(lambda job: check(*job, headers), jobs) if problem]
    print("\n".join(wrong))
    print(f"{len(cases)} cases, {len(wrong)} wrong")
    return 1 if wrong else 0


sys.exit(main())
