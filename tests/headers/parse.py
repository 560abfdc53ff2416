"""parse.py: a binding generator's parser (pycparser, which cffi uses) reads evloop.h and finds every function."""
import os
import pathlib
import re
import subprocess
import sys

try:
    import pycparser
    import pycparser.c_ast
except ImportError:
    # The distribution's module is the distribution's interpreter's.
    if sys.executable == "/usr/bin/python3" or not os.path.exists("/usr/bin/python3"):
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

ROOT = pathlib.Path(__file__).resolve().parents[2]
STUB = pathlib.Path(__file__).resolve().parent / "stub"

text = subprocess.run([os.environ.get("CC", "cc"), "-E", "-P", "-nostdinc", f"-I{STUB}", f"-I{ROOT}/include",
                       ROOT / "include" / "evloop.h"], check=True, text=True, stdout=subprocess.PIPE).stdout
tree = pycparser.CParser().parse(text, "evloop.h")
found = {node.name for node in tree.ext
         if isinstance(node, pycparser.c_ast.Decl) and isinstance(node.type, pycparser.c_ast.FuncDecl)}
exported = set(re.findall(r"^    (\w+);$", (ROOT / "core" / "evloop.map").read_text(), re.MULTILINE))
if found != exported:
    sys.exit(f"the parser and core/evloop.map differ in {sorted(found ^ exported)}")
