"""What the packaging scripts share: where things are, running a command, and reading a library."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CC = os.environ.get("CC", "cc")


def run(*command, env=None, **options):
    """Runs a command in silence and returns what it printed; ends the script with all of it when it fails."""
    command = [str(word) for word in command]
    done = subprocess.run(command, env={**os.environ, **(env or {})}, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\nreturned {done.returncode}")
    return done.stdout


def fresh(directory):
    """An empty directory of that name."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def prefix(scratch, builder):
    """Where install.py put what cmake or meson installed."""
    return pathlib.Path(scratch).resolve() / "prefix" / builder


def exported(library):
    """The dynamic symbols that a library defines, without the version nodes themselves."""
    lines = run("nm", "-D", "--defined-only", library).splitlines()
    return sorted(line.split()[2] for line in lines if line.split()[1] != "A")


def dynamic(binary, tag):
    """The values of a tag of the dynamic section: NEEDED, SONAME."""
    return re.findall(rf"\({tag}\).*\[(.*)\]", run("readelf", "-d", binary))


def finish(problems):
    """Ends a script that collected its findings."""
    sys.exit("\n".join(problems) if problems else 0)
