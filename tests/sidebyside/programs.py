"""programs.py: random programs over the vocabulary of worlds.py.

A program is a list of steps (verb, arguments) that depends on its seed alone. A step whose names are not there is
skipped, so that any part of a program is a program, which is what makes shrinking simple. An argument that is a step
itself runs inside a callback.

Programs of an even seed use what compares exactly. Those of an odd seed use everything; they run until nothing is ready
before every step, and compare per entity (one-hop, hand-over in differences.py)."""
import random
import sys

STEPS = 20
OBJECTS = {"l": "lock", "s": "semaphore", "e": "event", "q": "queue"}
ERRORS = ["EPERM", "EIO", "EPIPE"]

# Verbs and how often each is drawn.
FUTURES = {"future": 5, "resolve": 5, "fail": 3, "cancel": 3, "state": 2, "on_done": 8, "off_done": 3, "result": 1}
CALLS = {"call_soon": 5, "call_later": 4, "cancel_call": 2, "once": 5, "settle": 3, "advance": 2, "idle": 2,
         "call_from_thread": 1, "run_until": 2}
WAITERS = {"acquire": 8, "give_back": 6, "give_up": 5, "wait_event": 3, "set_event": 2, "clear_event": 2,
           "put": 4, "get": 4, "try_put": 2, "try_get": 2, "task_done": 2, "join": 2, "size": 1, "permits": 1,
           "is_held": 1}
LOOSE = {"gather": 5, "wait": 5, "wait_for": 5, "shield": 4, "as_completed": 2, "wait_done": 2, "sleep": 2,
               "wait_condition": 3, "notify": 2, "cancel": 3, "wait_barrier": 3, "reset_barrier": 1,
               "abort_barrier": 1,
               # late-cancel and shutdown-order: not where passes are compared
               "hurry": 4, "shutdown": 1}
INSIDE = {"resolve": 3, "fail": 1, "cancel": 2, "on_done": 2, "call_soon": 3, "call_later": 1, "off_done": 1,
          "set_event": 1, "clear_event": 1, "acquire": 1}

# hand-over: these look at or change what may be on its way from one waiter to another.
# own-posts: posts of a thread are not mixed with other calls.
SETTLED = {"call_from_thread", "hurry", "shutdown", "give_back", "give_up", "try_put", "try_get", "put", "get",
           "join", "is_held", "size", "task_done", "permits"}


