#!/usr/bin/env python3
"""A thread starts a task and gets what it gives; the loop prints what the thread sends."""
import os
import tempfile

from support.programs import equal, main, run


def lines_of_files(backend):
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for n in range(9):
            paths.append(os.path.join(directory, str(n)))
            with open(paths[-1], "w", encoding="ascii") as file:
                file.write("line\n" * n)
        missing = os.path.join(directory, "missing")
        expected = "".join(f"the thread: {path}: {n} lines\n" for n, path in enumerate(paths))
        expected += f"the thread: {missing}: no such file or directory\n"
        equal(run("cpp/threads", *paths, missing, backend=backend), (0, expected, ""), "the lines")


if __name__ == "__main__":
    main(lines_of_files)
