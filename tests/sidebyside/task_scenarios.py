"""task_scenarios.py: scenarios of tasks, as asyncio has them. tasks/*.cpp have those of the same names in C++.

What is noted is compared line by line, in order; loose=<a difference> compares what each has noted, in its order. Time
is virtual, in ticks."""
import asyncio
import sys

from differences import differ
from worlds import VirtualLoop

SCENARIOS = {}
lines = []


def scenario(loose=None, since=(3, 11)):
    def add(function):
        if sys.version_info >= since:
            SCENARIOS[function.__name__] = (function, loose)
        return function
    return add


def note(who, what):
    lines.append(f"{who}: {what}")


def run(function):
    """What a scenario notes, its end included; tasks that are left are cancelled, as asyncio.run does it."""
    lines.clear()
    try:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.get_loop().set_exception_handler(
                lambda _loop, context: note("loop", f"unhandled {word(context['exception'])}"))
            runner.run(function())
    except BaseException as error:
        note("main", word(error))
    return list(lines)


class Fault(Exception):
    pass


def word(error):
    if isinstance(error, BaseExceptionGroup):
        differ("group-error")
        return word(error.exceptions[0])
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, RuntimeError):
        return "refused"
    if isinstance(error, Fault):
        return f"error {error}"
    raise error


def busy(ticks):
    """Time passes, and nothing runs."""
    asyncio.get_running_loop().jumping.ticks += ticks


def clock():
    note("clock", int(asyncio.get_running_loop().time()))


async def nap(name, ticks):
    note(name, "begins")
    try:
        await asyncio.sleep(ticks)
    except asyncio.CancelledError:
        note(name, "cancelled")
        raise
    note(name, "ends")


async def gives(name, ticks, value):
    await nap(name, ticks)
    return value


async def fails(name, ticks, error):
    await nap(name, ticks)
    raise Fault(error)


async def cleans_up(name, ticks, cleanup):
    """Takes its time to end."""
    try:
        await nap(name, ticks)
    except asyncio.CancelledError:
        await nap(f"{name}'s cleanup", cleanup)
        raise


async def swallows(name, ticks, value):
    try:
        await nap(name, ticks)
    except asyncio.CancelledError:
        note(name, "goes on")
    return value


async def how(name, awaitable):
    """Notes how an await ends."""
    try:
        value = await awaitable
        note(name, "done" if value is None else f"value {value}")
    except BaseException as error:
        note(name, word(error))


def spawn(coroutine):
    return asyncio.get_running_loop().create_task(coroutine)


def turn():
    return asyncio.sleep(0)


# --- tasks

@scenario()
async def a_first_step_is_queued():
    job = spawn(nap("job", 0))
    note("main", "made")
    await job
    note("main", "joined")


@scenario()
async def tasks_take_turns():
    async def counts(name):
        for n in range(3):
            note(name, n)
            await turn()
    jobs = [spawn(counts(name)) for name in ("a", "b", "c")]
    for job in jobs:
        await job


@scenario()
async def calling_is_not_a_turn():
    async def inner():
        note("inner", "runs")

    async def counts():
        for _ in range(3):
            await inner()
    job = spawn(nap("job", 0))
    await counts()
    await job


@scenario()
async def waking_up_is_one_hop():
    future = asyncio.get_running_loop().create_future()

    async def waits():
        await future
        note("job", "woken")
    job = spawn(waits())
    await turn()
    asyncio.get_running_loop().call_soon(lambda: note("call", "before"))
    future.set_result(None)
    asyncio.get_running_loop().call_soon(lambda: note("call", "after"))
    note("main", "resolved")
    await job


@scenario()
async def several_wait_for_one():
    job = spawn(gives("job", 1, 7))
    waiters = [spawn(how(name, job)) for name in ("a", "b", "c")]
    for waiter in waiters:
        await waiter


@scenario()
async def an_error_is_for_all_who_wait():
    job = spawn(fails("job", 1, "EIO"))
    waiters = [spawn(how(name, job)) for name in ("a", "b")]
    for waiter in waiters:
        await waiter
    await how("late", job)


@scenario()
async def sleepers_in_order():
    naps = (("five", 5), ("two", 2), ("none", 0), ("less", -3), ("two again", 2))
    jobs = [spawn(nap(name, ticks)) for name, ticks in naps]
    for job in jobs:
        await job
    clock()


