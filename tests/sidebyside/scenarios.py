"""scenarios.py: named scenarios, each spoken once and run in both worlds.

@scenario(...): loose=<a difference> compares per entity instead of exactly; since and before=<versions of CPython>."""
import threading

from differences import differ

SCENARIOS = []


def scenario(loose=None, since=(3, 10), before=(4, 0)):
    def add(function):
        SCENARIOS.append((function.__name__, function, loose, since, before))
        return function
    return add


def names(prefix, count):
    return [f"{prefix}{number}" for number in range(count)]


# --- the loop

@scenario()
def call_soon_is_fifo(w):
    for tag in "abcde":
        w.call_soon(tag)
    w.settle()


@scenario()
def a_pass_runs_what_was_ready(w):
    w.call_soon("a", lambda: (w.call_soon("a2", lambda: w.call_soon("a3")), w.call_soon("a4")))
    w.call_soon("b", lambda: w.call_soon("b2"))
    w.once()
    w.emit("driver", "one pass")
    w.once()
    w.emit("driver", "two passes")
    w.settle()


@scenario()
def call_soon_can_be_cancelled(w):
    for tag in "abcd":
        w.call_soon(tag)
    w.cancel_call("b")
    w.cancel_call("b")
    w.settle()


@scenario()
def a_call_cancels_one_of_its_pass(w):
    w.call_soon("a", lambda: w.cancel_call("c"))
    w.call_soon("b")
    w.call_soon("c")
    w.settle()


@scenario()
def timers_run_in_deadline_order(w):
    for delay in (5, 1, 9, 3, 7):
        w.call_later(f"t{delay}", delay)
    w.idle()


@scenario()
def timers_of_one_deadline(w):
    for tag in "abcdef":
        w.call_later(tag, 4)
    w.idle()


@scenario()
def negative_delays_keep_their_order(w):
    w.call_later("a", -1)
    w.call_later("b", -2)
    w.call_later("c", 0)
    w.settle()


@scenario()
def due_timers_come_after_calls(w):
    w.call_later("timer", 0)
    w.call_soon("call")
    w.settle()


@scenario()
def a_timer_of_no_delay_waits_a_pass(w):
    w.call_soon("a", lambda: (w.call_later("timer", 0), w.call_soon("b", lambda: w.call_soon("c"))))
    w.settle()


@scenario()
def timers_can_be_cancelled(w):
    for delay in range(1, 7):
        w.call_later(f"t{delay}", delay, (lambda: w.cancel_call("t5")) if delay == 3 else None)
    w.cancel_call("t2")
    w.idle()
    w.cancel_call("t1")


@scenario()
def a_timer_cancels_one_that_is_due(w):
    w.call_later("a", 2, lambda: w.cancel_call("b"))
    w.call_later("b", 2)
    w.call_later("c", 2)
    w.idle()


@scenario()
def a_timer_starts_timers(w):
    w.call_later("a", 2, lambda: (w.call_later("a2", 0), w.call_later("a3", 1)))
    w.call_later("b", 3)
    w.idle()


@scenario()
def late_timers_run_in_order(w):
    for delay in (30, 10, 20):
        w.call_later(f"t{delay}", delay)
    w.advance(100)
    w.settle()


@scenario()
def time_passes_while_waiting(w):
    w.call_later("a", 7, lambda: w.emit("clock", w.now()))
    w.call_later("b", 11, w.stop)
    w.run_forever()
    w.emit("clock", w.now())


@scenario()
def stop_ends_after_the_pass(w):
    w.call_soon("a", lambda: (w.stop(), w.call_soon("later")))
    w.call_soon("b")
    w.run_forever()
    w.emit("driver", "stopped")
    w.settle()


@scenario()
def stop_before_run_is_one_pass(w):
    w.call_soon("a", lambda: w.call_soon("b"))
    w.stop()
    w.run_forever()
    w.emit("driver", "stopped")
    w.settle()


@scenario()
def stop_from_a_timer_and_again(w):
    w.call_later("a", 3, w.stop)
    w.call_later("b", 3)
    w.call_later("c", 5, w.stop)
    w.run_forever()
    w.emit("driver", f"stopped at {w.now()}")
    w.run_forever()
    w.emit("driver", f"stopped at {w.now()}")


@scenario()
def run_until_gives_the_value(w):
    w.future("f")
    w.call_later("a", 3, lambda: w.resolve("f", 7))
    w.run_until("f")


@scenario()
def run_until_gives_the_error(w):
    w.future("f")
    w.call_soon("a", lambda: w.fail("f", "EIO"))
    w.run_until("f")


@scenario()
def run_until_of_a_cancelled_future(w):
    w.future("f")
    w.call_soon("a", lambda: w.cancel("f"))
    w.run_until("f")


