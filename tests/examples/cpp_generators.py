#!/usr/bin/env python3
"""The generators print what the same programs print in Python."""
from support.programs import equal, main_once, run

EXPECTED = """\
0 1 1 2 3 5 8 13 21 34
0
got: hello
got: 123456
StopIteration
normal value
we got ValueError here
normal value
normal value 2
StopIteration
[PRODUCER] Producing 1...
[CONSUMER] Consuming 1...
[PRODUCER] Consumer return: 200 OK
[PRODUCER] Producing 2...
[CONSUMER] Consuming 2...
[PRODUCER] Consumer return: 200 OK
[PRODUCER] Producing 3...
[CONSUMER] Consuming 3...
[PRODUCER] Consumer return: 200 OK
0 1 2 10 20 
 9 boys  averaging 40.42kg
 9 boys  averaging 1.39m
10 girls averaging 42.04kg
10 girls averaging 1.43m
"""


def prints_what_python_prints():
    equal(run("cpp/generators"), (0, EXPECTED, ""), "status, output and errors")


if __name__ == "__main__":
    main_once(prints_what_python_prints)
