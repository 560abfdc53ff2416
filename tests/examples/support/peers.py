"""Programs of others that talk to the examples: nc, socat, curl. One that is missing fails the test."""
import os
import shutil
import subprocess

from support.programs import path


def peer(*command, stdin=b"", limit=60):
    """Runs it to its end and answers what it printed."""
    if not shutil.which(command[0]):
        raise AssertionError(f"{command[0]} is not installed; tools/setup.sh installs what the tests need")
    done = subprocess.run(command, input=stdin, timeout=limit, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command} answered {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def is_sanitized(name):
    """Whether an example was built with a sanitizer, and is slow."""
    with open(path(name), "rb") as file:
        data = file.read()
    return b"__asan_init" in data or b"__tsan_init" in data


def slow(name):
    return is_sanitized(name) or "EVLOOP_TEST_SLOW" in os.environ