@scenario()
def run_until_of_what_is_done(w):
    w.future("f")
    w.resolve("f", 3)
    w.on_done("f", "before")
    w.run_until("f")


@scenario()
def run_until_runs_callbacks_added_before(w):
    w.future("f")
    for tag in "abc":
        w.on_done("f", tag)
    w.call_soon("r", lambda: w.resolve("f", 1))
    w.run_until("f")


@scenario()
def run_until_is_stopped_first(w):
    w.future("f")
    w.call_soon("a", w.stop)
    w.run_until("f")
    w.resolve("f", 1)
    w.settle()
    w.call_soon("b", lambda: w.call_soon("c", w.stop))
    w.run_forever()


@scenario()
def run_until_is_stopped_while_more_is_to_come(w):
    w.future("f")
    w.call_later("a", 2, w.stop)
    w.call_later("b", 5, lambda: w.resolve("f", 1))
    w.run_until("f")
    w.emit("clock", w.now())
    w.run_until("f")


@scenario()
def a_run_inside_a_run_is_refused(w):
    w.future("f")
    w.call_soon("a", lambda: w.run_until("f"))
    w.settle()


@scenario()
def a_closed_loop_refuses_calls(w):
    w.closed_loop_refuses()


@scenario()
def calls_from_a_thread_are_fifo(w):
    w.call_from_thread(names("p", 20))
    w.settle()


@scenario()
def a_thread_wakes_the_loop(w):
    w.future("f")
    w.wake_from_thread("f", 11)


@scenario(loose="own-posts")
def threadsafe_calls_from_the_loop(w):
    w.call_soon("a", lambda: (w.call_threadsafe("p"), w.call_soon("s"), w.call_threadsafe("q")))
    w.settle()


# --- futures

@scenario()
def a_future_has_one_outcome(w):
    for name in ("value", "error", "cancelled"):
        w.future(name)
        w.state(name)
        w.result(name)
    w.resolve("value", 5)
    w.fail("error", "EIO")
    w.cancel("cancelled")
    for name in ("value", "error", "cancelled"):
        w.resolve(name, 6)
        w.fail(name, "EPERM")
        w.cancel(name)
        w.state(name)
        w.result(name)


@scenario()
def callbacks_are_never_inline(w):
    w.future("f")
    w.on_done("f", "a")
    w.resolve("f", 1)
    w.emit("driver", "resolved")
    w.on_done("f", "b")
    w.emit("driver", "added")
    w.settle()


@scenario()
def callbacks_run_in_order_of_addition(w):
    w.future("f")
    for tag in "abcd":
        w.on_done("f", tag)
    w.call_soon("before")
    w.resolve("f", 2)
    w.call_soon("after")
    w.on_done("f", "late")
    w.settle()


@scenario()
def the_same_callback_twice(w):
    w.future("f")
    for tag in "abab":
        w.on_done("f", tag)
    w.resolve("f", 2)
    w.settle()


@scenario()
def callbacks_can_be_removed(w):
    w.future("f")
    for tag in "abacad":
        w.on_done("f", tag)
    w.off_done("f", "a")
    w.off_done("f", "x")
    w.fail("f", "EIO")
    w.settle()


@scenario()
def a_due_callback_is_not_removed(w):
    w.future("f")
    w.on_done("f", "a")
    w.resolve("f", 1)
    w.off_done("f", "a")
    w.settle()


@scenario()
def a_callback_adds_callbacks(w):
    w.future("f")
    w.on_done("f", "a", lambda: w.on_done("f", "a2"))
    w.on_done("f", "b")
    w.cancel("f")
    w.settle()


@scenario()
def a_callback_resolves_another(w):
    for name in "fgh":
        w.future(name)
    w.on_done("f", "a", lambda: w.resolve("g", 2))
    w.on_done("f", "b")
    w.on_done("g", "c", lambda: w.cancel("h"))
    w.on_done("h", "d")
    w.resolve("f", 1)
    w.settle()


@scenario()
def callbacks_see_cancellation(w):
    w.future("f")
    w.on_done("f", "a")
    w.cancel("f")
    w.settle()


@scenario()
def an_error_nobody_looks_at_is_reported(w):
    w.future("f")
    w.fail("f", "EPIPE")
    w.settle()
    w.drop_futures("f")
    w.settle()


@scenario()
def an_error_somebody_looked_at_is_not(w):
    w.future("f")
    w.fail("f", "EPIPE")
    w.result("f")
    w.settle()
    w.drop_futures("f")
    w.settle()


@scenario()
def callbacks_of_two_futures(w):
    w.future("f")
    w.future("g")
    for tag in "ab":
        w.on_done("f", tag)
        w.on_done("g", tag)
    w.resolve("g", 1)
    w.resolve("f", 2)
    w.settle()


# --- gather, wait, wait_for, shield, as_completed

