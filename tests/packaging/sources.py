"""sources.py: core/sources.txt lists every source of core/, sorted, and the version is the same everywhere."""
import re

from common import ROOT, finish

problems = []
listed = (ROOT / "core" / "sources.txt").read_text().split()
there = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "core").rglob("*.c"))
if listed != there:
    problems.append(f"core/sources.txt and core/ differ in {sorted(set(listed) ^ set(there)) or 'their order'}")

version = (ROOT / "VERSION").read_text().strip()
header = (ROOT / "include" / "evloop" / "base.h").read_text()
macros = ".".join(re.search(rf"EVL_VERSION_{part}\s+(\d+)", header)[1] for part in ("MAJOR", "MINOR", "PATCH"))
if version != macros:
    problems.append(f"VERSION says {version}, evloop/base.h {macros}")

finish(problems)
