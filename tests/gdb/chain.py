"""chain.py <gdb> <program>: tools/evloop-gdb.py prints the tasks of a program that stands still, and the chain of one."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77

EXPECTED = """loop 0x[0-9a-f]+:
  task 2 'worker', spawned, program.cpp:\\d+
    calls, program.cpp:\\d+
    waits: sleep, program.cpp:\\d+
  task 1, spawned, program.cpp:\\d+
    running, program.cpp:\\d+
"""

gdb, program = sys.argv[1:]
commands = ["set confirm off", "set debuginfod enabled off", "run", f"source {ROOT / 'tools' / 'evloop-gdb.py'}", "evloop-tasks", "kill"]
done = subprocess.run([gdb, "-nx", "-batch", *(word for command in commands for word in ("-ex", command)), program],
                      capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=100)
if re.search("ptrace|not permitted|Python scripting is not supported", done.stderr):
    print("not allowed to debug here:", done.stderr)
    sys.exit(SKIPPED)
if not re.search(EXPECTED, done.stdout):
    sys.exit(f"{done.stdout}\n{done.stderr}\nis not as\n{EXPECTED}")