class Generator:
    def __init__(self, seed):
        self.random = random.Random(f"side by side {seed}")
        self.exact = seed % 2 == 0
        self.futures, self.plain, self.waiters, self.tags = [], [], [], []
        self.hasty = []      # waiters that may be given up when they have just been served
        self.stands_on = {}  # the plain futures under one that a combinator made
        self.made = 0

    def program(self):
        pick = self.random
        permits = pick.randint(0, 2)
        steps = [("lock", "l"), ("semaphore", "s", permits, pick.choice([0, permits])), ("event", "e"),
                 ("queue", "q", pick.choice(["fifo", "lifo", "priority"]), pick.choice([0, 0, 1, 2])),
                 ("condition", "c", "l")]
        if sys.version_info >= (3, 11):
            steps.append(("barrier", "b", pick.randint(1, 3)))
        steps += [self.new_future(), self.new_future()]
        verbs = {**FUTURES, **CALLS}
        if pick.random() < 0.7:
            verbs.update(WAITERS)
        if not self.exact:
            for verb, weight in LOOSE.items():
                verbs[verb] = verbs.get(verb, 0) + weight
        while len(steps) < STEPS + 8:
            steps.append(self.step(pick.choices(list(verbs), list(verbs.values()))[0]))
        return steps

    def name(self, prefix):
        self.made += 1
        return f"{prefix}{self.made}"

    def new_future(self):
        name = self.name("f")
        self.futures.append(name)
        self.plain.append(name)
        return ("future", name)

    def inside(self):
        if self.random.random() < 0.6:
            return None
        return self.step(self.random.choices(list(INSIDE), list(INSIDE.values()))[0], nested=True)

    def several(self, of):
        return [self.random.choice(of) for _ in range(self.random.randint(1, 4))]

    def timeout(self):
        return self.random.choice([None, None, 0, self.random.randint(1, 20)])

    def made_of(self, verb, *arguments):
        name = self.name("o")
        self.futures.append(name)
        inner = arguments[0] if isinstance(arguments[0], list) else [arguments[0]]
        self.stands_on[name] = set().union(*[self.stands_on.get(one, {one}) for one in inner])
        return (verb, name, *arguments)

    def unrelated(self, names):
        """one-hop: cancelling a gather of a future and of what ends with it is heard of in another order."""
        kept, below = [], set()
        for name in names:
            stands_on = self.stands_on.get(name, {name})
            if name in kept or not stands_on & below:
                kept.append(name)
                below |= stands_on
        return kept

    def waiter(self, verb, *arguments):
        name = self.name("w")
        if verb != "wait_condition":  # condition-spurious: they are not given up
            self.waiters.append(name)
        if verb not in ("wait_condition", "put"):  # late-put
            self.hasty.append(name)
        return (verb, name, *arguments)

    def step(self, verb, nested=False):
        pick = self.random
        # one-hop: inside a callback it would be seen in which pass a combinator is done
        futures = self.plain if nested else self.futures
        if verb == "future":
            return self.new_future()
        if verb in ("resolve", "fail"):
            return (verb, pick.choice(self.plain), pick.randint(1, 9) if verb == "resolve" else pick.choice(ERRORS))
        if verb in ("cancel", "state"):
            return (verb, pick.choice(futures))
        if verb == "result":
            return (verb, pick.choice(self.plain))
        if verb == "off_done":
            return (verb, pick.choice(futures), pick.choice("abc"))
        if verb == "on_done":
            tag = pick.choice("abc") if nested or pick.random() < 0.5 else self.name("d")
            return (verb, pick.choice(futures), tag, None if tag in "abc" else self.inside())
        if verb in ("call_soon", "call_later", "cancel_call", "call_from_thread"):
            if verb == "cancel_call":
                return (verb, pick.choice(self.tags)) if self.tags else ("once",)
            tag = self.name("t")
            if verb == "call_from_thread":
                return (verb, [tag, tag + "b"])
            self.tags.append(tag)
            arguments = (tag,) if verb == "call_soon" else (tag, pick.randint(-2, 12))
            return (verb, *arguments, None if nested else self.inside())
        if verb == "advance":
            return (verb, pick.randint(1, 8))
        if verb == "acquire":
            return self.waiter(verb, pick.choice("ls" if sys.version_info >= (3, 11) else "l"))
        if verb == "give_back":
            return (verb, pick.choice("ls"))
        if verb == "give_up":
            return (verb, pick.choice(self.waiters)) if self.waiters else ("once",)
        if verb in ("wait_event", "get", "join", "wait_condition", "wait_barrier"):
            if verb == "wait_barrier" and sys.version_info < (3, 11):
                return ("once",)
            return self.waiter(verb, {"wait_event": "e", "wait_condition": "c", "wait_barrier": "b"}.get(verb, "q"))
        if verb in ("reset_barrier", "abort_barrier"):
            return (verb, "b") if sys.version_info >= (3, 11) else ("once",)
        if verb == "shutdown":
            return (verb, "q", pick.random() < 0.5) if sys.version_info >= (3, 13) else ("once",)
        if verb == "run_until":
            return (verb, pick.choice(self.plain), self.name("t"), pick.randint(0, 6))
        if verb == "hurry":
            inner = self.step(pick.choice(["give_back", "set_event", "try_put", "try_get"]))
            return (verb, inner, ("give_up", pick.choice(self.hasty)) if self.hasty else ("once",))
        if verb == "put":
            return self.waiter(verb, "q", pick.randint(1, 99), pick.randint(0, 3))
        if verb == "try_put":
            return (verb, "q", pick.randint(1, 99), pick.randint(0, 3))
        if verb in ("try_get", "task_done", "size"):
            return (verb, "q")
        if verb in ("set_event", "clear_event"):
            return (verb, "e")
        if verb == "permits":
            return (verb, "s")
        if verb == "is_held":
            return (verb, "l")
        if verb == "notify":
            return (verb, "c", pick.choice([1, 1, 2, -1]))
        if verb == "gather":
            return self.made_of(verb, self.unrelated(self.several(self.futures)), pick.random() < 0.4)
        if verb == "wait":
            mode = pick.choice(["all", "first", "first_error"])
            timeout = self.timeout()
            return self.made_of(verb, self.several(self.plain if mode == "first_error" else self.futures), mode,
                                timeout, mode == "all" and timeout is None)
        if verb == "wait_for":
            return self.made_of(verb, pick.choice(self.futures), self.timeout())
        if verb == "shield":
            return self.made_of(verb, pick.choice(self.futures))
        if verb == "as_completed":
            inner = sorted(set(self.several(self.plain)))
            names = [self.name("o") for _ in inner]  # as-completed-index, -slot: nothing is made of them
            return (verb, names, inner, self.timeout())
        if verb == "wait_done":
            return self.waiter(verb, pick.choice(self.futures))
        if verb == "sleep":
            return self.waiter(verb, pick.randint(0, 12))
        return (verb,)


