"""evloop-gdb.py - for gdb: the tasks of a C++ program, each with the chain of coroutines that it is in.

    (gdb) source tools/evloop-gdb.py
    (gdb) evloop-tasks              the tasks of every scope
    (gdb) evloop-chain job          one task: a spawned<T>, an any_task, or a task_state pointer

It only reads memory, so that it works on a core dump, too, where `call evloop_dump_tasks()` does not. The program needs debug
information (-g)."""
import os

import gdb

SPACES = ("evloop::v0::detail::", "evloop::v0_noexcept::detail::")


def is_null(pointer):
    return int(pointer) == 0


def text(pointer):
    return "" if is_null(pointer) else pointer.string(errors="replace")


def place(where):
    """A std::source_location as file:line; "" where there is none."""
    impl = where["_M_impl"] if "_M_impl" in [field.name for field in where.type.fields()] else where["__ptr_"]
    if is_null(impl):
        return ""
    fields = {field.name.strip("_"): field.name for field in impl.dereference().type.fields()}
    file = text(impl[fields.get("M_file_name", fields.get("file_name"))])
    line = int(impl[fields.get("M_line", fields.get("line"))])
    return f"{os.path.basename(file)}:{line}" if line else ""


def at(where):
    return f", {where}" if where else ""


def state_of(task):
    if str(task["end"]).rsplit("::", 1)[-1] != "none":
        return "ended"
    if not task["started"]:
        return "not started"
    if is_null(task["waiting"]):
        return "running" if task["running"] else "ready"
    return f'waits: {text(task["waiting"]["kind"]["name"])}'


def print_chain(task, indent=""):
    """From the spawn down to where it waits."""
    name = text(task["name"])
    head = f'task {int(task["id"])}' + (f" '{name}'" if name else "")
    requests = int(task["requests"])
    if requests:
        head += f", cancelled {requests} times"
    print(f'{indent}{head}, spawned{at(place(task["where"]))}')
    frames = []
    frame = task["leaf"]
    while not is_null(frame):
        frames.append(place(frame["where"]))
        frame = frame["caller"]
    while len(frames) > 1:
        print(f"{indent}  calls{at(frames.pop())}")
    print(f'{indent}  {state_of(task)}{at(frames[0]) if frames else ""}')


def homes():
    for space in SPACES:
        symbol = gdb.lookup_static_symbol(space + "all_homes::first_") or \
            gdb.lookup_global_symbol(space + "all_homes::first_")
        if symbol:
            home = symbol.value()
        else:
            try:
                home = gdb.parse_and_eval(f"'{space}all_homes::first_'")
            except gdb.error:
                continue
        while not is_null(home):
            yield home.dereference()
            home = home["after"]


def task_of(value):
    """The task_state of what the user names."""
    value = value.referenced_value() if value.type.code == gdb.TYPE_CODE_REF else value
    if value.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
        return value
    return value["state_"]["state_"]


class Tasks(gdb.Command):
    """Prints the tasks of every scope, with what each waits for and where."""

    def __init__(self):
        super().__init__("evloop-tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for home in homes():
            print(f'loop {home["loop"]}:')
            task = home["first"]
            while not is_null(task):
                print_chain(task.dereference(), "  ")
                task = task["after"]


class Chain(gdb.Command):
    """Prints one task: a spawned<T>, an any_task, or a pointer to a task_state."""

    def __init__(self):
        super().__init__("evloop-chain", gdb.COMMAND_STACK, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        task = task_of(gdb.parse_and_eval(argument))
        if is_null(task):
            print("no task")
        else:
            print_chain(task.dereference())


Tasks()
Chain()