@scenario()
async def a_task_that_awaits_itself():
    jobs = []

    async def waits():
        await jobs[0]
    jobs.append(spawn(waits()))
    await how("job", jobs[0])


# --- cancelling

@scenario()
async def a_waiting_task_is_cancelled():
    job = spawn(nap("job", 100))
    await turn()
    note("main", job.cancel())
    note("main", job.done())
    await how("job", job)
    note("main", job.cancelled())
    note("main", job.cancel())
    clock()


@scenario()
async def cancelled_before_its_first_step():
    job = spawn(nap("job", 100))
    note("main", job.cancel())
    await how("job", job)


@scenario()
async def cancelled_when_what_it_awaits_is_done():
    future = asyncio.get_running_loop().create_future()

    async def waits():
        await how("job", future)
    job = spawn(waits())
    await turn()
    future.set_result(1)
    note("main", job.cancel())
    note("main", future.cancelled())
    await how("main", job)


@scenario()
async def cancelling_goes_to_the_future():
    future = asyncio.get_running_loop().create_future()

    async def waits():
        await how("job", future)
    job = spawn(waits())
    await turn()
    job.cancel()
    note("future", future.cancelled())
    await how("main", job)


@scenario()
async def cancelling_goes_to_the_inner_task():
    inner = spawn(nap("inner", 100))

    async def waits():
        await how("outer", inner)
        await nap("outer", 1)
    outer = spawn(waits())
    await turn()
    note("main", outer.cancel())
    note("main", outer.cancelling())
    note("main", inner.cancelling())
    await how("main", outer)
    note("inner", inner.cancelled())


@scenario()
async def an_inner_task_swallows_it():
    inner = spawn(swallows("inner", 100, 5))

    async def waits():
        await how("outer", inner)
        await nap("outer", 1)
    outer = spawn(waits())
    await turn()
    await turn()
    note("main", outer.cancel())
    await how("main", outer)


@scenario()
async def a_cancelled_child_does_not_cancel_its_parent():
    child = spawn(nap("child", 100))
    await turn()
    child.cancel()
    await how("child", child)
    note("main", asyncio.current_task().cancelling())
    await nap("main", 1)


@scenario()
async def who_cancels_himself_is_cancelled_at_the_next_await():
    async def cancels():
        asyncio.current_task().cancel()
        note("job", "still here")
        await nap("job", 1)
    await how("main", spawn(cancels()))


@scenario()
async def through_nested_coroutines():
    async def inner():
        asyncio.current_task().cancel()
        await nap("inner", 1)

    async def outer():
        await how("outer", inner())
        await nap("outer", 1)
    await how("main", spawn(outer()))


@scenario()
async def who_cancels_himself_and_returns_is_cancelled():
    async def cancels():
        asyncio.current_task().cancel()
        return 3
    await how("main", spawn(cancels()))


@scenario()
async def a_task_swallows_it():
    job = spawn(swallows("job", 100, 9))
    await turn()
    job.cancel()
    await how("job", job)
    note("job", job.cancelled())


@scenario()
async def it_is_delivered_once():
    async def goes_on():
        await swallows("job", 100, 1)
        await nap("job", 5)
        note("job", asyncio.current_task().cancelling())
    job = spawn(goes_on())
    await turn()
    job.cancel()
    await how("main", job)
    clock()


@scenario()
async def cancelled_again_and_again():
    async def stubborn():
        for _ in range(3):
            await swallows("job", 100, 1)
            note("job", asyncio.current_task().cancelling())
    job = spawn(stubborn())
    await turn()
    for _ in range(3):
        note("main", job.cancel())
        await turn()
        await turn()
    await how("main", job)


@scenario()
async def twice_before_it_is_delivered():
    job = spawn(swallows("job", 100, 1))
    await turn()
    note("main", [job.cancel(), job.cancel()])
    note("main", job.cancelling())
    await how("main", job)
    note("main", job.cancelling())