def made(w, count, combinator, *arguments, **options):
    """Futures f0.. and out, a combinator over them, with a callback each."""
    futures = names("f", count)
    for name in futures:
        w.future(name)
        w.on_done(name, "d")
    getattr(w, combinator)("out", *([futures] if combinator in ("gather", "wait") else [futures[0]]), *arguments,
                           **options)
    w.on_done("out", "d")
    w.settle()
    return futures


@scenario(loose="one-hop")
def gather_of_nothing(w):
    w.gather("out", [])
    w.on_done("out", "d")
    w.state("out")
    w.settle()


@scenario(loose="one-hop")
def gather_gives_results_in_order_of_arguments(w):
    made(w, 3, "gather")
    for name in ("f2", "f0", "f1"):
        w.resolve(name, int(name[1]))
        w.settle()
        w.state("out")


@scenario(loose="one-hop")
def gather_of_done_futures(w):
    for name in "ab":
        w.future(name)
        w.resolve(name, 4)
    w.gather("out", ["a", "b"])
    w.on_done("out", "d")
    w.settle()


@scenario(loose="one-hop")
def gather_of_one_twice(w):
    w.future("a")
    w.future("b")
    w.gather("out", ["a", "b", "a"])
    w.on_done("out", "d")
    w.resolve("a", 1)
    w.settle()
    w.resolve("b", 2)
    w.settle()


@scenario(loose="one-hop")
def gather_fails_with_the_first_error(w):
    made(w, 3, "gather")
    w.fail("f1", "EIO")
    w.settle()
    w.state("f0")
    w.fail("f2", "EPIPE")
    w.resolve("f0", 1)
    w.settle()
    w.state("out")


@scenario(loose="one-hop")
def gather_of_a_failed_future(w):
    w.future("a")
    w.future("b")
    w.fail("b", "EIO")
    w.gather("out", ["a", "b"])
    w.on_done("out", "d")
    w.settle()
    w.state("a")


@scenario(loose="one-hop")
def errors_after_a_gather_failed_count_as_seen(w):
    for name in "ab":
        w.future(name)
    w.gather("out", ["a", "b"])
    w.fail("a", "EIO")
    w.settle()
    w.fail("b", "EPIPE")
    w.settle()
    w.result("out")
    w.drop_futures("a", "b", "out")
    w.settle()


@scenario(loose="one-hop")
def gather_takes_errors_as_results(w):
    made(w, 3, "gather", errors=True)
    w.fail("f0", "EIO")
    w.settle()
    w.cancel("f1")
    w.settle()
    w.state("out")
    w.resolve("f2", 2)
    w.settle()


@scenario(loose="one-hop")
def a_cancelled_child_fails_the_gather(w):
    made(w, 2, "gather")
    w.cancel("f1")
    w.settle()
    w.state("out")
    w.state("f0")


@scenario(loose="one-hop")
def cancelling_a_gather_cancels_what_is_pending(w):
    made(w, 4, "gather")
    w.resolve("f1", 1)
    w.settle()
    w.cancel("out")
    w.settle()
    w.cancel("out")


@scenario(loose="one-hop")
def cancelling_a_gather_that_takes_errors(w):
    made(w, 3, "gather", errors=True)
    w.cancel("out")
    w.settle()
    w.state("out")


@scenario(loose="one-hop")
def cancelling_a_done_gather(w):
    made(w, 3, "gather")
    w.fail("f0", "EIO")
    w.settle()
    w.cancel("out")
    w.settle()
    w.state("f1")


@scenario(loose="one-hop")
def gather_of_gathers(w):
    for name in "abc":
        w.future(name)
    w.gather("inner", ["a", "b"])
    w.gather("out", ["inner", "c"], errors=True)
    for name in ("inner", "out"):
        w.on_done(name, "d")
    w.resolve("a", 1)
    w.settle()
    w.cancel("out")
    w.settle()


@scenario(loose="one-hop")
def wait_for_all(w):
    made(w, 3, "wait")
    w.resolve("f1", 1)
    w.settle()
    w.fail("f0", "EIO")
    w.settle()
    w.cancel("f2")
    w.settle()


@scenario(loose="one-hop")
def wait_for_the_first(w):
    made(w, 3, "wait", mode="first")
    w.cancel("f1")
    w.settle()
    w.state("f0")


@scenario(loose="one-hop")
def wait_for_the_first_of_done_ones(w):
    for name in "abc":
        w.future(name)
    w.resolve("b", 1)
    w.resolve("c", 1)
    w.wait("out", ["a", "b", "c"], mode="first")
    w.on_done("out", "d")
    w.settle()


@scenario(loose="one-hop")
def wait_for_the_first_two_at_once(w):
    made(w, 3, "wait", mode="first")
    w.call_soon("both", lambda: (w.resolve("f0", 1), w.resolve("f2", 1)))
    w.settle()
    w.state("f1")


