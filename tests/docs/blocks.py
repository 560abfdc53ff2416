"""blocks.py <C compiler> <C++ compiler>: every ```c and ```cpp block of the README and the pages compiles. What programs.py
runs is left to it; a block behind the line <!-- fragment --> is not compiled. One without an #include is the inside of a
function, in C behind prelude.h and in C++ of a coroutine. What a block takes as given stands before it in a comment:
<!-- given: code -->."""
import pathlib
import re
import shutil
import subprocess
import sys

import examples

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:<!-- (program: \w+|fragment|given:(?:(?!-->).)*?)\s*-->\n)?```(c|cpp)\n(.*?)```", re.DOTALL)
# Where the headers of the libraries are that adapters are for; a block with an adapter whose library is not here is
# left out.
ADAPTERS = {"asio": "", "cares": "libcares", "curl": "libcurl", "glib": "glib-2.0", "glib_context": "glib-2.0",  "hiredis": "hiredis", "libpq": "libpq",
            "libuv": "libuv", "poll": "", "sd_event": "libsystemd", "select": ""}
FLAGS = {"c": ["-x", "c", "-std=gnu11"], "cpp": ["-x", "c++", "-std=c++20"]}


def pages():
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/README.md", "bench/README.md"))
    yield from sorted((ROOT / "docs").rglob("*.md"))


def source(language, code):
    if "#include" in code:
        return code
    if language == "c":
        return examples.source(code)
    return f"#include <evloop.hpp>\n#include <string>\nusing namespace std::chrono_literals;\nevloop::task<> example() {{\n{code}\nco_return;\n}}"


def adapter_flags(code):
    """Compiler flags for the adapters that the code includes; None if a library is missing."""
    flags = []
    for name in re.findall(r"#include <evloop/adapters/(\w+)\.", code):
        if name == "asio" and not pathlib.Path("/usr/include/asio.hpp").exists():
            return None
        if ADAPTERS[name]:
            found = shutil.which("pkg-config") and subprocess.run(["pkg-config", "--cflags", ADAPTERS[name]], text=True,
                                                                  capture_output=True)
            if not found or found.returncode != 0:
                return None
            flags += found.stdout.split()
    return flags


def main(cc, cxx):
    count, failed = 0, 0
    for page in pages():
        text = page.read_text()
        for block in BLOCK.finditer(text):
            given = (block[1] or "").removeprefix("given:")
            if block[1] and given == block[1]:
                continue
            adapters = adapter_flags(block[3])
            if adapters is None:
                continue
            count += 1
            command = [{"c": cc, "cpp": cxx}[block[2]], *FLAGS[block[2]], "-Wall", "-Wextra", "-Werror", "-Wno-unused",
                       "-fsyntax-only", *adapters, f"-I{ROOT}/include", f"-I{ROOT}/addons/tls/include", f"-I{ROOT}/addons/fiber/include",
                       f"-I{ROOT}/addons/http/include", f"-I{ROOT}/addons/httpd/include", f"-I{ROOT}/cpp", f"-I{examples.HERE}", "-"]
            done = subprocess.run(command, input=source(block[2], given + block[3]), text=True, capture_output=True)
            if done.returncode != 0:
                failed += 1
                line = text.count("\n", 0, block.start(3)) + 1
                print(f"{page.relative_to(ROOT)}:{line}: does not compile\n{done.stderr}")
    print(f"{count - failed} of {count} blocks compile")
    sys.exit(failed != 0)


main(*sys.argv[1:])