@scenario()
async def counting_down():
    async def counts():
        me = asyncio.current_task()
        note("job", [me.cancelling(), me.uncancel()])
        await swallows("job", 100, 1)
        note("job", [me.cancelling(), me.uncancel(), me.uncancel(), me.uncancel()])
    job = spawn(counts())
    await turn()
    job.cancel()
    job.cancel()
    await how("main", job)


@scenario(since=(3, 13))
async def taking_back_what_was_not_delivered():
    async def changes_his_mind():
        me = asyncio.current_task()
        me.cancel()
        note("job", me.uncancel())
        await nap("job", 1)
    await how("main", spawn(changes_his_mind()))


@scenario(since=(3, 13))
async def taking_back_one_of_two():
    async def changes_his_mind():
        me = asyncio.current_task()
        me.cancel()
        me.cancel()
        note("job", me.uncancel())
        await nap("job", 1)
    await how("main", spawn(changes_his_mind()))


@scenario()
async def cleaning_up_takes_time():
    job = spawn(cleans_up("job", 100, 3))
    await turn()
    job.cancel()
    await how("main", job)
    clock()


@scenario()
async def cancelled_while_it_cleans_up():
    job = spawn(cleans_up("job", 100, 50))
    await turn()
    job.cancel()
    await asyncio.sleep(1)
    job.cancel()
    await how("main", job)
    clock()


@scenario()
async def what_is_left_is_cancelled_at_the_end():
    job = spawn(cleans_up("left", 100, 2))
    await turn()
    note("main", job.done())


@scenario()
async def the_main_task_fails():
    job = spawn(nap("left", 100))
    await turn()
    note("main", job.done())
    raise Fault("EPERM")


@scenario(since=(3, 12))
async def a_task_begins_at_once():
    loop = asyncio.get_running_loop()
    job = asyncio.Task(nap("job", 1), loop=loop, eager_start=True)
    note("main", "made")
    await job
    done = asyncio.Task(gives_now(4), loop=loop, eager_start=True)
    note("main", done.done())
    note("main", done.cancel())
    await how("main", done)


async def gives_now(value):
    return value


# --- timeouts

async def within(ticks, coroutine):
    async with asyncio.timeout(ticks):
        return await coroutine


@scenario()
async def in_time():
    await how("main", within(5, gives("job", 3, 1)))
    await nap("main", 10)


@scenario()
async def too_late():
    await how("main", within(5, nap("job", 100)))
    clock()
    note("main", asyncio.current_task().cancelling())


@scenario()
async def no_time_at_all():
    await how("turn", within(0, two_turns()))
    await how("less", within(-1, nap("job", 3)))


async def two_turns():
    await turn()
    await turn()


@scenario()
async def as_long_as_it_takes():
    await how("main", within(None, gives("job", 1000, 1)))


@scenario()
async def no_await_no_timeout():
    async def hurries():
        busy(10)
        return 6
    await how("main", within(5, hurries()))
    await nap("main", 1)


@scenario()
async def the_body_swallows_the_timeout():
    async with asyncio.timeout(5) as limit:
        await swallows("job", 100, 1)
        note("main", "after")
    note("main", limit.expired())
    note("main", asyncio.current_task().cancelling())
    await nap("main", 1)


@scenario()
async def not_expired():
    async with asyncio.timeout(5) as limit:
        await nap("job", 1)
        note("main", limit.expired())
    note("main", limit.expired())


@scenario()
async def an_error_passes_a_timeout():
    await how("main", within(5, fails("job", 1, "EIO")))


@scenario()
async def an_error_while_it_is_timed_out():
    async def fails_then():
        try:
            await nap("job", 100)
        except asyncio.CancelledError:
            pass
        raise Fault("EPIPE")
    await how("main", within(5, fails_then()))
    note("main", asyncio.current_task().cancelling())


@scenario()
async def cleaning_up_after_a_timeout():
    await how("main", within(5, cleans_up("job", 100, 3)))
    clock()


@scenario()
async def cancelled_inside_a_timeout():
    job = spawn(within(50, nap("job", 100)))
    await turn()
    job.cancel()
    await how("main", job)
    note("main", job.cancelled())
    clock()


@scenario()
async def cancelled_and_timed_out():
    job = spawn(within(5, nap("job", 100)))
    await asyncio.sleep(1)
    busy(10)
    job.cancel()
    await how("main", job)


