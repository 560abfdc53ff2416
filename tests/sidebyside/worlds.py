"""worlds.py: one small vocabulary, spoken by asyncio and by evloop. What happens in a world is written to its trace.

Time is whole ticks: a second for asyncio, a millisecond for evloop, and it passes only by waiting or `advance`.
A *waiter* is what a task that awaits one thing is: its first step is queued, what can be had at once is had within
that step, and cancelling it is heard of in a later pass. In AsyncioWorld it is a task; EvloopWorld makes it of a
deferred call and an operation with EVL_OP_SYNC. So both worlds have the same hops, and traces compare as they are.
Where the two differ on purpose, DIFFERENCES (differences.py) says so, and `differ` marks the place."""
import asyncio
import bisect
import collections
import concurrent.futures
import ctypes
import functools
import selectors
import threading

import evl
from differences import differ

TICK = 1_000_000  # nanoseconds


class Fault(Exception):
    """An error of the scenario's: fail(future, code)."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class World:
    """What both share: names, the trace, and what can be said in terms of the rest."""

    def __init__(self):
        self.trace = []
        self.passes = 0
        self.group = 0
        self.things = {}    # locks and such, futures and waiters by name
        self.holders = collections.defaultdict(list)
        self.deadlines = [] # of everything that was ever timed

    def emit(self, entity, what):
        self.trace.append((self.group, self.passes, entity, str(what)))

    def next_group(self):
        """Passes are counted from here."""
        self.group += 1
        self.passes = 0

    def answer(self, entity, verb, function, *arguments):
        """Calls and writes down what the call answered: a word for an error, else what it returned."""
        self.emit(entity, f"{verb}: {self.attempt(function, *arguments)}")

    def note_deadline(self, delay):
        bisect.insort(self.deadlines, self.now() + max(delay, 0))

    def fresh_delay(self, delay):
        """At least `delay`, and at a tick at which nothing else is due."""
        while self.now() + delay in self.deadlines:
            delay += 1
        return delay

    # --- running

    def settle(self):
        """Passes until nothing is ready; no time goes by."""
        while self.is_ready():
            self.once()
        self.next_group()

    def idle(self):
        """Until nothing will happen any more, in however much time."""
        self.settle()
        while self.deadlines and self.deadlines[-1] > self.now():
            self.advance(self.deadlines[bisect.bisect_right(self.deadlines, self.now())] - self.now())
            self.settle()

    # --- futures by name

    def resolve(self, name, value=0):
        self.answer(name, "resolve", self._resolve, name, value)

    def fail(self, name, code="EPERM"):
        self.answer(name, "fail", self._fail, name, code)

    def cancel(self, name):
        """Of futures, and of what combinators made."""
        self.answer(name, "cancel", self._cancel, name)

    def is_pending(self, name):
        return self.outcome(self.things[name]) == "pending"

    def state(self, name):
        self.emit(name, f"is {self.outcome(self.things[name])}")

    def result(self, name):
        self.answer(name, "result", self._result, name)

    def off_done(self, name, tag):
        self.answer(name, f"off_done {tag}", self._off_done, name, tag)

    # --- locks, held by waiters

    def granted(self, waiter, lock):
        self.holders[lock].append(waiter)

    def give_back(self, lock):
        """Whoever has had the lock, or a permit, the longest releases it; if nobody has, it is released anyhow."""
        holders = self.holders[lock]
        who = holders.pop(0) if holders else "nobody"
        self.answer(lock, f"release by {who}", self._release, lock)


class JumpingSelector(selectors.DefaultSelector):
    """A wait for time only takes none."""

    def __init__(self):
        super().__init__()
        self.ticks = 0
        self.outside = 0  # what other threads are still going to do

    def select(self, timeout=None):
        found = super().select(0)
        if found or timeout is not None and timeout <= 0:
            return found
        if timeout is None or self.outside:
            return super().select(None if self.outside else 10)
        self.ticks += -int(-timeout // 1)
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's loop in virtual time, with the order among timers that are due at one time decided."""

    def __init__(self):
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)
        self.started = 0

    def time(self):
        return float(self.jumping.ticks)

    def call_at(self, when, callback, *args, context=None):
        differ("timer-ties")
        self.started += 1
        return super().call_at(round(when) - 0.5 + self.started / 2**20, callback, *args, context=context)