@scenario(loose="one-hop")
def wait_for_the_first_error(w):
    made(w, 3, "wait", mode="first_error")
    w.cancel("f0")
    w.settle()
    w.state("out")
    w.fail("f1", "EIO")
    w.settle()


@scenario(loose="one-hop")
def wait_for_an_error_that_does_not_come(w):
    made(w, 2, "wait", mode="first_error")
    w.cancel("f0")
    w.settle()
    w.resolve("f1", 0)
    w.settle()


@scenario(loose="one-hop")
def wait_until_a_time(w):
    made(w, 3, "wait", timeout=5)
    w.resolve("f0", 0)
    w.idle()
    w.state("f1")


@scenario(loose="one-hop")
def wait_is_done_before_its_time(w):
    made(w, 2, "wait", timeout=5)
    w.call_later("a", 4, lambda: (w.resolve("f0", 0), w.resolve("f1", 1)))
    w.idle()


@scenario(loose="one-hop")
def wait_no_time(w):
    made(w, 2, "wait", timeout=0)
    w.idle()
    w.state("f0")


@scenario(loose="one-hop")
def wait_of_done_ones_with_a_time(w):
    w.future("a")
    w.resolve("a", 1)
    w.wait("out", ["a"], timeout=5)
    w.on_done("out", "d")
    w.idle()


@scenario(loose="one-hop")
def cancelling_a_wait_leaves_the_futures(w):
    made(w, 2, "wait")
    w.cancel("out")
    w.settle()
    w.state("f0")
    w.resolve("f0", 1)
    w.settle()


@scenario(loose="one-hop")
def wait_for_a_value_in_time(w):
    made(w, 1, "wait_for", 10)
    w.call_later("a", 4, lambda: w.resolve("f0", 4))
    w.idle()


@scenario(loose="one-hop")
def wait_for_an_error_in_time(w):
    made(w, 1, "wait_for", 10)
    w.fail("f0", "EIO")
    w.idle()


@scenario(loose="one-hop")
def wait_for_times_out_and_cancels(w):
    made(w, 1, "wait_for", 10)
    w.idle()
    w.state("f0")


@scenario(loose="one-hop")
def wait_for_no_time(w):
    made(w, 1, "wait_for", 0)
    w.settle()
    w.state("f0")


@scenario(loose="one-hop")
def wait_for_less_than_no_time_of_what_is_done(w):
    w.future("f")
    w.resolve("f", 8)
    w.wait_for("out", "f", 0)
    w.on_done("out", "d")
    w.settle()


@scenario(loose="one-hop")
def wait_for_ever(w):
    made(w, 1, "wait_for", None)
    w.resolve("f0", 3)
    w.settle()


@scenario(loose="one-hop")
def wait_for_what_is_cancelled(w):
    made(w, 1, "wait_for", 10)
    w.cancel("f0")
    w.idle()


@scenario(loose="one-hop")
def cancelling_a_wait_for_cancels_the_future(w):
    made(w, 1, "wait_for", 10)
    w.cancel("out")
    w.idle()
    w.state("f0")


@scenario(loose="one-hop")
def wait_for_a_gather(w):
    for name in "ab":
        w.future(name)
    w.gather("g", ["a", "b"])
    w.wait_for("out", "g", 5)
    w.on_done("out", "d")
    w.idle()
    for name in "abg":
        w.state(name)


@scenario(loose="one-hop")
def wait_for_a_shielded_future(w):
    w.future("f")
    w.shield("s", "f")
    w.wait_for("out", "s", 5)
    w.on_done("out", "d")
    w.idle()
    w.state("s")
    w.state("f")


# Nothing of evloop's resists cancellation: what keeps it out is a shield, and that ends itself.
@scenario(loose="one-hop")
def wait_for_a_gather_that_shields_a_part(w):
    for name in "ab":
        w.future(name)
    w.shield("s", "b")
    w.gather("g", ["a", "s"], True)
    w.wait_for("out", "g", 5)
    for name in ("a", "s", "b", "g", "out"):
        w.on_done(name, "d")
    w.idle()
    w.state("b")
    w.resolve("b", 3)
    w.settle()
    for name in ("a", "s", "b", "g", "out"):
        w.state(name)


@scenario(loose="one-hop")
def wait_for_within_wait_for(w):
    for name, inner, outer in (("a", 3, 7), ("b", 7, 4)):
        w.future(name)
        w.wait_for(f"{name}1", name, inner)
        w.wait_for(f"{name}2", f"{name}1", outer)
        for one in (name, f"{name}1", f"{name}2"):
            w.on_done(one, "d")
    w.idle()
    for name in ("a", "a1", "a2", "b", "b1", "b2"):
        w.state(name)


