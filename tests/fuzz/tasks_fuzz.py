"""tasks_fuzz.py PROGRAM [seconds [seed]]: random programs of tasks, in C++ by PROGRAM (tasks_fuzz.cpp) and on asyncio.

A program is a tree of steps that depends on its seed alone. Each step notes when it begins and how it ends, in virtual
time; what each has noted is compared, in its order. A program that differs is shrunk. EVLOOP_FUZZ_SECONDS and
EVLOOP_SEED stand for the arguments."""
import asyncio
import os
import pathlib
import random
import subprocess
import sys
import time
import warnings

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sidebyside"))
from worlds import VirtualLoop  # noqa: E402

LEAVES = {"nap": 6, "yield": 2, "value": 2, "fail": 2, "self": 1, "set": 2, "wait": 2}
INNER = {"seq": 6, "spawn": 3, "cancel": 5, "timeout": 4, "group": 4, "shield": 2, "try": 4, "swallow": 2,
         "cleanup": 3, "lock": 2}
if sys.version_info < (3, 13):
    del INNER["group"]  # a group that failed left its parent's cancellations counted wrongly: gh-116720


class Node:
    def __init__(self, kind, number, a, kids):
        self.kind, self.id, self.a, self.kids = kind, number, a, kids

    def text(self):
        return " ".join([f"{self.kind} {self.id} {self.a} {len(self.kids)}", *(kid.text() for kid in self.kids)])

    def show(self, depth=0):
        return "\n".join([f"{'  ' * depth}{self.kind} {self.id} {self.a}", *(kid.show(depth + 1) for kid in self.kids)])


def generate(seed):
    pick = random.Random(f"tasks {seed}")
    count = [0]

    def node(depth):
        count[0] += 1
        number = count[0]
        kinds = LEAVES if depth <= 0 or count[0] > 40 or pick.random() < 0.25 else INNER
        kind = pick.choices(list(kinds), list(kinds.values()))[0]
        kids = 0 if kind in LEAVES else pick.randint(1, 4) if kind in ("seq", "group") else 1
        a = pick.randint(1, 9) if kind == "value" else pick.randint(1, 1_000_000)
        return Node(kind, number, a, [node(depth - 1) for _ in range(kids)])

    return node(6)


# --- the same as tasks_fuzz.cpp, on asyncio

class Fault(Exception):
    pass