NEW = {"future", "lock", "semaphore", "event", "condition", "barrier", "queue", "gather", "wait", "wait_for", "shield",
       "as_completed", "acquire", "wait_event", "put", "get", "join", "wait_done", "sleep", "wait_condition",
       "wait_barrier"}
NAMES = {"gather", "wait", "as_completed"}  # the argument after the name is a list of names
TIMED = {"wait": 4, "wait_for": 3, "as_completed": 3, "sleep": 2, "call_later": 2}  # one-hop: none with another


def is_possible(world, step):
    verb = step[0]
    if verb in ("lock", "semaphore", "event", "queue", "barrier", "future", "call_soon", "call_later", "sleep",
                "call_from_thread", "hurry"):
        return True
    if verb == "cancel_call":
        return step[1] in world.handles
    wanted = list(step[1:2]) if verb not in NEW else []
    if verb in NAMES:
        wanted += step[2]
    elif verb in NEW and len(step) > 2:
        wanted.append(step[2])
    return all(name in world.things for name in wanted)


def perform(world, step, exact):
    """In a callback, or from outside."""
    if not is_possible(world, step):
        return
    verb, arguments = step[0], list(step[1:])
    if verb == "hurry":  # one after the other, though the first has something on its way: late-cancel
        for inner in arguments:
            perform(world, inner, exact)
        return
    if verb == "run_until":
        name, tag, delay = arguments
        if world.is_pending(name):
            world.call_later(tag, delay if exact else world.fresh_delay(delay), lambda: world.resolve(name, delay))
            world.run_until(name)
        return
    if verb in ("call_soon", "call_later", "on_done") and arguments[-1]:
        inner = arguments[-1]
        arguments[-1] = lambda: perform(world, inner, exact)
    if verb == "as_completed":
        arguments[1] = [name for name in arguments[1] if world.is_pending(name)]
        arguments[0] = arguments[0][:len(arguments[1])]
        if not arguments[1]:
            return
    if verb in TIMED and not exact and (arguments[TIMED[verb] - 1] or 0) > 0:
        arguments[TIMED[verb] - 1] = world.fresh_delay(arguments[TIMED[verb] - 1])
    getattr(world, verb)(*arguments)
    if not exact and verb in NEW & {"gather", "wait", "wait_for", "shield"}:
        world.on_done(arguments[0], "end")
    if not exact and verb == "as_completed":
        for name in arguments[0]:
            world.on_done(name, "end")


def player(steps, exact):
    def play(world):
        for step in steps:
            if not exact or step[0] in SETTLED:
                world.settle()
            perform(world, step, exact)
            if step[0] == "call_from_thread":
                world.settle()
        world.idle()
        for name in sorted(world.things):
            if name[0] in "fo" and name[1:].isdigit():
                world.state(name)
    return play


def shrink(steps, fails):
    """Without every step that is not needed to fail."""
    before = None
    while before != steps:
        before = steps
        for at in reversed(range(len(steps))):
            fewer = steps[:at] + steps[at + 1:]
            if fails(fewer):
                steps = fewer
    return steps