@scenario(loose="one-hop")
def cancelling_gathers_in_gathers(w):
    leaves = names("f", 5)
    for name in leaves:
        w.future(name)
    w.gather("g1", ["f0", "f1"])
    w.gather("g2", ["f2", "g1"], True)
    w.wait_for("w", "g2", None)
    w.gather("g3", ["f3", "w", "f4"], True)
    made = ["g1", "g2", "w", "g3"]
    for name in leaves + made:
        w.on_done(name, "d")
    w.resolve("f1", 1)
    w.settle()
    w.cancel("g3")
    w.settle()
    w.cancel("g3")
    for name in leaves + made:
        w.state(name)


@scenario(loose="one-hop")
def shield_passes_on(w):
    ends = {"v": lambda: w.resolve("v", 2), "e": lambda: w.fail("e", "EIO"), "c": lambda: w.cancel("c")}
    for name, end in ends.items():
        w.future(name)
        w.shield(f"s{name}", name)
        w.on_done(f"s{name}", "d")
        end()
        w.settle()


@scenario(loose="one-hop")
def cancelling_a_shield(w):
    w.future("f")
    w.shield("s", "f")
    w.on_done("s", "d")
    w.on_done("f", "d")
    w.cancel("s")
    w.settle()
    w.state("f")
    w.resolve("f", 1)
    w.settle()
    w.state("s")


@scenario()
def shield_of_what_is_done_is_itself(w):
    w.future("f")
    w.resolve("f", 1)
    w.shield("s", "f")
    w.on_done("s", "d")
    w.emit("s", w.things["s"] == w.things["f"])
    w.settle()


@scenario(loose="one-hop")
def shields_of_one_future(w):
    w.future("f")
    for name in names("s", 3):
        w.shield(name, "f")
        w.on_done(name, "d")
    w.cancel("s1")
    w.settle()
    w.cancel("f")
    w.settle()


@scenario(loose="one-hop")
def as_completed_in_order_of_completion(w):
    for name in "abc":
        w.future(name)
    w.as_completed(names("o", 3), ["a", "b", "c"])
    for name in names("o", 3):
        w.on_done(name, "d")
    w.settle()
    for name in "cab":
        w.resolve(name, ord(name))
        w.settle()


@scenario(loose="one-hop")
def as_completed_with_errors(w):
    for name in "abc":
        w.future(name)
    w.as_completed(names("o", 3), ["a", "b", "c"])
    w.settle()
    w.resolve("b", 1)
    w.settle()
    w.state("o0")
    w.resolve("c", 2)
    w.resolve("a", 3)
    w.settle()
    w.state("o1")
    w.state("o2")


@scenario(loose="one-hop")
def as_completed_until_a_time(w):
    for name in "abc":
        w.future(name)
    w.as_completed(names("o", 3), ["a", "b", "c"], 5)
    for name in names("o", 3):
        w.on_done(name, "d")
    w.resolve("b", 1)
    w.idle()
    w.state("a")


@scenario(loose="one-hop")
def as_completed_of_one_twice(w):
    for name in "ab":
        w.future(name)
    w.as_completed(names("o", 2), ["a", "b", "a"])
    for name in names("o", 2):
        w.on_done(name, "d")
    w.settle()
    w.resolve("a", 1)
    w.settle()
    w.resolve("b", 2)
    w.settle()


# --- locks and such

@scenario()
def a_lock_is_fifo(w):
    w.lock("l")
    for name in names("w", 4):
        w.acquire(name, "l")
    w.settle()
    w.is_held("l")
    for _ in range(5):
        w.give_back("l")
        w.settle()
    w.is_held("l")


@scenario()
def a_free_lock_is_had_at_once(w):
    w.lock("l")
    w.call_soon("before")
    w.acquire("a", "l")
    w.call_soon("after")
    w.settle()
    w.is_held("l")


@scenario()
def nobody_overtakes_at_a_lock(w):
    w.lock("l")
    w.acquire("a", "l")
    w.acquire("b", "l")
    w.settle()
    w.give_back("l")
    w.acquire("c", "l")
    w.settle()
    w.give_back("l")
    w.settle()


@scenario()
def a_lock_waiter_is_cancelled(w):
    w.lock("l")
    for name in names("w", 4):
        w.acquire(name, "l")
    w.settle()
    w.give_up("w1")
    w.give_up("w1")
    w.settle()
    w.give_up("w1")
    for _ in range(3):
        w.give_back("l")
        w.settle()


@scenario(loose="late-cancel")
def a_woken_lock_waiter_is_cancelled(w):
    w.lock("l")
    for name in names("w", 3):
        w.acquire(name, "l")
    w.settle()
    w.give_back("l")
    w.give_up("w1")
    w.settle()
    w.is_held("l")
    w.give_back("l")
    w.settle()
    w.is_held("l")