def flat(error):
    """A group's first error stands for it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def word(error):
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    return "timed out" if isinstance(error, TimeoutError) else "failed"


class Player:
    def __init__(self):
        self.lines = []
        self.events = [asyncio.Event() for _ in range(3)]
        self.locks = [asyncio.Lock() for _ in range(2)]

    def note(self, number, what):
        self.lines.append(f"{number}: {what} @{int(asyncio.get_running_loop().time())}")

    async def eval(self, n):
        self.note(n.id, n.kind)
        try:
            value = await getattr(self, "run_" + n.kind)(n) or 0
        except BaseException as error:
            self.note(n.id, f"ends: {word(flat(error))}")
            raise flat(error) from None
        self.note(n.id, f"ends with {value}")
        return value

    async def run_nap(self, n):
        await asyncio.sleep(n.a)

    async def run_yield(self, n):
        await asyncio.sleep(0)

    async def run_value(self, n):
        return n.a

    async def run_fail(self, n):
        raise Fault

    async def run_seq(self, n):
        for kid in n.kids:
            await self.eval(kid)

    def spawn(self, coroutine):
        return asyncio.get_running_loop().create_task(coroutine)

    async def run_spawn(self, n):
        return await self.spawn(self.eval(n.kids[0]))

    async def run_cancel(self, n):
        job, cancelled = self.spawn(self.eval(n.kids[0])), None
        try:
            await asyncio.sleep(n.a)
        except asyncio.CancelledError as error:
            cancelled = error
        self.note(n.id, "asked" if job.cancel() else "too late")
        try:
            outcome = f"value {await job}"
        except BaseException as error:
            outcome = word(flat(error))
        self.note(n.id, outcome)
        if cancelled:
            raise cancelled

    async def run_timeout(self, n):
        async with asyncio.timeout(n.a):
            return await self.eval(n.kids[0])

    async def later(self, n):
        await asyncio.sleep(n.a)
        return await self.eval(n)

    async def run_group(self, n):
        async with asyncio.TaskGroup() as group:
            for kid in n.kids:
                group.create_task(self.later(kid))

    async def run_shield(self, n):
        return await asyncio.shield(self.spawn(self.eval(n.kids[0])))

    async def run_try(self, n):
        try:
            return await self.eval(n.kids[0])
        except (Fault, TimeoutError) as error:
            self.note(n.id, f"caught {word(error)}")

    async def run_swallow(self, n):
        try:
            return await self.eval(n.kids[0])
        except asyncio.CancelledError:
            self.note(n.id, "goes on")

    async def run_cleanup(self, n):
        try:
            return await self.eval(n.kids[0])
        except asyncio.CancelledError:
            self.note(n.id, "cleans up")
            await asyncio.sleep(n.a)
            self.note(n.id, "cleaned up")
            raise

    async def run_self(self, n):
        asyncio.current_task().cancel()

    async def run_set(self, n):
        self.events[n.id % 3].set()
        await asyncio.sleep(n.id)

    async def run_wait(self, n):
        async with asyncio.timeout(n.a):
            await self.events[n.id % 3].wait()

    async def run_lock(self, n):
        lock = self.locks[n.id % 2]
        async with asyncio.timeout(n.a):
            await lock.acquire()
        try:
            self.note(n.id, "has it")
            await self.eval(n.kids[0])
        finally:
            lock.release()
            await asyncio.sleep(n.id)


def on_asyncio(root):
    lines = []

    async def main():
        player = Player()
        player.lines = lines
        try:
            outcome = f"value {await player.eval(root)}"
        except BaseException as error:
            outcome = word(flat(error))
        player.note(0, outcome)
        await asyncio.sleep(1_000_000_000)

    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.get_loop().set_exception_handler(lambda _loop, _context: None)
            runner.run(main())
    except BaseException as error:
        lines.append(f"0: run {word(flat(error))}")
    return lines


def told_apart(lines):
    """evloop's run throws what a task that was left behind has thrown, asyncio's tells the exception handler."""
    return [line for line in lines if not line.startswith("0: run ")]


class Program:
    def __init__(self, path):
        self.path, self.process = path, None

    def run(self, root):
        if not self.process:
            self.process = subprocess.Popen([self.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process.stdin.write(root.text() + "\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            if line == ".\n":
                return lines
            lines.append(line.rstrip("\n"))
        status = self.process.wait()
        self.process = None
        return [*lines, f"exit status {status}"]


def by_entity(lines):
    return sorted(told_apart(lines), key=lambda line: line.partition(":")[0])


def differs(program, root):
    one, other = by_entity(on_asyncio(root)), by_entity(program.run(root))
    return None if one == other else (one, other)


def smaller(root):
    """Trees with one node less, or with a part of it in the place of the whole."""
    def copies(n):
        for kid in n.kids:
            yield kid
        for i, kid in enumerate(n.kids):
            if len(n.kids) > 1:
                yield Node(n.kind, n.id, n.a, n.kids[:i] + n.kids[i + 1:])
            for other in copies(kid):
                yield Node(n.kind, n.id, n.a, n.kids[:i] + [other] + n.kids[i + 1:])
    return copies(root)


def shrink(program, root):
    found = True
    while found:
        found = False
        for fewer in smaller(root):
            if differs(program, fewer):
                root, found = fewer, True
                break
    return root


def main():
    warnings.simplefilter("ignore")
    seconds = float(sys.argv[2] if len(sys.argv) > 2 else os.environ.get("EVLOOP_FUZZ_SECONDS", 3))
    given = sys.argv[3] if len(sys.argv) > 3 else os.environ.get("EVLOOP_SEED")
    begin = given or os.environ.get("EVLOOP_FUZZ_FROM")
    first = seed = int(begin) if begin else random.randrange(2**32)
    program, until, failures = Program(sys.argv[1]), time.monotonic() + seconds, 0
    while True:
        root = generate(seed)
        if differs(program, root):
            failures += 1
            root = shrink(program, root)
            print(f"EVLOOP_SEED={seed} differs; shrunk:\n{root.show()}")
            one, other = differs(program, root) or ([], [])
            print(*(f"  asyncio {line}" for line in one if line not in other), sep="\n")
            print(*(f"  evloop  {line}" for line in other if line not in one), sep="\n")
        seed += 1
        if given or time.monotonic() > until or failures == 5:
            break
    print(f"{seed - first} programs from seed {first} on, {failures} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        print("asyncio is too old for this")
        sys.exit(0)
    sys.exit(main())
