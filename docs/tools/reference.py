#!/usr/bin/env python3
"""reference.py <directory> [--html]: runs Doxygen over the public headers of C and C++; its XML, and HTML if wanted,
are in the directory then. Fails with Doxygen's warnings: a public symbol without a comment is one."""
import pathlib
import re
import subprocess
import sys

import headers

ROOT = headers.ROOT
# What Doxygen 1.9 does not follow: members of templates that are defined outside of their class, and what is in the inner
# namespace.
UNABLE = re.compile(r"detail::|matching class member found|Internal inconsistency|Possible candidates|^  |'.*kind_of'")


def build(directory, html=False):
    """Doxygen's warnings, each naming the header that it is about."""
    out = pathlib.Path(directory).resolve()
    copies = out / "headers"
    addons = ((f"addons/{name}/include", "*.h*") for name in ("fiber", "http", "httpd", "tls"))
    folders = ("include", "*.h"), *addons, ("cpp", "*.hpp")
    for folder, pattern in folders:
        for header in sorted((ROOT / folder).rglob(pattern)):
            if header.parent.name == "adapters":  # docs/adapters.md
                continue
            copy = copies / folder / header.relative_to(ROOT / folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = headers.convert(header.read_text(), header.name)
            if not copy.exists() or copy.read_text() != text:
                copy.write_text(text)
    values = {"VERSION": (ROOT / "VERSION").read_text().strip(), "OUTPUT": str(out), "HEADERS": str(copies),
              "HTML": "YES" if html else "NO"}
    config = (ROOT / "docs" / "Doxyfile.in").read_text()
    for name, value in values.items():
        config = config.replace(f"@{name}@", value)
    (out / "Doxyfile").write_text(config)
    subprocess.run(["doxygen", out / "Doxyfile"], check=True, stdout=subprocess.DEVNULL)
    text = (out / "warnings").read_text().replace(f"{copies}/", "")
    return [line for line in sorted(set(text.splitlines())) if line and not UNABLE.search(line)]


if __name__ == "__main__":
    warnings = build(sys.argv[1], "--html" in sys.argv)
    sys.exit("\n".join(warnings) if warnings else 0)