@scenario()
def a_waiter_is_cancelled_before_it_begins(w):
    w.lock("l")
    w.acquire("a", "l")
    w.give_up("a")
    w.settle()
    w.is_held("l")


@scenario()
def a_lock_is_released_by_a_callback(w):
    w.lock("l")
    for name in names("w", 3):
        w.acquire(name, "l")
    w.settle()
    w.call_soon("r", lambda: w.give_back("l"))
    w.call_soon("s")
    w.settle()


@scenario()
def releasing_a_free_lock(w):
    w.lock("l")
    w.give_back("l")
    w.is_held("l")


@scenario()
def an_event_tells_all(w):
    w.event("e")
    for name in names("w", 3):
        w.wait_event(name, "e")
    w.settle()
    w.is_set("e")
    w.set_event("e")
    w.is_set("e")
    w.settle()
    w.wait_event("late", "e")
    w.settle()


@scenario()
def an_event_tells_all_though_cleared(w):
    w.event("e")
    for name in names("w", 3):
        w.wait_event(name, "e")
    w.settle()
    w.set_event("e")
    w.clear_event("e")
    w.settle()
    w.wait_event("late", "e")
    w.settle()
    w.set_event("e")
    w.settle()


@scenario()
def an_event_waiter_is_cancelled(w):
    w.event("e")
    for name in names("w", 3):
        w.wait_event(name, "e")
    w.settle()
    w.give_up("w1")
    w.set_event("e")
    w.settle()


@scenario()
def a_semaphore_counts(w):
    w.semaphore("s", 2)
    for name in names("w", 5):
        w.acquire(name, "s")
    w.settle()
    w.permits("s")
    for _ in range(6):
        w.give_back("s")
        w.settle()
        w.permits("s")


@scenario(since=(3, 11))
def nobody_overtakes_at_a_semaphore(w):
    w.semaphore("s", 1)
    w.acquire("a", "s")
    w.acquire("b", "s")
    w.settle()
    w.give_back("s")
    w.permits("s")
    w.acquire("c", "s")
    w.settle()
    w.give_back("s")
    w.settle()


@scenario()
def a_semaphore_waiter_is_cancelled(w):
    w.semaphore("s", 1)
    for name in names("w", 4):
        w.acquire(name, "s")
    w.settle()
    w.give_up("w2")
    w.settle()
    for _ in range(3):
        w.give_back("s")
        w.settle()
    w.permits("s")


@scenario(loose="late-cancel", since=(3, 11))
def a_woken_semaphore_waiter_is_cancelled(w):
    w.semaphore("s", 1)
    for name in names("w", 3):
        w.acquire(name, "s")
    w.settle()
    w.give_back("s")
    w.give_up("w1")
    w.settle()
    w.give_back("s")
    w.settle()
    w.permits("s")


@scenario(since=(3, 11))
def several_permits_at_once(w):
    w.semaphore("s", 0)
    for name in names("w", 4):
        w.acquire(name, "s")
    w.settle()
    for _ in range(3):
        w.give_back("s")
    w.settle()
    w.permits("s")


@scenario()
def a_bounded_semaphore_refuses(w):
    w.semaphore("s", 1, 1)
    w.give_back("s")
    w.acquire("a", "s")
    w.settle()
    w.give_back("s")
    w.give_back("s")
    w.permits("s")


@scenario()
def a_condition_needs_the_lock(w):
    w.lock("l")
    w.condition("c", "l")
    w.notify("c")
    w.wait_condition("a", "c")
    w.settle()


def waiting_on_condition(w, count):
    w.lock("l")
    w.condition("c", "l")
    for name in names("w", count):
        w.acquire(f"{name}.lock", "l")
        w.settle()
        w.wait_condition(name, "c")
        w.settle()
    w.is_held("l")
    w.acquire("n", "l")
    w.settle()


@scenario()
def a_condition_is_notified(w):
    waiting_on_condition(w, 3)
    w.notify("c")
    w.give_back("l")
    w.settle()
    w.notify("c", 2)
    w.settle()
    w.give_back("l")
    w.settle()
    w.give_back("l")
    w.settle()
    w.give_back("l")
    w.is_held("l")


@scenario()
def a_condition_notifies_all(w):
    waiting_on_condition(w, 4)
    w.notify("c", -1)
    w.settle()
    for _ in range(4):
        w.give_back("l")
        w.settle()


@scenario(loose="condition-cancel")
def the_only_condition_waiter_is_cancelled(w):
    waiting_on_condition(w, 1)
    w.give_up("w0")
    w.settle()
    w.notify("c")
    w.settle()
    w.give_back("l")
    w.settle()
    w.is_held("l")