class Doer:
    """A done callback with a name; equal to another of the same name, as remove_done_callback wants it."""

    def __init__(self, world, name, tag):
        self.world, self.name, self.tag = world, name, tag

    def __eq__(self, other):
        return isinstance(other, Doer) and (self.name, self.tag) == (other.name, other.tag)

    def __hash__(self):
        return hash((self.name, self.tag))

    def __call__(self, future):
        self.world.emit(self.name, f"{self.tag} sees {self.world.outcome(future)}")
        self.world.after(self.tag)


class AsyncioWorld(World):
    name = "asyncio"

    def __init__(self, _library=None):
        super().__init__()
        self.loop = VirtualLoop()
        self.loop.set_exception_handler(self._unhandled)
        asyncio.set_event_loop(self.loop)
        self.handles = {}
        self.begun = set()
        self.told = set()        # waiters whose cancellation has been written down
        self.conditional = set() # names of those that wait for a condition
        self.actions = {}
        self.pool = None
        self.items = 0

    def close(self):
        if self.pool:
            self.pool.shutdown()
        self.loop.set_exception_handler(lambda loop, context: None)
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.trace, kept = [], self.trace
        while self.is_ready():
            self.once()
        self.trace = kept
        self.loop.close()
        asyncio.set_event_loop(None)

    def _unhandled(self, _loop, context):
        if "shield" in context["message"]:
            differ("shield-report")
            return
        error = context.get("exception")
        self.emit("loop", f"unhandled {self.word(error) if error else context['message']}")

    # --- running

    def now(self):
        return self.loop.jumping.ticks

    def advance(self, ticks):
        self.loop.jumping.ticks += ticks

    def is_ready(self):
        timers = [timer for timer in self.loop._scheduled[:1] if timer.when() <= self.loop.time()]
        return bool(self.loop._ready or timers)

    def once(self):
        self.passes += 1
        self.loop.stop()
        self.loop.run_forever()

    def stop(self):
        self.loop.stop()

    def run_forever(self):
        self.emit("run_forever", self.attempt(self.loop.run_forever))

    def run_until(self, name):
        def run():
            value = self.loop.run_until_complete(self.things[name])
            return f"value {value}"
        self.emit("run_until", self.attempt(run))

    def closed_loop_refuses(self):
        self.loop.close()
        self.emit("call_soon", self.attempt(self.loop.call_soon, print))

    def word(self, error):
        if isinstance(error, Fault):
            return f"error {error.code}"
        for kind, text in ((asyncio.CancelledError, "cancelled"),
                           ((asyncio.TimeoutError, TimeoutError), "error ETIMEDOUT"),
                           (asyncio.InvalidStateError, "refused"), ((asyncio.QueueEmpty, asyncio.QueueFull), "not now"),
                           (getattr(asyncio, "QueueShutDown", ()), "shut down"),
                           (getattr(asyncio, "BrokenBarrierError", ()), "broken")):
            if isinstance(error, kind):
                return text
        if isinstance(error, (RuntimeError, ValueError, TypeError)):
            return "refused"
        raise error

    def attempt(self, function, *arguments):
        try:
            result = function(*arguments)
        except BaseException as error:
            return self.word(error)
        return "ok" if result is None else {True: "yes", False: "no"}[result] if isinstance(result, bool) else result

    # --- calls and timers

    def call_soon(self, tag, action=None):
        self.handles[tag] = self.loop.call_soon(self._call, tag, action)

    def call_later(self, tag, delay, action=None):
        self.note_deadline(delay)
        self.handles[tag] = self.loop.call_later(delay, self._call, tag, action)

    def call_from_thread(self, tags):
        def post():
            for tag in tags:
                self.loop.call_soon_threadsafe(self._call, tag, None)
        thread = threading.Thread(target=post)
        thread.start()
        thread.join()

    def call_threadsafe(self, tag, action=None):
        self.loop.call_soon_threadsafe(self._call, tag, action)

    def wake_from_thread(self, name, value):
        """The loop waits, and a thread resolves the future."""
        self.loop.jumping.outside += 1
        timer = threading.Timer(0.01, self.loop.call_soon_threadsafe, (self.things[name].set_result, value))
        timer.start()
        self.run_until(name)
        timer.join()
        self.loop.jumping.outside -= 1

    def _call(self, tag, action):
        self.emit(tag, "called")
        if action:
            action()

    def cancel_call(self, tag):
        self.handles[tag].cancel()

    # --- futures

    def future(self, name):
        self.things[name] = self.loop.create_future()

    def outcome(self, future):
        if not future.done():
            return "pending"
        if future.cancelled():
            return "cancelled"
        error = future.exception()
        if error is None:
            return self.element(future.result())
        if isinstance(error, asyncio.CancelledError):
            if getattr(future, "_cancel_requested", False):
                differ("gather-cancelled")
                return "cancelled"
            return "error ECANCELED"
        return self.word(error)

    def element(self, item):
        """A value, and what may be in the list of a gather."""
        if isinstance(item, list):
            return f"value {[self.element(part) for part in item]}"
        return self.word(item) if isinstance(item, BaseException) else f"value {item}"

    def _resolve(self, name, value):
        self.things[name].set_result(value)

    def _fail(self, name, code):
        self.things[name].set_exception(Fault(code))

    def _cancel(self, name):
        return self.things[name].cancel()

    def _result(self, name):
        return f"value {self.things[name].result()}"

    def on_done(self, name, tag, action=None):
        if action:
            self.actions[tag] = action
        self.things[name].add_done_callback(Doer(self, name, tag))

    def after(self, tag):
        if tag in self.actions:
            self.actions[tag]()

    def _off_done(self, name, tag):
        return self.things[name].remove_done_callback(Doer(self, name, tag))

    def drop_futures(self, *names):
        """Gives up the only reference."""
        for name in names:
            del self.things[name]

    # --- combinators: each makes a future of a name

    def _task(self, name, coroutine):
        self.things[name] = self.loop.create_task(coroutine)

    def _list(self, names):
        return [self.things[name] for name in names]

    def gather(self, name, names, errors=False):
        self.things[name] = asyncio.gather(*self._list(names), return_exceptions=errors)

    def wait(self, name, names, mode="all", timeout=None, counted=True):
        if timeout is not None:
            self.note_deadline(timeout)
        modes = {"all": asyncio.ALL_COMPLETED, "first": asyncio.FIRST_COMPLETED,
                 "first_error": asyncio.FIRST_EXCEPTION}
        futures = self._list(names)

        async def wait():
            done, _pending = await asyncio.wait(futures, timeout=timeout, return_when=modes[mode])
            return sum(future in done for future in futures) if counted else "some"
        self._task(name, wait())

    def wait_for(self, name, inner, timeout):
        if timeout is not None:
            self.note_deadline(timeout)
        self._task(name, asyncio.wait_for(self.things[inner], timeout))

    def shield(self, name, inner):
        self.things[name] = asyncio.shield(self.things[inner])

    def as_completed(self, names, inner, timeout=None):
        if timeout is not None:
            self.note_deadline(timeout)
        futures = {self.things[name]: name for name in inner}

        async def one(slot):
            return await slot

        async def all_of():
            slots = asyncio.as_completed(list(futures), timeout=timeout)
            for name, slot in zip(names, slots):
                self._task(name, one(slot))
        self.loop.run_until_complete(all_of())

    # --- waiters

    def waiter(self, name, coroutine):
        async def body():
            self.begun.add(name)
            try:
                self.emit(name, await coroutine())
            except BaseException as error:
                if not (isinstance(error, asyncio.CancelledError) and task in self.told):
                    self.emit(name, self.word(error))

        def ended(_task):
            if name not in self.begun:
                self.emit(name, "cancelled")
        task = self.things[name] = self.loop.create_task(body())
        task.add_done_callback(ended)

    def give_up(self, name):
        """Cancels a waiter."""
        task = self.things[name]
        future = task._fut_waiter
        served = future is not None and future.done() and not future.cancelled()
        late = not task.done() and (served or name in self.conditional)
        self.answer(name, "give_up", task.cancel)
        if late and task not in self.told:
            differ("condition-cancel" if name in self.conditional else "late-cancel")
            self.told.add(task)
            self.emit(name, "cancelled")

    def sleep(self, name, ticks):
        self.note_deadline(ticks)

        async def sleep():
            await asyncio.sleep(ticks)
            return "slept"
        self.waiter(name, sleep)

    def wait_done(self, name, future):
        async def wait():
            await asyncio.wait([self.things[future]])
            return self.outcome(self.things[future])
        self.waiter(name, wait)

    def lock(self, name):
        self.things[name] = asyncio.Lock()

    def semaphore(self, name, value, limit=0):
        self.things[name] = asyncio.BoundedSemaphore(value) if limit else asyncio.Semaphore(value)

    def acquire(self, name, lock):
        async def acquire():
            await self.things[lock].acquire()
            self.granted(name, lock)
            return "acquired"
        self.waiter(name, acquire)

    def _release(self, lock):
        self.things[lock].release()

    def is_held(self, lock):
        self.emit(lock, "held" if self.things[lock].locked() else "free")

    def permits(self, semaphore):
        self.emit(semaphore, f"{self.things[semaphore]._value} permits")

    def event(self, name):
        self.things[name] = asyncio.Event()

    def wait_event(self, name, event):
        async def wait():
            await self.things[event].wait()
            return "told"
        self.waiter(name, wait)

    def set_event(self, event):
        self.things[event].set()

    def clear_event(self, event):
        self.things[event].clear()

    def is_set(self, event):
        self.emit(event, "set" if self.things[event].is_set() else "clear")

    def condition(self, name, lock):
        self.things[name] = asyncio.Condition(self.things[lock])
        self.things[name].of = lock

    def wait_condition(self, name, condition):
        """By whoever holds the lock. When it has been notified, the waiter holds it again."""
        lock = self.things[condition].of

        async def wait():
            if self.holders[lock]:
                self.holders[lock].pop(0)
            try:
                await self.things[condition].wait()
            except asyncio.CancelledError:
                differ("condition-cancel")
                self.things[lock].release()
                raise
            self.granted(name, lock)
            return "notified"
        self.conditional.add(name)
        self.waiter(name, wait)

    def notify(self, condition, n=1):
        self.answer(condition, f"notify {n}",
                    self.things[condition].notify_all if n < 0 else lambda: self.things[condition].notify(n))

    def barrier(self, name, parties):
        self.things[name] = asyncio.Barrier(parties)

    def wait_barrier(self, name, barrier):
        async def wait():
            return f"place {await self.things[barrier].wait()}"
        self.waiter(name, wait)

    def reset_barrier(self, barrier):
        self.loop.create_task(self.things[barrier].reset())

    def abort_barrier(self, barrier):
        self.loop.create_task(self.things[barrier].abort())

    def barrier_state(self, barrier):
        self.emit(barrier, f"{self.things[barrier].n_waiting} waiting, broken {int(self.things[barrier].broken)}")

    def queue(self, name, order="fifo", maxsize=0):
        kind = {"fifo": asyncio.Queue, "lifo": asyncio.LifoQueue, "priority": asyncio.PriorityQueue}[order]
        self.things[name] = kind(maxsize)
        self.things[name].ranked = order == "priority"

    def _wrap(self, queue, item, priority):
        self.items += 1
        return (priority, self.items, item) if self.things[queue].ranked else item

    def _unwrap(self, queue, item):
        return f"got {item[2] if self.things[queue].ranked else item}"

    def put(self, name, queue, item, priority=0):
        async def put():
            await self.things[queue].put(self._wrap(queue, item, priority))
            return f"put {item}"
        self.waiter(name, put)

    def get(self, name, queue):
        async def get():
            return self._unwrap(queue, await self.things[queue].get())
        self.waiter(name, get)

    def join(self, name, queue):
        async def join():
            await self.things[queue].join()
            return "joined"
        self.waiter(name, join)

    def try_put(self, queue, item, priority=0):
        self.answer(queue, f"try_put {item}", self.things[queue].put_nowait, self._wrap(queue, item, priority))

    def try_get(self, queue):
        self.answer(queue, "try_get", lambda: self._unwrap(queue, self.things[queue].get_nowait()))

    def task_done(self, queue):
        self.answer(queue, "task_done", self.things[queue].task_done)

    def shutdown(self, queue, immediate=False):
        self.things[queue].shutdown(immediate)

    def size(self, queue):
        self.emit(queue, f"{self.things[queue].qsize()} items")

    # --- threads

    def job(self, name, function):
        """Runs it on one other thread; a future of that name gets its result."""
        if not self.pool:
            self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.loop.jumping.outside += 1
        self.things[name] = self.loop.run_in_executor(self.pool, function)
        self.things[name].add_done_callback(self._job_done)

    def _job_done(self, _future):
        self.loop.jumping.outside -= 1


