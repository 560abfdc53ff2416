"""differences.py: where evloop differs from asyncio on purpose, and what the comparison does about it.

The only place that says so. The worlds and their scenarios call differ(name) where they do it."""
import collections

DIFFERENCES = {
    "timer-ties": (
        "evloop runs timers of one deadline in the order in which they were started; asyncio leaves it open",
        "asyncio's loop is given deadlines that are apart by a millionth of a tick"),
    "error-names": (
        "evloop's errors are numbers, asyncio's are exceptions",
        "InvalidStateError, ValueError and RuntimeError are one word with EALREADY, EPERM, EINVAL, ERANGE, ERUNNING"),
    "call-handles": (
        "call_soon of evloop cannot be taken back; what can be is evl_defer",
        "evloop's world makes its calls with evl_defer, and its timers with one evl_timer each"),
    "off-done-due": (
        "evl_future_off_done takes back callbacks that are due; remove_done_callback cannot",
        "of a future that is done it is not called and 0 is written down"),
    "one-hop": (
        "combinators complete at once with their last input; asyncio's do so one or more passes later",
        "programs with combinators, and scenarios marked so, run until nothing is ready after every step, and of each "
        "step what an entity saw is compared, in its order, not in which pass"),
    "awaiting": (
        "an operation that waits for a future and is cancelled leaves the future alone; a task cancels it",
        "asyncio's world waits with asyncio.wait, which leaves it alone too"),
    "shield-report": (
        "an error of a shielded future counts as looked at when a future made of it has it; asyncio from 3.14 on "
        "reports one that comes after the outer future was cancelled",
        "that report is left out"),
    "gather-cancelled": (
        "a gather that was cancelled is cancelled; asyncio's is failed with a CancelledError",
        "such a future is called cancelled, and programs do not build on gathers in wait(FIRST_EXCEPTION)"),
    "raised-cancel": (
        "an error ECANCELED that is passed on stays one; a task that raises CancelledError is cancelled",
        "in programs both are called cancelled"),
    "gather-cancelled-early": (
        "a cancelled gather completes when all its futures are done; asyncio's, without return_exceptions, with the "
        "first of them",
        "nothing: all end in the same step"),
    "wait-count": (
        "wait_futures counts what is done when its condition holds, asyncio when its task runs again",
        "evloop's world counts when the callback runs; programs leave it out where it may still differ"),
    "own-posts": (
        "posts come in at the beginning of a pass, before what it finds due and after what is ready, or before the next "
        "call_soon or defer; asyncio queues a threadsafe call of the loop's own thread among all that is ready, what "
        "futures and timers have made ready included",
        "posts, calls and deferred operations are one line in both; programs post when nothing is ready, a scenario "
        "compares per entity"),
    "as-completed-twice": (
        "as_completed serves a future that is given twice twice; asyncio once",
        "evloop's world is given it once"),
    "as-completed-done": (
        "as_completed serves futures that are done already in the order of the arguments, asyncio in that of a set; "
        "and futures that end by each other's ending follow each other in other passes (one-hop)",
        "programs use it on futures of their own that are pending"),
    "as-completed-index": (
        "as_completed gives indices, asyncio outcomes", "evloop's world looks at the future of that index"),
    "as-completed-slot": (
        "the i-th future of as_completed is for the i-th that is done, also if one before was cancelled; asyncio gives "
        "what is done to the next one that still waits",
        "programs do not cancel them"),
    "late-cancel": (
        "an operation that was served cannot be cancelled any more (evl_op_cancel answers 0), but closed; a task can, "
        "and hands on when it runs",
        "evloop's world closes the operation; both write the cancellation down at once; what follows is compared as "
        "for one-hop"),
    "late-put": (
        "an item goes in as soon as there is room, and stays there if the operation is closed before it was told; "
        "asyncio's item goes in when the task runs",
        "programs do not cancel a put that has just been given room"),
    "shutdown-order": (
        "a queue that is shut down at once tells its putters, then its joiners, then its getters; asyncio its putters "
        "last",
        "as for one-hop"),
    "hand-over": (
        "evloop gives a lock, a place and an item to who is first in line, at once; asyncio wakes the first, and what "
        "came free can be seen, and in part taken, until that one runs",
        "steps that look at, release, put or take begin when nothing is ready"),
    "condition-cancel": (
        "a condition wait that is cancelled does not take the lock again",
        "asyncio's world releases it when it has been taken again"),
    "condition-spurious": (
        "a condition wait that is cancelled passes on a notification that was meant for it; asyncio loses it before "
        "3.13, and from then on notifies the next even if there was none",
        "one scenario is for older versions, one for newer ones"),
    "barrier-order": (
        "evloop wakes all parties of a barrier in the order of arrival; with asyncio the last does not wait, the "
        "others follow one pass each",
        "as for one-hop"),
    "sleep-hop": (
        "an operation that sleeps is told in the pass in which its time comes; a task runs one pass later",
        "as for one-hop"),
    "executor-hop": (
        "a job's result comes in one pass; asyncio passes it through two futures", "as for one-hop"),
    "kernel-order": (
        "which of two sockets is heard of first is up to the kernel",
        "what every stream, server, child and so on saw is compared, each in its own order"),
    "rest-stays": (
        "what came before an early end, and a line that is too long, stay in the stream; asyncio throws them away",
        "evloop's world looks at them and takes them"),
    "read-nothing": ("a read of no bytes is an error", "evloop's world does not do it"),
    "read-closed": (
        "closing a stream ends a read that is pending with ECLOSED; asyncio lets it wait for the end of the connection",
        "scenarios close when none is pending"),
    "limits": (
        "the most that a read gives includes the separator, and is said to each; a StreamReader's limit does not",
        "evloop's world adds the separator's length"),
    "write-errors": (
        "writing to a connection that is lost is answered with the error; asyncio drops it and says nothing",
        "that answer is left out; drain is compared"),
    "read-on": (
        "after an error of writing what the other side sent before can be read, and its end; asyncio's reader fails",
        "scenarios do not read then"),
    "high-mark": (
        "the high water mark is always said", "evloop's world says what asyncio would take: four times the low one"),
    "closed-at-once": (
        "a handle that was closed is none any more, and its callback is told nothing",
        "evloop's world says that it is closing, and that it is lost"),
    "shutdown-first": (
        "the close that is waited for is evl_stream_shutdown before evl_close, and it waits for the other side's end",
        "the other side ends"),
    "abort-resets": (
        "an abort resets a TCP connection; asyncio's closes it, and the kernel decides",
        "asyncio's world resets it too"),
    "many-watchers": (
        "an fd and a signal may have several watchers; add_reader replaces the one there is",
        "evloop's world closes it first"),
    "socket-calls": (
        "there is no sock_recv and so on, but evl_wait_fd, and the calls are one's own",
        "evloop's world makes them of that and Python's"),
    "exit-status": (
        "a child that a signal ended has the status 128 + signal, and asyncio -signal",
        "the signal's name is compared"),
    "group-error": (
        "a group throws its first error as it was, and the others stand in errors(); asyncio throws all as a group",
        "of asyncio's group the first is compared, and then the others"),
    "cancel-order": (
        "a group cancels the newest first, asyncio's in no order", "what each has noted is compared, in its order"),
    "nothing-left": (
        "a gather that fails cancels the others and waits for their ends; asyncio's leaves them running",
        "asyncio's scenario cancels them and waits"),
    "communicate": (
        "there is no communicate, but streams and tasks or callbacks", "evloop's world makes it of these"),
}

used = collections.Counter()


def differ(name):
    """Says that a difference is being taken into account."""
    if name not in DIFFERENCES:
        raise KeyError(name)
    used[name] += 1


def exact(trace):
    """What is compared by default: everything, in order, each event with its pass."""
    return [f"{group:3}.{number:<3} {entity}: {what}" for group, number, entity, what in trace]


def per_entity(trace):
    """Of each step: what every entity saw, in its order."""
    differ("one-hop")
    return [f"{group:3} {entity}: {what}" for group, _, entity, what in
            sorted(trace, key=lambda event: (event[0], event[2]))]


def each_alone(trace):
    """What everything saw, in its order."""
    differ("kernel-order")
    return [f"{entity}: {what}" for _, _, entity, what in sorted(trace, key=lambda event: event[2])]


def same_cancel(lines):
    differ("raised-cancel")
    return [line.replace("error ECANCELED", "cancelled") for line in lines]