@scenario()
async def timed_out_and_cancelled():
    job = spawn(within(5, cleans_up("job", 100, 10)))
    await asyncio.sleep(7)
    job.cancel()
    await how("main", job)


@scenario()
async def the_inner_timeout_is_first():
    async def outer():
        await how("inner", within(5, nap("job", 100)))
        await nap("between", 1)
    await how("outer", within(50, outer()))


@scenario()
async def the_outer_timeout_is_first():
    async def outer():
        await how("inner", within(50, nap("job", 100)))
        await nap("between", 1)
    await how("outer", within(5, outer()))


@scenario()
async def the_outer_timeout_passes_the_inner():
    async def outer():
        try:
            await within(50, nap("job", 100))
        except TimeoutError:
            note("inner", "timed out")
    await how("outer", within(5, outer()))


@scenario()
async def both_timeouts_are_late():
    async def late():
        busy(100)
        await nap("job", 1)

    async def outer():
        await how("inner", within(5, late()))
        await nap("between", 1)
    await how("outer", within(10, outer()))


@scenario()
async def a_timeout_is_moved():
    loop = asyncio.get_running_loop()

    async def moves(to):
        async with asyncio.timeout(10) as limit:
            await nap("before", 5)
            limit.reschedule(None if to is None else loop.time() + to)
            await nap("job", 20)
    for to in (1, 30, None, -1):
        await how("main", moves(to))
        clock()


@scenario()
async def a_timeout_that_has_passed_is_not_moved():
    loop = asyncio.get_running_loop()

    async def moves():
        async with asyncio.timeout(5) as limit:
            await swallows("job", 100, 1)
            try:
                limit.reschedule(loop.time() + 50)
            except RuntimeError as error:
                note("limit", word(error))
            await nap("job", 1)
    await how("main", moves())


@scenario()
async def waiting_for_a_value_in_time():
    await how("main", asyncio.wait_for(gives("job", 3, 4), 5))


@scenario()
async def waiting_for_a_task_too_long():
    job = spawn(cleans_up("job", 100, 4))
    await how("main", asyncio.wait_for(job, 5))
    note("job", job.cancelled())
    clock()


@scenario(since=(3, 12))
async def what_is_waited_for_swallows_it():
    await how("main", asyncio.wait_for(swallows("job", 100, 8), 5))
    clock()


# --- groups

@scenario()
async def a_group_joins_all():
    async with asyncio.TaskGroup() as group:
        for name, ticks in (("a", 3), ("b", 1), ("c", 2)):
            group.create_task(nap(name, ticks))
        note("body", "ends")
    note("main", "joined")


@scenario()
async def a_group_of_none():
    async with asyncio.TaskGroup():
        note("body", "ends")
    note("main", "joined")


async def group_of(*coroutines, body=0):
    async with asyncio.TaskGroup() as group:
        for coroutine in coroutines:
            group.create_task(coroutine)
        if body:
            await nap("body", body)


@scenario(loose="cancel-order")
async def the_first_error_ends_a_group():
    await how("main", group_of(nap("a", 100), fails("b", 2, "EIO"), nap("c", 1), nap("d", 100)))
    clock()


@scenario()
async def an_error_cancels_the_body():
    await how("main", group_of(fails("a", 2, "EIO"), nap("b", 100), body=50))
    note("main", asyncio.current_task().cancelling())
    await nap("main", 1)
    clock()


@scenario()
async def an_error_of_the_body():
    async def body():
        async with asyncio.TaskGroup() as group:
            group.create_task(cleans_up("a", 100, 2))
            await turn()
            raise Fault("EPERM")
    await how("main", body())
    clock()


@scenario(loose="cancel-order")
async def a_group_waits_for_cleanups():
    await how("main", group_of(fails("a", 1, "EIO"), cleans_up("b", 100, 5), cleans_up("c", 100, 3)))
    clock()


@scenario()
async def several_errors_of_a_group():
    async def fails_when_cancelled():
        try:
            await nap("b", 100)
        except asyncio.CancelledError:
            raise Fault("EPIPE")
    try:
        await group_of(fails("a", 1, "EIO"), fails_when_cancelled())
    except BaseExceptionGroup as errors:
        differ("group-error")
        others = [word(error) for error in errors.exceptions[1:]]
        note("loop", f"unhandled {others[0]}")
        note("main", word(errors))
        for other in others:
            note("others", other)


