#!/usr/bin/env python3
"""man.py <directory>: manual pages of section 3 from the public C headers: one for each header, evloop_timer.3, and one
for each function, evl_timer_new.3. They are made from Doxygen's XML, which has to be free of warnings."""
import pathlib
import re
import sys

import headers
import model
import reference


def escaped(text):
    return re.sub(r"^([.'])", r"\\&\1", text.replace("\\", "\\e").replace("-", "\\-"))


def bare(parts):
    return re.sub(r"\s+", " ", "".join(part if isinstance(part, str) else part[1] for part in parts)).strip()


def inlines(parts):
    out = []
    for part in parts:
        if isinstance(part, str):
            out.append(part.replace("\\", "\\e").replace("-", "\\-"))
        elif part[0] == "code":
            out.append(f"\\fI{escaped(part[1])}\\fP")
        else:
            out.append(f"\\fB{escaped(part[1])}\\fP")
    return re.sub(r"^([.'])", r"\\&\1", re.sub(r"\s+", " ", "".join(out)).strip())


def text(blocks, first=True):
    lines = []
    for block in blocks:
        if block[0] == "text":
            lines += ([] if first else [".PP"]) + [inlines(block[1])]
        elif block[0] == "code":
            lines += [".PP", ".nf", ".RS 4", *map(escaped, block[1].split("\n")), ".RE", ".fi"]
        else:
            for n, item in enumerate(block[1]):
                mark = "\\(bu 2" if block[0] == "list" else f"{n + 1}. 4"
                lines += [f".IP {mark}", *text(item)]
        first = False
    return lines


def members(symbol):
    lines = []
    for member in symbol.members:
        lines += [".TP", f"\\fB{escaped(member.prototype.rstrip(';'))}\\fP", *text(member.text)]
    return lines


def page(name, title, version, sections, also):
    lines = [f'.TH {name} 3 "" "evloop {version}" "evloop"', ".SH NAME", f"{escaped(name)} \\- {escaped(title)}"]
    for heading, body in sections:
        if body:
            lines += [f".SH {heading}", *body]
    if also:
        lines += [".SH SEE ALSO", ",\n".join(f".BR {escaped(other)} (3)" for other in also).replace(",\n", " ,\n")]
    return "\n".join(lines) + "\n"


def synopsis(prototypes):
    return [".nf", ".B #include <evloop.h>", ".PP", *(f".B {escaped(line)}" for line in prototypes), ".fi"]


def function_page(symbol, header, version, neighbours):
    names = [symbol, *symbol.also]
    threads = "any" if symbol.facts.get("Thread") == "any" else ""
    summary = bare(symbol.text[0][1]).rstrip(".") if symbol.text and symbol.text[0][0] == "text" else header.name
    also = [other for other in neighbours if other not in [one.name for one in names]][:8]
    return page(symbol.name, summary, version, [
        ("SYNOPSIS", synopsis([line for one in names for line in one.prototype.split("\n")[:1]])),
        ("DESCRIPTION", text(symbol.text)),
        ("THREADS", ["Any thread may call it."] if threads else ["The loop's thread only."]),
        ("HISTORY", [f"Since evloop {symbol.facts['Since']}."] if "Since" in symbol.facts else []),
    ], [f"evloop_{pathlib.PurePath(header.name).stem}", *also])


def header_page(header, name, version):
    functions = [one for symbol in header.symbols if symbol.kind == "function" for one in (symbol, *symbol.also)]
    rest = [symbol for symbol in header.symbols if symbol.kind != "function"]
    types = []
    for symbol in rest:
        what = symbol.name if symbol.kind != "enum" or not symbol.name.startswith("@") else "Constants"
        types += [f".SS {escaped(what or 'Constants')}", *text(symbol.text), *members(symbol)]
    calls = []
    for one in functions:
        summary = bare(one.text[0][1]) if one.text and one.text[0][0] == "text" else ""
        calls += [".TP", f"\\fB{escaped(one.name)}\\fP(3)", escaped(summary)]
    return page(name, bare(header.title).rstrip("."), version, [
        ("SYNOPSIS", [".B #include <evloop.h>"]), ("DESCRIPTION", text(header.text)),
        ("TYPES AND CONSTANTS", types), ("FUNCTIONS", calls)], [])


def build(directory):
    out = pathlib.Path(directory).resolve()
    warnings = reference.build(out / "reference")
    if warnings:
        sys.exit("\n".join(warnings))
    version = (headers.ROOT / "VERSION").read_text().strip()
    target = out / "man3"
    target.mkdir(parents=True, exist_ok=True)
    for header in model.read(out / "reference" / "xml"):
        if header.language != "c":
            continue
        name = "evloop" if "/" not in header.name else f"evloop_{pathlib.PurePath(header.name).stem}"
        (target / f"{name}.3").write_text(header_page(header, name, version))
        functions = [symbol for symbol in header.symbols if symbol.kind == "function"]
        for symbol in functions:
            (target / f"{symbol.name}.3").write_text(
                function_page(symbol, header, version, [other.name for other in functions]))
            for other in symbol.also:
                (target / f"{other.name}.3").write_text(f".so man3/{symbol.name}.3\n")


if __name__ == "__main__":
    build(sys.argv[1])
