#!/usr/bin/env python3
"""site.py <directory>: builds the manual's site, <directory>/html, from docs/**/*.md and the headers. Any warning, of
Doxygen's, Graphviz's or Sphinx's, fails it.

docs/index.md is the first page. A page of docs/ that no toctree names is a warning: add it there. The reference has a
page for each header, made here, and a diagram docs/diagrams/x.dot is diagrams/x.svg to a page of docs/."""
import pathlib
import re
import shutil
import subprocess
import sys

import headers
import markdown
import model
import reference

ROOT = headers.ROOT
# The distribution's, which has the theme and the reader of Markdown; else what is on the path.
SPHINX = "/usr/bin/sphinx-build" if pathlib.Path("/usr/bin/sphinx-build").exists() else "sphinx-build"


def reference_pages(source, xml):
    """A page for each header, and an index for each language."""
    pages = markdown.Pages(model.read(xml))
    for language, title in ("c", "C"), ("cpp", "C++"):
        (source / "reference" / language).mkdir(parents=True)
        text = [f"# Reference: {title}", "", "| header | |", "| --- | --- |"]
        names = []
        for header in pages.headers:
            if header.language == language and "/" in header.name:  # evloop.h and evloop.hpp include the others
                name = pathlib.PurePath(header.name).stem
                (source / "reference" / language / f"{name}.md").write_text(pages.page(header))
                names.append(f"{language}/{name}")
                text.append(f"| [{name}]({language}/{name}.md) | {pages.summary(header)} |")
        text += ["", "```{toctree}", ":hidden:", "", *names, "```", ""]
        (source / "reference" / f"{language}.md").write_text("\n".join(text))


def diagrams(source):
    for dot in sorted((ROOT / "docs" / "diagrams").glob("*.dot")):
        (source / "diagrams").mkdir(exist_ok=True)
        subprocess.run(["dot", "-Tsvg", "-o", source / "diagrams" / f"{dot.stem}.svg", dot], check=True)


def links_out(text):
    """Links to files of the repository that are no pages: the site shows their names."""
    return re.sub(r"\[([^\]]*)\]\((?:\.\./)+[^)]*\)", r"\1", text)


def build(directory):
    out = pathlib.Path(directory).resolve()
    warnings = reference.build(out / "reference")
    if warnings:
        sys.exit("\n".join(warnings))
    source = out / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for path in sorted((ROOT / "docs").rglob("*.md")):
        copy = source / path.relative_to(ROOT / "docs")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(links_out(path.read_text()))
    shutil.copy(ROOT / "docs" / "conf.py", source)
    shutil.copy(ROOT / "VERSION", source)
    reference_pages(source, out / "reference" / "xml")
    diagrams(source)
    subprocess.run([SPHINX, "-q", "-W", "--keep-going", "-j", "auto", "-b", "html", source, out / "html"], check=True)
    print(f"file://{out}/html/index.html")


if __name__ == "__main__":
    build(sys.argv[1])
