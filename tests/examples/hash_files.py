#!/usr/bin/env python3
"""The hashes are right and in order, and a file that cannot be read is named without stopping the others."""
import os
import tempfile

from support.programs import equal, main, run


def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


def write_files(directory):
    contents = [b"", b"a", b"foobar", os.urandom(200000), *(b"%d" % i for i in range(30))]
    names = [os.path.join(directory, f"file {i}") for i in range(len(contents))]
    for name, data in zip(names, contents):
        with open(name, "wb") as file:
            file.write(data)
    return names, "".join(f"{fnv1a(data)}  {name}\n" for name, data in zip(names, contents))


def all_well(backend):
    equal(fnv1a(b"foobar"), "85944171f73967e8", "the published value")
    with tempfile.TemporaryDirectory() as directory:
        names, expected = write_files(directory)
        for threads in ("1", "3", "50"):
            equal(run("hash_files", "-j", threads, *names, backend=backend), (0, expected, ""), threads)


def bad_files(backend):
    with tempfile.TemporaryDirectory() as directory:
        names, expected = write_files(directory)
        missing = os.path.join(directory, "missing")
        status, out, errors = run("hash_files", missing, *names, directory, backend=backend)
        equal((status, out), (1, expected), "status and hashes")
        equal(errors, f"hash_files: {missing}: No such file or directory\nhash_files: {directory}: Is a directory\n",
              "the errors")


def usage(backend):
    for args in ([], ["-j", "0", "x"], ["-x"]):
        status, out, errors = run("hash_files", *args, backend=backend)
        equal((status, out, "usage: hash_files" in errors), (2, "", True), f"usage with {args}")


if __name__ == "__main__":
    main(all_well, bad_files, usage)
