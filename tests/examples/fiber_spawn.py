#!/usr/bin/env python3
"""gevent's programs print what gevent prints; gevent itself runs beside them where it is installed."""
import subprocess

from support.programs import equal, main, run

PROGRAM = '''
import gevent
def foo():
    print('Running in foo')
    gevent.sleep(0)
    print('Explicit context switch to foo again')
def bar():
    print('Explicit context to bar')
    gevent.sleep(0)
    print('Implicit context switch back to bar')
gevent.joinall([gevent.spawn(foo), gevent.spawn(bar)])
def task(pid):
    gevent.sleep(((5 - pid) % 3 + 1) * 0.02)
    print('Task %s done' % pid)
print('Synchronous:')
for i in range(5):
    task(i)
print('Asynchronous:')
gevent.joinall([gevent.spawn(task, i) for i in range(5)])
'''
EXPECTED = """Running in foo
Explicit context to bar
Explicit context switch to foo again
Implicit context switch back to bar
Synchronous:
Task 0 done
Task 1 done
Task 2 done
Task 3 done
Task 4 done
Asynchronous:
Task 2 done
Task 1 done
Task 4 done
Task 0 done
Task 3 done
"""


def prints(backend):
    equal(run("fiber_spawn", backend=backend), (0, EXPECTED, ""), "what it prints")


def as_gevent(_):
    done = subprocess.run(["/usr/bin/python3", "-c", PROGRAM], capture_output=True, text=True)
    if "ModuleNotFoundError" not in done.stderr:
        equal((done.returncode, done.stdout), (0, EXPECTED), "what gevent prints")


if __name__ == "__main__":
    main(prints, as_gevent)