class Waiter:
    """A task of one operation: a deferred first step, then the operation, then a word for the trace."""

    def __init__(self, world, name, begin, finish):
        self.world, self.name, self.begin, self.finish = world, name, begin, finish
        self.op = evl.Op()
        self.state = "new"
        self.told = world.token_of(self.complete)
        world.lib.op_init(self.op, world.done_fn, self.told, evl.OP_SYNC)
        world.later(self.start)

    def start(self):
        if self.state == "given up":
            self.world.later(lambda: self.end("cancelled"))
            return
        rc = self.begin(self.op)
        if rc == 0:
            self.state = "waiting"
        else:
            self.complete(self.world.lib.op_result(self.op) if rc == 1 else rc)

    def complete(self, result):
        if self.state != "ended":
            self.end(self.world.word(result, self.finish))

    def end(self, text):
        self.state = "ended"
        self.world.emit(self.name, text)

    def cancel(self):
        """As Task.cancel: one that has been woken and not yet run is cancelled all the same."""
        if self.state == "ended" or self.state == "told":
            return "no" if self.state == "ended" else "yes"
        if self.state in ("new", "given up"):
            self.state = "given up"
        elif self.state == "waiting" and self.world.lib.op_cancel(self.op) == 0:
            self.state = "told"
            self.world.lib.op_close(self.op)
            self.world.later(self.forget)
        elif self.state == "waiting":
            self.state = "cancelling"
        return "yes"

    def forget(self):
        self.state = "ended"


