"""evl.py: libevloop by ctypes, as far as the side-by-side driver needs it."""
import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int32, c_int64, c_uint32, c_void_p

FN = CFUNCTYPE(None, c_void_p)
DONE_FN = CFUNCTYPE(None, c_void_p, c_int64)
Op = ctypes.c_uint64 * 16
OP_BYTES, RECORD_BYTES = 128, 32

CLOCK_JUMP = 2
RUN_NOWAIT, RUN_FOREVER = 2, 3
PENDING, _, ERROR, CANCELLED = range(4)
OP_SYNC = 1
WAIT = {"all": 0, "first": 1, "first_error": 2}
QUEUE = {"fifo": 0, "lifo": 1, "priority": 2}
UNBOUNDED = 2**32 - 1

EPERM, EAGAIN, EINVAL, ERANGE, EDEADLK = -1, -11, -22, -34, -35
ESHUTDOWN, ETIMEDOUT, EALREADY, ECANCELED = -108, -110, -114, -125
ECLOSED, ERUNNING, EBROKEN = -1000, -1003, -1005


class Options(Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("backend", c_char_p), ("clock", c_int32),
                ("poll_interval", c_uint32), ("alloc", c_void_p), ("alloc_ctx", c_void_p), ("name", c_char_p)]


# Argument types, one letter each: p pointer, o pointer to an Op, P where a pointer is stored, f and d callbacks,
# i int32, u uint32, l int64, L where an int64 is stored, s size; the result after the colon: i, l, p or v (nothing).
SIGNATURES = """
evl_version_string : s    evl_record_size : i    evl_op_size : i    evl_err_name i : s
evl_loop_new Pp : i    evl_loop_run pi : i    evl_loop_run_until ppL : i    evl_stop pi : i
evl_loop_destroy p : i    evl_loop_prepare ppiL : i    evl_loop_hold p : i    evl_loop_unhold p : i
evl_loop_error p : i    evl_loop_ref p : p    evl_loop_unref p : v    evl_call_soon pfp : i
evl_post pfp : i    evl_defer po : i    evl_now p : l    evl_time p : l    evl_clock_advance pl : i
evl_timer_new pdpP : i    evl_timer_start_in pll : i    evl_close p : i    evl_op_init odpu : i
evl_op_cancel o : i    evl_op_close o : i    evl_sleep pol : i    evl_op_result o : l
evl_future_new pP : i    evl_future_unref p : v    evl_future_resolve pl : i    evl_future_fail pi : i
evl_future_cancel p : i    evl_future_state p : i    evl_future_value pL : i    evl_future_on_done pdp : i
evl_future_off_done pdp : i    evl_future_wait po : i    evl_future_post pl : i    evl_future_op p : p
evl_gather ppuuP : i    evl_wait_futures ppuilP : i    evl_wait_for plP : i    evl_shield pP : i
evl_as_completed ppulp : i    evl_event_new pP : i    evl_event_free p : v    evl_event_wait po : i
evl_event_set p : i    evl_event_clear p : i    evl_event_is_set p : i    evl_lock_new pP : i
evl_lock_free p : v    evl_lock_acquire po : i    evl_lock_release p : i    evl_lock_is_held p : i
evl_semaphore_new puuP : i    evl_semaphore_free p : v    evl_semaphore_acquire po : i
evl_semaphore_release p : i    evl_semaphore_value p : i    evl_condition_new pP : i
evl_condition_free p : v    evl_condition_wait po : i    evl_condition_notify pi : i
evl_barrier_new puP : i    evl_barrier_free p : v    evl_barrier_wait po : i    evl_barrier_reset p : i
evl_barrier_abort p : i    evl_barrier_waiting p : i    evl_barrier_is_broken p : i
evl_queue_new puifP : i    evl_queue_free p : v    evl_queue_put popl : i    evl_queue_get poP : i
evl_queue_try_put ppl : i    evl_queue_try_get pP : i    evl_queue_task_done p : i    evl_queue_join po : i
evl_queue_shutdown pi : i    evl_queue_size p : i    evl_executor_new puupP : i
evl_executor_submit ppofpfu : i    evl_executor_close pil : i
"""
TYPES = {"p": c_void_p, "o": c_void_p, "P": POINTER(c_void_p), "f": FN, "d": DONE_FN, "i": c_int32, "u": c_uint32,
         "l": c_int64, "L": POINTER(c_int64), "s": c_char_p, "v": None}


class Library:
    """Every function of SIGNATURES without its prefix: lib.loop_run(loop, mode)."""

    def __init__(self, path):
        self._library = ctypes.CDLL(path)
        words = SIGNATURES.split()
        while words:
            end = words.index(":")
            name, arguments, result = words[0], "".join(words[1:end]), words[end + 1]
            del words[:end + 2]
            function = getattr(self._library, name)
            function.argtypes = [TYPES[letter] for letter in arguments]
            function.restype = TYPES[result]
            setattr(self, name[len("evl_"):], function)
        sizes = (self.op_size(), self.record_size())
        if sizes != (OP_BYTES, RECORD_BYTES) or ctypes.sizeof(Op) != OP_BYTES:
            raise SystemExit(f"{path}: an operation and a record have {sizes} bytes, not {(OP_BYTES, RECORD_BYTES)}")

    def make(self, function, *arguments):
        """The pointer that a function stores through its last argument."""
        out = c_void_p()
        rc = function(*arguments, byref(out))
        if rc < 0:
            raise Refused(self.name_of(rc), rc)
        return out.value

    def describe(self):
        return f"evloop {self.version_string().decode()}"

    def name_of(self, code):
        return self.err_name(code).decode().removeprefix("EVL_")


class Refused(Exception):
    pass