@scenario()
async def a_cancelled_child_is_no_error():
    async with asyncio.TaskGroup() as group:
        first = group.create_task(nap("a", 100))
        group.create_task(nap("b", 2))
        await turn()
        first.cancel()
    note("main", "joined")
    clock()


@scenario(loose="cancel-order")
async def a_group_is_cancelled_from_outside():
    job = spawn(group_of(nap("a", 100), cleans_up("b", 100, 3), body=200))
    await asyncio.sleep(1)
    job.cancel()
    await how("main", job)
    note("main", job.cancelled())
    clock()


@scenario()
async def cancelled_while_it_joins():
    job = spawn(group_of(cleans_up("a", 100, 50)))
    await asyncio.sleep(1)
    for _ in range(3):
        note("main", job.cancel())
        await asyncio.sleep(1)
    note("main", job.cancelling())
    await how("main", job)
    clock()


@scenario()
async def an_error_goes_before_a_cancellation():
    async def fails_when_cancelled():
        try:
            await nap("a", 100)
        except asyncio.CancelledError:
            raise Fault("EIO")
    job = spawn(group_of(fails_when_cancelled(), body=100))
    await asyncio.sleep(1)
    job.cancel()
    await how("main", job)


@scenario(since=(3, 13))
async def the_count_stays_when_an_error_goes_first():
    async def fails_when_cancelled():
        try:
            await nap("a", 100)
        except asyncio.CancelledError:
            raise Fault("EIO")

    async def outer():
        await how("group", group_of(fails_when_cancelled(), body=100))
        note("outer", asyncio.current_task().cancelling())
        await nap("outer", 1)
    job = spawn(outer())
    await asyncio.sleep(1)
    job.cancel()
    await how("main", job)


@scenario(since=(3, 13))
async def cancelled_while_a_group_ends_by_an_error():
    async def outer():
        await how("group", group_of(fails("a", 2, "EIO"), cleans_up("b", 100, 5)))
        note("outer", asyncio.current_task().cancelling())
        await nap("outer", 1)
    job = spawn(outer())
    await asyncio.sleep(4)
    job.cancel()
    await how("main", job)
    clock()


@scenario()
async def a_group_in_a_group():
    async def inner():
        await how("inner", group_of(fails("a", 2, "EIO"), nap("b", 100)))
    await how("outer", group_of(inner(), nap("c", 5)))
    clock()


@scenario()
async def an_error_goes_through_two_groups():
    await how("outer", group_of(group_of(fails("a", 2, "EIO"), nap("b", 100)), nap("c", 100)))
    clock()


@scenario(loose="cancel-order")
async def a_timeout_around_a_group():
    await how("main", within(5, group_of(nap("a", 100), cleans_up("b", 100, 2), body=100)))
    clock()
    note("main", asyncio.current_task().cancelling())


@scenario()
async def a_group_around_a_timeout():
    async def limited():
        await how("limit", within(2, nap("a", 100)))
    await how("main", group_of(limited(), nap("b", 5)))


@scenario()
async def a_child_spawns_while_the_group_ends():
    async with asyncio.TaskGroup() as group:
        async def spawns():
            await nap("a", 1)
            group.create_task(nap("late", 2))
        group.create_task(spawns())
    clock()


@scenario()
async def a_group_that_has_ended_refuses():
    async with asyncio.TaskGroup() as group:
        group.create_task(nap("a", 1))
    coroutine = nap("late", 1)
    try:
        group.create_task(coroutine)
    except RuntimeError as error:
        note("main", word(error))
        coroutine.close()


@scenario()
async def a_group_that_aborts_refuses():
    async def spawns(group):
        try:
            await nap("a", 100)
        except asyncio.CancelledError:
            coroutine = nap("late", 1)
            try:
                group.create_task(coroutine)
            except RuntimeError as error:
                note("a", word(error))
                coroutine.close()
            raise

    async def body():
        async with asyncio.TaskGroup() as group:
            group.create_task(spawns(group))
            group.create_task(fails("b", 1, "EIO"))
    await how("main", body())


# --- several at once