@scenario(loose="condition-cancel", since=(3, 13))
def a_notified_condition_waiter_is_cancelled(w):
    waiting_on_condition(w, 2)
    w.notify("c")
    w.settle()
    w.give_up("w0")
    w.settle()
    w.give_back("l")
    w.settle()
    w.is_held("l")


@scenario(loose="condition-cancel", before=(3, 13))
def a_condition_waiter_is_cancelled(w):
    differ("condition-spurious")
    waiting_on_condition(w, 3)
    w.give_back("l")
    w.settle()
    w.give_up("w1")
    w.settle()
    w.is_held("l")
    w.acquire("n2", "l")
    w.settle()
    w.notify("c", 2)
    for _ in range(3):
        w.give_back("l")
        w.settle()


@scenario(loose="barrier-order", since=(3, 11))
def a_barrier_opens_for_all(w):
    w.barrier("b", 3)
    for name in names("w", 2):
        w.wait_barrier(name, "b")
    w.settle()
    w.barrier_state("b")
    w.wait_barrier("w2", "b")
    w.settle()
    w.barrier_state("b")
    for name in names("x", 3):
        w.wait_barrier(name, "b")
    w.settle()


@scenario(loose="barrier-order", since=(3, 11))
def a_barrier_of_one(w):
    w.barrier("b", 1)
    w.wait_barrier("a", "b")
    w.settle()
    w.wait_barrier("c", "b")
    w.settle()


@scenario(loose="barrier-order", since=(3, 11))
def a_barrier_is_reset(w):
    w.barrier("b", 3)
    for name in names("w", 2):
        w.wait_barrier(name, "b")
    w.settle()
    w.reset_barrier("b")
    w.settle()
    w.barrier_state("b")
    for name in names("x", 3):
        w.wait_barrier(name, "b")
    w.settle()


@scenario(loose="barrier-order", since=(3, 11))
def a_barrier_is_aborted(w):
    w.barrier("b", 2)
    w.wait_barrier("a", "b")
    w.settle()
    w.abort_barrier("b")
    w.settle()
    w.barrier_state("b")
    w.wait_barrier("c", "b")
    w.settle()
    w.reset_barrier("b")
    w.settle()
    w.wait_barrier("d", "b")
    w.wait_barrier("e", "b")
    w.settle()


@scenario(loose="barrier-order", since=(3, 11))
def a_barrier_waiter_is_cancelled(w):
    w.barrier("b", 2)
    w.wait_barrier("a", "b")
    w.settle()
    w.give_up("a")
    w.settle()
    w.barrier_state("b")
    w.wait_barrier("c", "b")
    w.wait_barrier("d", "b")
    w.settle()


# --- queues

def filled(w, order, maxsize=0):
    w.queue("q", order, maxsize)
    for item, priority in ((1, 5), (2, 3), (3, 5), (4, 1), (5, 3)):
        w.try_put("q", item, priority)
    w.settle()
    w.size("q")
    for _ in range(6):
        w.try_get("q")
        w.settle()


@scenario()
def a_fifo_queue(w):
    filled(w, "fifo")


@scenario()
def a_lifo_queue(w):
    filled(w, "lifo")


@scenario()
def a_priority_queue(w):
    filled(w, "priority")


@scenario()
def a_full_queue_refuses(w):
    filled(w, "fifo", 3)


@scenario()
def getters_are_served_in_order(w):
    w.queue("q")
    for name in names("g", 3):
        w.get(name, "q")
    w.settle()
    for item in (7, 8, 9, 10):
        w.try_put("q", item)
        w.settle()
    w.size("q")


@scenario()
def several_items_for_several_getters(w):
    w.queue("q")
    for name in names("g", 3):
        w.get(name, "q")
    w.settle()
    for item in (7, 8, 9):
        w.try_put("q", item)
    w.settle()


@scenario()
def a_getter_finds_an_item(w):
    w.queue("q")
    w.put("p", "q", 4)
    w.get("g", "q")
    w.settle()
    w.size("q")


@scenario()
def putters_wait_for_room(w):
    w.queue("q", "fifo", 1)
    for item in range(1, 5):
        w.put(f"p{item}", "q", item)
    w.settle()
    w.size("q")
    for _ in range(5):
        w.try_get("q")
        w.settle()
        w.size("q")


@scenario()
def a_getter_makes_room(w):
    w.queue("q", "fifo", 2)
    for item in range(1, 5):
        w.put(f"p{item}", "q", item)
    w.settle()
    for name in names("g", 5):
        w.get(name, "q")
        w.settle()
        w.size("q")


@scenario()
def a_getter_is_cancelled(w):
    w.queue("q")
    for name in names("g", 3):
        w.get(name, "q")
    w.settle()
    w.give_up("g0")
    w.settle()
    w.try_put("q", 1)
    w.settle()
    w.try_put("q", 2)
    w.settle()


