"""headers.py [<header>...]: what every public header promises to other compilers and other languages.

With headers: each compiles alone, first, as strict C99 and as strict C++20. Without: the rules of the text.
CC and CXX name the compilers."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
# Adapters are code for C11 and C++20 beside another library; tests/adapters compiles them.
HEADERS = sorted(path for path in INCLUDE.rglob("*.h") if path.parent.name != "adapters")
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-Wundef"]
problems = []


def compiles(header):
    source = f"#include <{header}>\n#include <{header}>\nint only_to_have_one;\n"
    for command in (
        [os.environ.get("CC", "cc"), "-x", "c", "-std=c99", "-Wstrict-prototypes", "-Wc++-compat", *STRICT],
        [os.environ.get("CXX", "c++"), "-x", "c++", "-std=c++20", "-Wold-style-cast", *STRICT],
    ):
        done = subprocess.run([*command, "-fsyntax-only", f"-I{INCLUDE}", "-"], input=source, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode != 0:
            problems.append(f"{' '.join(command)} <{header}>\n{done.stdout}")


def keeps_the_rules(path):
    name = path.relative_to(INCLUDE)

    def wrong(what, found):
        problems.extend(f"{name}: {what}: {' '.join(str(item).split())}" for item in found)

    text = path.read_text()
    code = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    body = re.sub(r"^\s*#.*(\\\n.*)*", "", code, flags=re.MULTILINE)

    includes = re.findall(r"^\s*#\s*include\s*(\S+)", code, re.MULTILINE)
    wrong("may include only <stddef.h>, <stdint.h> and its siblings",
          [i for i in includes if i not in ("<stddef.h>", "<stdint.h>") and not (path.parent / i.strip('"')).exists()])
    wrong("has a // comment", re.findall(r"^.*[^:]//.*$", code, re.MULTILINE))
    wrong("has a function-like macro", re.findall(r"^\s*#\s*define\s+\w+\(.*$", code, re.MULTILINE))
    wrong("defines something without EVL in front",
          re.findall(r"^\s*#\s*define\s+(?!EVL_|EVLOOP_)\w+", code, re.MULTILINE))
    wrong("has varargs", re.findall(r"[^;{}]*\.\.\.[^;{}]*", body))
    wrong("has a function body", re.findall(r"\b(?:inline|static)\b.*", body))
    wrong("has a bit-field", re.findall(r"\w+\s+\w+\s*:\s*\d+\s*;", body))
    wrong("names an enum as a type", re.findall(r"\benum\s+\w+", body))
    wrong("declares a type without evl_ in front",
          [t for t in re.findall(r"typedef[^;{]*?(?:\{[^}]*\}\s*)?(\w+)(?:\([^)]*\))?;", body) if not t.startswith("evl_")])

    # Pointers and scalars of a fixed size: the same on every platform, whatever the compiler.
    structs = re.findall(r"typedef struct (\w+) \{", "".join(p.read_text() for p in HEADERS))
    for prototype in re.findall(r"EVL_API\s+([^;]*);", body):
        wrong("passes a struct by value", re.findall(rf"\b(?:{'|'.join(structs)})\s+\w+", prototype))
        wrong("has a type whose size differs between platforms",
              re.findall(r"\b(?:int|long|short|unsigned|bool|_Bool|ssize_t|off_t|time_t)\b[^,)]*", prototype))

    guard = "".join(c if c.isalnum() else "_" for c in str(name)).upper()
    if not re.search(rf"^#ifndef {guard}\n#define {guard}$", text, re.MULTILINE):
        problems.append(f"{name}: wants the include guard {guard}")
    if "EVL_API " in body and 'extern "C"' not in code:
        problems.append(f"{name}: has no extern \"C\"")
    if path != INCLUDE / "evloop.h" and f'#include "evloop/{path.name}"' not in (INCLUDE / "evloop.h").read_text():
        problems.append(f"{name}: evloop.h does not include it")


if sys.argv[1:]:
    for header in sys.argv[1:]:
        compiles(header)
else:
    for header in HEADERS:
        keeps_the_rules(header)
sys.exit("\n".join(problems) if problems else 0)