@scenario(loose="one-hop")
async def gathering():
    note("main", await asyncio.gather(gives("a", 3, 1), gives("b", 1, 2), gives("c", 2, 3)))
    clock()


@scenario(loose="one-hop")
async def gathering_with_errors_as_values():
    async def outcome(coroutine):
        results = await asyncio.gather(coroutine, return_exceptions=True)
        return word(results[0]) if isinstance(results[0], BaseException) else results[0]
    note("main", [await outcome(gives("a", 1, 1)), await outcome(fails("b", 2, "EIO"))])


@scenario(loose="one-hop")
async def a_gather_fails():
    differ("nothing-left")
    jobs = [spawn(coroutine) for coroutine in (nap("a", 100), fails("b", 2, "EIO"), nap("c", 100))]
    await how("main", asyncio.gather(*jobs))
    for job in jobs:
        job.cancel()
    await asyncio.wait(jobs)
    clock()


@scenario(loose="one-hop")
async def a_gather_is_cancelled():
    differ("gather-cancelled-early")
    jobs = [spawn(coroutine) for coroutine in (cleans_up("a", 100, 3), cleans_up("b", 100, 1), nap("c", 100))]

    async def gathers():
        await asyncio.gather(*jobs)
    job = spawn(gathers())
    await asyncio.sleep(1)
    job.cancel()
    await how("main", job)
    await asyncio.wait(jobs)
    clock()


def note_sets(done, pending, jobs):
    note("main", f"done {[jobs.index(job) for job in jobs if job in done]}, "
                 f"pending {[jobs.index(job) for job in jobs if job in pending]}")


@scenario()
async def waiting_for_all():
    jobs = [spawn(coroutine) for coroutine in (nap("a", 2), fails("b", 1, "EIO"), nap("c", 3))]
    note_sets(*await asyncio.wait(jobs), jobs)
    clock()
    await how("b", jobs[1])


@scenario()
async def waiting_for_the_first():
    jobs = [spawn(nap(name, ticks)) for name, ticks in (("a", 3), ("b", 1), ("c", 2))]
    note_sets(*await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED), jobs)
    clock()
    await asyncio.wait(jobs)


@scenario()
async def waiting_for_the_first_error():
    jobs = [spawn(coroutine) for coroutine in (nap("a", 1), fails("b", 2, "EIO"), nap("c", 3), nap("d", 100))]
    await turn()
    jobs[3].cancel()
    note_sets(*await asyncio.wait(jobs, return_when=asyncio.FIRST_EXCEPTION), jobs)
    clock()
    await asyncio.wait(jobs)
    await how("b", jobs[1])


@scenario()
async def waiting_for_some_time():
    jobs = [spawn(nap(name, ticks)) for name, ticks in (("a", 1), ("b", 10))]
    note_sets(*await asyncio.wait(jobs, timeout=5), jobs)
    note_sets(*await asyncio.wait(jobs, timeout=0), jobs)
    clock()
    note_sets(*await asyncio.wait(jobs), jobs)


@scenario()
async def a_cancelled_wait_leaves_the_tasks():
    jobs = [spawn(nap("a", 5))]

    async def waits():
        await asyncio.wait(jobs)
    waiter = spawn(waits())
    await asyncio.sleep(1)
    waiter.cancel()
    await how("waiter", waiter)
    await how("a", jobs[0])


@scenario(loose="one-hop")
async def a_shield_keeps_a_cancellation_out():
    inner = spawn(gives("inner", 5, 4))

    async def shielded():
        await asyncio.shield(inner)
    outer = spawn(shielded())
    await asyncio.sleep(1)
    outer.cancel()
    await how("outer", outer)
    clock()
    await how("inner", inner)


@scenario(loose="one-hop")
async def a_shield_lets_results_through():
    await how("main", asyncio.shield(spawn(gives("a", 1, 4))))
    await how("main", asyncio.shield(spawn(fails("b", 1, "EIO"))))


@scenario(loose="one-hop")
async def what_is_shielded_is_cancelled():
    inner = spawn(nap("inner", 5))

    async def shielded():
        await asyncio.shield(inner)
    outer = spawn(shielded())
    await asyncio.sleep(1)
    inner.cancel()
    await how("outer", outer)


