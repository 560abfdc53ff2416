"""links.py: every relative link of the pages leads to a file of the repository, and to a heading of it if it names one.
diagrams/x.svg is made from diagrams/x.dot."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def problem(page, target):
    if re.match(r"[a-z]+:", target):
        return None
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if file.suffix == ".svg" and not file.exists():
        file = file.with_suffix(".dot")
    made = path.startswith("reference/") and page.parent == ROOT / "docs"  # by docs/tools/site.py
    if not file.exists() and not made:
        return f"no {path}"
    if anchor and file.suffix == ".md" and not made and anchor not in anchors(file):
        return f"no heading {anchor} in {path or page.name}"
    return None


found = []
for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("examples/*.md"), *ROOT.glob("bench/*.md")]:
    for n, line in enumerate(page.read_text().splitlines(), 1):
        for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if what := problem(page, target):
                found.append(f"{page.relative_to(ROOT)}:{n}: {what}")
sys.exit("\n".join(found) if found else 0)