class EvloopWorld(World, evl.Callbacks):
    name = "evloop"

    def __init__(self, lib):
        World.__init__(self)
        evl.Callbacks.__init__(self)
        self.lib = lib
        self.of_done = {}     # one token for a done callback of a name, so that it can be taken back
        self.waiters = []
        self.handles = {}
        self.made = []        # futures, one reference each
        self.objects = []     # (free, pointer)
        self.actions = {}
        self.values = {}      # of futures whose value is more than a number
        self.jobs = {}
        self.pool = None
        options = evl.Options(struct_size=ctypes.sizeof(evl.Options), clock=evl.CLOCK_JUMP, poll_interval=1)
        self.loop = lib.make(lambda out: lib.loop_new(out, ctypes.byref(options)))
        self.permitted = set() # names of semaphores
        self.lock_of = {}      # of conditions

    def close(self):
        if self.pool:
            self.lib.executor_close(self.pool, 0, -1)
        for waiter in self.waiters:
            self.lib.op_close(waiter.op)
        for future in self.made:
            self.lib.future_unref(future)
        for free, pointer in self.objects:
            free(pointer)
        if self.loop:
            self.lib.loop_destroy(self.loop)
            self.loop = None
        self.raise_failure()

    def later(self, function):
        self.check(self.lib.call_soon(self.loop, self.fn, self.token_of(function)))

    def check(self, rc):
        return self.lib.check(rc)

    def code(self, name):
        """The number of an error by name, kept so that it can be said again."""
        return {"EPERM": -1, "EIO": -5, "EPIPE": -32, "EPROTO": -71}[name]

    def error_word(self, rc):
        return {evl.ECANCELED: "cancelled"}.get(rc, f"error {self.lib.name_of(rc)}")

    def word(self, result, finish=None):
        """What an operation or a call answered."""
        if result >= 0:
            return finish(result) if finish else "ok"
        return {evl.ECANCELED: "cancelled", evl.EAGAIN: "not now", evl.ESHUTDOWN: "shut down", evl.EBROKEN: "broken",
                evl.EALREADY: "refused", evl.EPERM: "refused", evl.ERANGE: "refused", evl.EINVAL: "refused",
                evl.ERUNNING: "refused", evl.EDEADLK: "refused"}.get(result, f"error {self.lib.name_of(result)}")

    def attempt(self, function, *arguments):
        try:
            result = function(*arguments)
        except evl.Refused as error:
            return self.word(error.args[1])
        return "ok" if result is None else result

    # --- running

    def now(self):
        return self.lib.time(self.loop) // TICK

    def advance(self, ticks):
        self.check(self.lib.clock_advance(self.loop, ticks * TICK))

    def is_ready(self):
        timeout = ctypes.c_int64()
        self.lib.loop_hold(self.loop)  # with it a jumping clock stays where it is
        self.check(self.lib.loop_prepare(self.loop, None, 0, timeout))
        self.lib.loop_unhold(self.loop)
        return timeout.value == 0

    def once(self):
        self.passes += 1
        self.check(self.lib.loop_run(self.loop, evl.RUN_NOWAIT))
        self.raise_failure()

    def stop(self):
        self.check(self.lib.stop(self.loop, 0))

    def run_forever(self):
        self.emit("run_forever", self.word(self.lib.loop_run(self.loop, evl.RUN_FOREVER)))
        self.raise_failure()

    def run_until(self, name):
        def run():
            rc = self.lib.loop_run_until(self.loop, self.things[name], None)
            stopped = self.lib.future_state(self.things[name]) == evl.PENDING
            return "refused" if stopped else self.outcome(self.things[name]) if rc <= 0 else rc
        self.emit("run_until", run())
        self.raise_failure()

    def closed_loop_refuses(self):
        loop, self.loop = self.loop, None
        self.lib.loop_destroy(self.lib.loop_ref(loop))
        rc = self.lib.call_soon(loop, self.fn, 0)
        self.lib.loop_unref(loop)
        self.emit("call_soon", "refused" if rc == evl.ECLOSED else rc)

    # --- calls and timers

    def call_soon(self, tag, action=None):
        """By evl_defer, which can be taken back."""
        op = evl.Op()
        self.handles[tag] = lambda: self.lib.op_close(op)
        self.lib.op_init(op, self.done_fn, self.token_of(lambda result: self._call(tag, action, op)), 0)
        self.check(self.lib.defer(self.loop, op))

    def call_later(self, tag, delay, action=None):
        self.note_deadline(delay)
        timer = None

        def fired(_count):
            self.lib.close(timer)
            del self.handles[tag]
            self._call(tag, action)
        timer = self.lib.make(self.lib.timer_new, self.loop, self.done_fn, self.token_of(fired))
        self.check(self.lib.timer_start_in(timer, delay * TICK, 0))

        def cancel():
            self.lib.close(timer)
        self.handles[tag] = cancel

    def call_from_thread(self, tags):
        def post():
            for tag in tags:
                self.call_threadsafe(tag)
        thread = threading.Thread(target=post)
        thread.start()
        thread.join()

    def call_threadsafe(self, tag, action=None):
        self.check(self.lib.post(self.loop, self.fn, self.token_of(lambda: self._call(tag, action))))

    def wake_from_thread(self, name, value):
        self.lib.loop_hold(self.loop)
        timer = threading.Timer(0.01, self.lib.future_post, (self.things[name], value))
        timer.start()
        self.run_until(name)
        timer.join()
        self.lib.loop_unhold(self.loop)

    def _call(self, tag, action, _keep=None):
        self.emit(tag, "called")
        if action:
            action()

    def cancel_call(self, tag):
        cancel = self.handles.pop(tag, None)
        if cancel:
            cancel()

    # --- futures

    def _adopt(self, name, pointer):
        self.things[name] = pointer
        self.made.append(pointer)

    def future(self, name):
        self._adopt(name, self.lib.make(self.lib.future_new, self.loop))

    def outcome(self, future):
        state = self.lib.future_state(future)
        value = ctypes.c_int64()
        rc = self.lib.future_value(future, value)
        if state == evl.PENDING:
            return "pending"
        if state == evl.CANCELLED:
            return "cancelled"
        if state == evl.ERROR:
            return f"error {self.lib.name_of(rc)}"
        if future in self.values:
            return self.values[future]()
        return f"value {value.value}"

    def _resolve(self, name, value):
        self.check(self.lib.future_resolve(self.things[name], value))

    def _fail(self, name, code):
        self.check(self.lib.future_fail(self.things[name], self.code(code)))

    def _cancel(self, name):
        return "yes" if self.check(self.lib.future_cancel(self.things[name])) else "no"

    def _result(self, name):
        value = ctypes.c_int64()
        rc = self.lib.future_value(self.things[name], value)
        if rc == evl.EAGAIN:
            return "refused"
        return f"value {value.value}" if rc == 0 else self.error_word(rc)

    def _done_token(self, name, tag):
        key = (name, tag)
        if key not in self.of_done:
            self.of_done[key] = self.token_of(lambda _state: self._done(name, tag))
        return self.of_done[key]

    def on_done(self, name, tag, action=None):
        if action:
            self.actions[tag] = action
        self.check(self.lib.future_on_done(self.things[name], self.done_fn, self._done_token(name, tag)))

    def _done(self, name, tag):
        self.emit(name, f"{tag} sees {self.outcome(self.things[name])}")
        if tag in self.actions:
            self.actions[tag]()

    def _off_done(self, name, tag):
        future = self.things[name]
        if self.lib.future_state(future) != evl.PENDING:
            differ("off-done-due")
            return 0
        return self.check(self.lib.future_off_done(future, self.done_fn, self._done_token(name, tag)))

    def drop_futures(self, *names):
        for name in names:
            future = self.things.pop(name)
            self.made.remove(future)
            self.lib.future_unref(future)
        error = self.lib.loop_error(self.loop)
        if error:
            self.emit("loop", f"unhandled error {self.lib.name_of(error)}")

    # --- combinators

    def _list(self, names):
        return (ctypes.c_void_p * max(len(names), 1))(*[self.things[name] for name in names])

    def _ticks(self, timeout):
        return -1 if timeout is None else timeout * TICK

    def gather(self, name, names, errors=False):
        out = self.lib.make(self.lib.gather, self.loop, self._list(names), len(names), int(errors))
        self._adopt(name, out)
        futures = [self.things[inner] for inner in names]
        self.values[out] = lambda: f"value {[self.outcome(future) for future in futures]}"

    def wait(self, name, names, mode="all", timeout=None, counted=True):
        if timeout is not None:
            self.note_deadline(timeout)
        out = self.lib.make(self.lib.wait_futures, self.loop, self._list(names), len(names), evl.WAIT[mode],
                            self._ticks(timeout))
        self._adopt(name, out)
        futures = [self.things[inner] for inner in names]

        @functools.cache
        def count():
            value = ctypes.c_int64()
            self.lib.future_value(out, value)
            done = sum(self.lib.future_state(future) != evl.PENDING for future in futures)
            if done != value.value:
                differ("wait-count")
            return f"value {done if counted else 'some'}"
        self.values[out] = count

    def wait_for(self, name, inner, timeout):
        if timeout is not None:
            self.note_deadline(timeout)
        out = self.lib.make(self.lib.wait_for, self.things[inner], self._ticks(timeout))
        self._adopt(name, out)
        if self.things[inner] in self.values:
            self.values[out] = self.values[self.things[inner]]

    def shield(self, name, inner):
        out = self.lib.make(self.lib.shield, self.things[inner])
        self._adopt(name, out)
        if self.things[inner] in self.values:
            self.values[out] = self.values[self.things[inner]]

    def as_completed(self, names, inner, timeout=None):
        if timeout is not None:
            self.note_deadline(timeout)
        futures = list(dict.fromkeys(inner))
        if len(futures) != len(inner):
            differ("as-completed-twice")
        outs = (ctypes.c_void_p * len(futures))()
        self.check(self.lib.as_completed(self.loop, self._list(futures), len(futures), self._ticks(timeout), outs))
        for name, out in zip(names, outs):
            self._adopt(name, out)

            def which(out=out):
                index = ctypes.c_int64()
                self.lib.future_value(out, index)
                return self.outcome(self.things[futures[index.value]])
            self.values[out] = which

    # --- waiters

    def _wait(self, name, begin, finish):
        waiter = Waiter(self, name, begin, finish)
        self.things[name] = waiter
        self.waiters.append(waiter)

    def give_up(self, name):
        waiter = self.things[name]
        before = waiter.state
        self.emit(name, f"give_up: {waiter.cancel()}")
        if waiter.state == "told" and before != "told":
            differ("late-cancel")
            self.emit(name, "cancelled")

    def sleep(self, name, ticks):
        self.note_deadline(ticks)
        self._wait(name, lambda op: self.lib.sleep(self.loop, op, ticks * TICK), lambda _: "slept")

    def wait_done(self, name, future):
        self._wait(name, lambda op: self.lib.future_wait(self.things[future], op),
                   lambda _: self.outcome(self.things[future]))

    def _object(self, name, make, free, *arguments):
        self.things[name] = self.lib.make(make, *arguments)
        self.objects.insert(0, (free, self.things[name]))

    def lock(self, name):
        self._object(name, self.lib.lock_new, self.lib.lock_free, self.loop)

    def semaphore(self, name, value, limit=0):
        self._object(name, self.lib.semaphore_new, self.lib.semaphore_free, self.loop, value, limit)
        self.permitted.add(name)

    def acquire(self, name, lock):
        def acquired(_):
            self.granted(name, lock)
            return "acquired"
        begin = self.lib.semaphore_acquire if lock in self.permitted else self.lib.lock_acquire
        self._wait(name, lambda op: begin(self.things[lock], op), acquired)

    def _release(self, lock):
        self.check((self.lib.semaphore_release if lock in self.permitted else self.lib.lock_release)(self.things[lock]))

    def is_held(self, lock):
        held = self.lib.lock_is_held(self.things[lock]) if lock not in self.permitted else (
            self.lib.semaphore_value(self.things[lock]) == 0)
        self.emit(lock, "held" if held else "free")

    def permits(self, semaphore):
        self.emit(semaphore, f"{self.lib.semaphore_value(self.things[semaphore])} permits")

    def event(self, name):
        self._object(name, self.lib.event_new, self.lib.event_free, self.loop)

    def wait_event(self, name, event):
        self._wait(name, lambda op: self.lib.event_wait(self.things[event], op), lambda _: "told")

    def set_event(self, event):
        self.check(self.lib.event_set(self.things[event]))

    def clear_event(self, event):
        self.check(self.lib.event_clear(self.things[event]))

    def is_set(self, event):
        self.emit(event, "set" if self.lib.event_is_set(self.things[event]) else "clear")

    def condition(self, name, lock):
        self._object(name, self.lib.condition_new, self.lib.condition_free, self.things[lock])
        self.lock_of[name] = lock

    def wait_condition(self, name, condition):
        lock = self.lock_of[condition]

        def begin(op):
            if self.holders[lock]:
                self.holders[lock].pop(0)
            return self.lib.condition_wait(self.things[condition], op)

        def notified(_):
            self.granted(name, lock)
            return "notified"
        self._wait(name, begin, notified)

    def notify(self, condition, n=1):
        rc = self.lib.condition_notify(self.things[condition], n)
        self.emit(condition, f"notify {n}: {'ok' if rc >= 0 else self.word(rc)}")

    def barrier(self, name, parties):
        self._object(name, self.lib.barrier_new, self.lib.barrier_free, self.loop, parties)

    def wait_barrier(self, name, barrier):
        self._wait(name, lambda op: self.lib.barrier_wait(self.things[barrier], op),
                   lambda place: f"place {place}")

    def reset_barrier(self, barrier):
        self.later(lambda: self.lib.barrier_reset(self.things[barrier]))

    def abort_barrier(self, barrier):
        self.later(lambda: self.lib.barrier_abort(self.things[barrier]))

    def barrier_state(self, barrier):
        self.emit(barrier, f"{self.lib.barrier_waiting(self.things[barrier])} waiting, "
                           f"broken {self.lib.barrier_is_broken(self.things[barrier])}")

    def queue(self, name, order="fifo", maxsize=0):
        self._object(name, self.lib.queue_new, self.lib.queue_free, self.loop, maxsize, evl.QUEUE[order],
                     evl.FN(0))

    def put(self, name, queue, item, priority=0):
        self._wait(name, lambda op: self.lib.queue_put(self.things[queue], op, item, priority),
                   lambda _: f"put {item}")

    def get(self, name, queue):
        slot = ctypes.c_void_p()
        self._wait(name, lambda op: self.lib.queue_get(self.things[queue], op, slot),
                   lambda _: f"got {slot.value or 0}")

    def join(self, name, queue):
        self._wait(name, lambda op: self.lib.queue_join(self.things[queue], op), lambda _: "joined")

    def try_put(self, queue, item, priority=0):
        rc = self.lib.queue_try_put(self.things[queue], item, priority)
        self.emit(queue, f"try_put {item}: {self.word(rc)}")

    def try_get(self, queue):
        slot = ctypes.c_void_p()
        rc = self.lib.queue_try_get(self.things[queue], slot)
        self.emit(queue, f"try_get: {self.word(rc, lambda _: f'got {slot.value or 0}')}")

    def task_done(self, queue):
        self.emit(queue, f"task_done: {self.word(self.lib.queue_task_done(self.things[queue]))}")

    def shutdown(self, queue, immediate=False):
        self.check(self.lib.queue_shutdown(self.things[queue], int(immediate)))

    def size(self, queue):
        self.emit(queue, f"{self.lib.queue_size(self.things[queue])} items")

    # --- threads

    def job(self, name, function):
        if not self.pool:
            self.pool = self.lib.make(self.lib.executor_new, self.loop, 1, evl.UNBOUNDED, b"side")
        self.future(name)
        future = self.things[name]

        def run():
            self.jobs[name] = function()
        self.check(self.lib.executor_submit(self.pool, self.loop, self.lib.future_op(future), self.fn,
                                            self.token_of(run), evl.FN(0), 0))
        self.values[future] = lambda: f"value {self.jobs[name]}"