@scenario(loose="one-hop")
async def a_timeout_around_a_shield():
    inner = spawn(gives("inner", 10, 4))

    async def shielded():
        await asyncio.shield(inner)
    await how("main", within(3, shielded()))
    clock()
    await how("inner", inner)
    clock()


@scenario(loose="one-hop")
async def as_they_end():
    jobs = [spawn(gives(name, ticks, ticks)) for name, ticks in (("a", 3), ("b", 1), ("c", 2))]
    for next_one in asyncio.as_completed(jobs):
        note("main", await next_one)
    clock()


@scenario(loose="one-hop")
async def as_they_end_for_some_time():
    jobs = [spawn(gives(name, ticks, ticks)) for name, ticks in (("a", 30), ("b", 1))]
    for next_one in asyncio.as_completed(jobs, timeout=5):
        await how("main", next_one)
    clock()
    note("main", jobs[0].done())


# --- what tasks wait on

@scenario()
async def a_lock_is_served_in_order():
    lock = asyncio.Lock()

    async def works(name, ticks):
        async with lock:
            await nap(name, ticks)
    jobs = [spawn(works(name, 2)) for name in ("a", "b", "c")]
    await asyncio.sleep(1)
    jobs[1].cancel()
    for job, name in zip(jobs, "abc"):
        await how(f"job {name}", job)
    clock()


@scenario()
async def a_holder_is_cancelled():
    lock = asyncio.Lock()

    async def works(name, ticks):
        async with lock:
            await nap(name, ticks)
    jobs = [spawn(works(name, 20)) for name in ("a", "b")]
    await asyncio.sleep(1)
    jobs[0].cancel()
    for job in jobs:
        await how("job", job)
    note("lock", lock.locked())
    clock()


@scenario()
async def an_event_is_awaited():
    event = asyncio.Event()

    async def waits(name):
        await event.wait()
        note(name, "told")
    jobs = [spawn(waits(name)) for name in ("a", "b", "c")]
    await turn()
    jobs[0].cancel()
    event.set()
    event.clear()
    for job in jobs:
        await how("job", job)


@scenario()
async def a_semaphore_lets_two_in():
    semaphore = asyncio.Semaphore(2)

    async def works(name, ticks):
        async with semaphore:
            await nap(name, ticks)
    jobs = [spawn(works(name, ticks)) for name, ticks in (("a", 3), ("b", 1), ("c", 1), ("d", 1))]
    for job in jobs:
        await job
    clock()


@scenario(loose="one-hop")
async def a_condition_is_awaited():
    condition = asyncio.Condition()
    ready = []

    async def waits(name):
        async with condition:
            await condition.wait_for(lambda: ready)
            note(name, f"takes {ready.pop()}")
    jobs = [spawn(waits(name)) for name in ("a", "b")]
    for item in (1, 2):
        await asyncio.sleep(1)
        async with condition:
            ready.append(item)
            condition.notify_all()
    for job in jobs:
        await how("job", job)


@scenario(loose="one-hop")
async def producers_and_consumers():
    queue = asyncio.Queue(2)

    async def produces(name, first):
        for item in range(first, first + 3):
            await queue.put(item)
            note(name, f"put {item}")
            await asyncio.sleep(2)

    async def consumes():
        while True:
            item = await queue.get()
            note("consumer", item)
            await asyncio.sleep(1)
            queue.task_done()
    consumer = spawn(consumes())
    producers = [spawn(produces("p", 10)), spawn(produces("q", 20))]
    for producer in producers:
        await producer
    await queue.join()
    note("main", "joined")
    consumer.cancel()
    await how("consumer", consumer)
    clock()


@scenario()
async def a_getter_times_out():
    queue = asyncio.Queue()
    await how("main", within(3, queue.get()))
    queue.put_nowait(5)
    await how("main", within(3, queue.get()))
    clock()


@scenario(loose="one-hop")
async def a_barrier_opens():
    barrier = asyncio.Barrier(3)

    async def arrives(name, ticks):
        await nap(name, ticks)
        note(name, f"place {await barrier.wait()}")
    jobs = [spawn(arrives(name, ticks)) for name, ticks in (("a", 3), ("b", 1), ("c", 2))]
    for job in jobs:
        await job
