"""Sphinx's configuration. docs/tools/site.py runs it, in a copy of docs/ that has the reference's pages and the diagrams
besides."""
import pathlib

HERE = pathlib.Path(__file__).resolve().parent

project = "evloop"
author = "evloop's contributors"
release = version = (HERE / "VERSION").read_text().strip()
extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown"}
highlight_language = "c"
html_theme = "furo"
html_title = f"evloop {release}"
html_theme_options = {"navigation_with_keys": True}
html_copy_source = False
