"""examples.py <C compiler> <C++ compiler>: the examples in the comments of the public headers compile.

An example is what is indented by five columns in a comment. Functions in it stand at file scope and the rest in a
function, in C++ in a coroutine; what it takes as given is declared in prelude.h and prelude.hpp."""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unused", "-Wno-unused-parameter", "-Wno-shadow"]


def blocks(lines):
    text = "\n".join(line if not line or line.startswith("     ") else "\0" for line in lines)
    for code in text.split("\0"):
        if code.strip():
            yield "\n".join(line[5:] for line in code.split("\n"))


def examples(header):
    for comment in re.findall(r"^/\*.*?\*/", header.read_text(), re.DOTALL | re.MULTILINE):
        yield from blocks(re.sub(r"^ \*", "", line) for line in comment.removesuffix("*/").split("\n"))


def examples_cpp(header):
    for comment in re.findall(r"(?:^ *//.*\n)+", header.read_text(), re.MULTILINE):
        yield from blocks(re.sub(r"^ *//", "", line) for line in comment.split("\n"))


def source(code):
    if "int main(" in code:
        return code
    functions = re.compile(r"^static .*?\{(?:.*\}| *\n.*?^\})[^\n]*\n", re.MULTILINE | re.DOTALL)
    body = functions.sub("", code)
    return "\n".join(['#include "prelude.h"', *functions.findall(code), "void example(void) {", body, "}"])


def source_cpp(code):
    definition = r"^(?:(?:class|int|evloop::(?:task|generator|async_generator)<)[^\n;=]*?)\{(?:[^\n]*\}|[^\n]*\n.*?^\})[^\n]*\n?"
    definitions = re.compile(definition, re.MULTILINE | re.DOTALL)
    body = definitions.sub("", code)
    return "\n".join([*definitions.findall(code), "evloop::task<> example() {", "int top = 0;", body, "co_return;", "}"])


def compiles(command, text, what):
    done = subprocess.run([*command, *WARNINGS, "-fsyntax-only", f"-I{ROOT / 'include'}", f"-I{ROOT / 'addons/tls/include'}",
                           f"-I{ROOT / 'addons/fiber/include'}", f"-I{ROOT / 'addons/http/include'}",
                           f"-I{ROOT / 'addons/httpd/include'}", f"-I{HERE}", "-"],
                          input=text, text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"{what}: an example does not compile\n{done.stderr}")


def main(compiler, compiler_cpp):
    count = 0
    headers = [path for path in sorted((ROOT / "include").rglob("*.h")) if path.parent.name != "adapters"]
    for header in [*headers, *sorted((ROOT / "addons").rglob("include/*/*.h"))]:
        for code in examples(header):
            count += 1
            compiles([compiler, "-x", "c", "-std=gnu11"], source(code), f"{header.name}\n{code}")
    together = ['#include "prelude.hpp"']  # each in a namespace of its own, for the headers take long
    for header in [*sorted((ROOT / "cpp").rglob("*.hpp")), *sorted((ROOT / "addons").rglob("include/*/*.hpp"))]:
        for code in examples_cpp(header):
            count += 1
            together += [f"namespace example_{count} {{", f"// {header.name}", source_cpp(code), "}"]
    compiles([compiler_cpp, "-x", "c++", "-std=c++20", f"-I{ROOT / 'cpp'}"], "\n".join(together), "the C++ headers")
    print(f"{count} examples compile")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
