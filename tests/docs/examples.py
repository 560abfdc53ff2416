"""examples.py <compiler>: the examples in the comments of the public C headers compile.

An example is what is indented by five columns in a comment. Functions in it stand at file scope and the rest in a
function; what it takes as given is declared in prelude.h."""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "include"
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unused", "-Wno-shadow"]


def examples(header):
    for comment in re.findall(r"^/\*.*?\*/", header.read_text(), re.DOTALL | re.MULTILINE):
        lines = [re.sub(r"^ \*", "", line) for line in comment.removesuffix("*/").split("\n")]
        text = "\n".join(line if not line or line.startswith("     ") else "\0" for line in lines)
        for code in text.split("\0"):
            if code.strip():
                yield "\n".join(line[5:] for line in code.split("\n"))


def source(code):
    if "int main(" in code:
        return code
    functions = re.compile(r"^static .*?\{(?:.*\}| *\n.*?^\})[^\n]*\n", re.MULTILINE | re.DOTALL)
    body = functions.sub("", code)
    return "\n".join(['#include "prelude.h"', *functions.findall(code), "void example(void) {", body, "}"])


def main(compiler):
    count = 0
    for header in sorted(INCLUDE.rglob("*.h")):
        for code in examples(header):
            count += 1
            done = subprocess.run([compiler, "-x", "c", "-std=gnu11", *WARNINGS, "-fsyntax-only", f"-I{INCLUDE}", f"-I{HERE}", "-"],
                                  input=source(code), text=True, capture_output=True)
            if done.returncode != 0:
                sys.exit(f"{header.name}: an example does not compile\n{code}\n{done.stderr}")
    print(f"{count} examples compile")


if __name__ == "__main__":
    main(sys.argv[1])
