"""plugin.py <scratch> <builder>...: a plugin that embeds libevloop.a exports nothing of it, and lives beside
libevloop.so."""
import sys
from pathlib import Path

from common import CC, exported, fresh, prefix, run

here = Path(__file__).resolve().parent
work = fresh(Path(sys.argv[1]).resolve() / "plugin")

for builder in sys.argv[2:]:
    root = prefix(sys.argv[1], builder)
    plugin, host = work / f"{builder}.so", work / builder
    # All of the archive, as if the plugin used every function.
    run(CC, "-shared", "-fPIC", f"-I{root}/include", here / "plugin.c", "-o", plugin, "-Wl,--whole-archive",
        f"{root}/lib/libevloop.a", "-Wl,--no-whole-archive", "-pthread")
    run(CC, f"-I{root}/include", here / "plugin_host.c", "-o", host, f"-L{root}/lib", "-levloop",
        f"-Wl,-rpath,{root}/lib", "-ldl")
    if exported(plugin) != ["plugin_run"]:
        sys.exit(f"the plugin exports {exported(plugin)}")
    run(host, plugin)