@scenario(loose="late-cancel")
def a_woken_getter_is_cancelled(w):
    w.queue("q")
    for name in names("g", 2):
        w.get(name, "q")
    w.settle()
    w.try_put("q", 1)
    w.give_up("g0")
    w.settle()
    w.size("q")


@scenario()
def a_putter_is_cancelled(w):
    w.queue("q", "fifo", 1)
    for item in range(1, 4):
        w.put(f"p{item}", "q", item)
    w.settle()
    w.give_up("p2")
    w.settle()
    for _ in range(3):
        w.try_get("q")
        w.settle()


@scenario()
def a_queue_is_joined(w):
    w.queue("q")
    w.join("early", "q")
    for item in (1, 2):
        w.try_put("q", item)
    w.settle()
    w.join("a", "q")
    w.join("b", "q")
    w.settle()
    for _ in range(2):
        w.try_get("q")
        w.task_done("q")
        w.settle()
    w.join("late", "q")
    w.settle()


@scenario()
def task_done_too_often(w):
    w.queue("q")
    w.task_done("q")
    w.try_put("q", 1)
    w.task_done("q")
    w.task_done("q")


@scenario()
def a_joiner_is_cancelled(w):
    w.queue("q")
    w.try_put("q", 1)
    w.join("a", "q")
    w.join("b", "q")
    w.settle()
    w.give_up("a")
    w.settle()
    w.task_done("q")
    w.settle()


@scenario(since=(3, 13))
def a_queue_is_shut_down(w):
    w.queue("q")
    for item in (1, 2):
        w.try_put("q", item)
    w.shutdown("q")
    w.try_put("q", 3)
    w.put("p", "q", 4)
    w.settle()
    for name in names("g", 3):
        w.get(name, "q")
    w.settle()
    w.try_get("q")


@scenario(since=(3, 13))
def shutting_down_frees_who_waits(w):
    w.queue("empty")
    w.queue("full", "fifo", 1)
    w.try_put("full", 1)
    w.get("g0", "empty")
    w.get("g1", "empty")
    w.put("p", "full", 2)
    w.settle()
    w.shutdown("empty")
    w.shutdown("full")
    w.settle()
    w.try_get("full")


@scenario(since=(3, 13))
def shutting_down_at_once_drops_items(w):
    w.queue("q")
    for item in (1, 2):
        w.try_put("q", item)
    w.join("j", "q")
    w.settle()
    w.shutdown("q", True)
    w.settle()
    w.try_get("q")
    w.get("g", "q")
    w.settle()
    w.size("q")


@scenario(since=(3, 13))
def shutting_down_at_once_with_items_called_done(w):
    w.queue("q")
    for item in (1, 2):
        w.try_put("q", item)
    w.task_done("q")
    w.shutdown("q", True)
    w.task_done("q")
    w.join("j", "q")
    w.settle()


@scenario(loose="hand-over")
def a_producer_and_consumers(w):
    w.queue("q", "fifo", 2)
    for name in names("c", 2):
        w.get(name, "q")
    for item in range(1, 6):
        w.put(f"p{item}", "q", item)
    w.settle()
    for name in names("d", 3):
        w.get(name, "q")
    w.settle()
    w.size("q")


# --- sleeping, threads

@scenario(loose="sleep-hop")
def sleepers_wake_in_order(w):
    for ticks in (5, 2, 9):
        w.sleep(f"s{ticks}", ticks)
    w.idle()


@scenario(loose="sleep-hop")
def a_sleeper_is_cancelled(w):
    for ticks in (5, 2):
        w.sleep(f"s{ticks}", ticks)
    w.settle()
    w.give_up("s5")
    w.idle()


@scenario(loose="one-hop")
def waiters_of_a_future(w):
    w.future("f")
    for name in names("w", 3):
        w.wait_done(name, "f")
    w.settle()
    w.give_up("w1")
    w.settle()
    w.state("f")
    w.fail("f", "EIO")
    w.settle()
    w.wait_done("late", "f")
    w.settle()


@scenario(loose="executor-hop")
def jobs_give_results(w):
    for number in range(3):
        w.job(f"j{number}", lambda number=number: number * number)
    for number in range(3):
        w.run_until(f"j{number}")


@scenario(loose="executor-hop")
def a_job_that_has_not_begun_is_cancelled(w):
    gate = threading.Event()
    ran = []
    w.job("first", lambda: gate.wait(5) and 1 or 0)
    w.job("second", lambda: ran.append(1) or 2)
    w.on_done("second", "d")
    w.cancel("second")
    w.settle()  # asyncio tells the pool one pass later
    gate.set()
    w.run_until("first")
    w.job("third", lambda: 3)
    w.run_until("third")
    w.emit("second", f"ran {len(ran)}")
