"""programs.py <page> <C compiler> <C++ compiler> <library> <include directories...>: every program of a page of docs/
compiles without a warning, runs, and prints what the page says it prints.

A program is a ```c or ```cpp block behind the line <!-- program: c --> or <!-- program: cpp -->; the ```text block
behind it is its output."""
import pathlib
import re
import subprocess
import sys
import tempfile

PROGRAM = re.compile(r"<!-- program: (c|cpp) -->\n```\1\n(.*?)```\n```text\n(.*?)```", re.DOTALL)
FLAGS = {"c": ["-x", "c", "-std=gnu11"], "cpp": ["-x", "c++", "-std=c++20"]}


def title(text, at):
    return re.findall(r"^## (.*)$", text[:at], re.MULTILINE)[-1]


def precompile(compiler, includes, scratch):
    """evloop.hpp is parsed once: GCC takes what is made here for the first #include of a program, where it is that."""
    (scratch / "evloop.hpp").write_text("#include_next <evloop.hpp>\n")
    subprocess.run([compiler, "-x", "c++-header", "-std=c++20", "-pthread", *[f"-I{path}" for path in includes], "-w", "-O0", "-o",
                    scratch / "evloop.hpp.gch", scratch / "evloop.hpp"], capture_output=True)
    return [scratch, *includes]


def check(compilers, library, includes, language, source, expected, scratch):
    binary = scratch / "program"
    command = [compilers[language], *FLAGS[language], "-Wall", "-Wextra", "-Werror", "-O0", "-o", binary, "-",
               *[f"-I{path}" for path in includes], "-x", "none", library, f"-Wl,-rpath,{pathlib.Path(library).parent}", "-pthread"]
    done = subprocess.run(command, input=source, text=True, capture_output=True)
    if done.returncode != 0:
        return done.stderr
    done = subprocess.run([binary], text=True, capture_output=True, timeout=60, cwd=scratch)
    if done.returncode != 0 or done.stdout != expected:
        return f"exit status {done.returncode}, printed:\n{done.stdout}{done.stderr}instead of:\n{expected}"
    return None


def main(page, cc, cxx, library, *includes):
    text = pathlib.Path(page).read_text()
    found = list(PROGRAM.finditer(text))
    if not found or len(found) != text.count("<!-- program: "):
        sys.exit(f"{page}: a program without its output, or none at all")
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        if "cpp" in {match[1] for match in found}:
            includes = precompile(cxx, includes, scratch)
        for match in found:
            problem = check({"c": cc, "cpp": cxx}, library, includes, *match.groups(), scratch)
            if problem:
                failed += 1
                print(f"{title(text, match.start())}: {problem}")
    print(f"{len(found) - failed} of {len(found)} programs of {pathlib.Path(page).name} do as they say")
    sys.exit(failed != 0)


main(*sys.argv[1:])
