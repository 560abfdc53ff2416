"""evl.py: libevloop by ctypes, as far as the side-by-side driver needs it."""
import ctypes
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int32, c_int64, c_size_t, c_uint32, c_void_p

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

READ, WRITE = 1, 4
NAME_NUMERIC_HOST, NAME_NUMERIC_SERVICE = 16, 32
ADDRESS_SIZE, ADDRESS_TEXT = 128, 160
STDIO_NULL, STDIO_LIKE, STDIO_PIPE_TO, STDIO_PIPE_FROM = 0, 3, 4, 5
PROCESS_QUIET = 8
AUTO = 2**32 - 1

EPERM, EAGAIN, EBUSY, EINVAL, EPIPE, ERANGE, EDEADLK = -1, -11, -16, -22, -32, -34, -35
EINPROGRESS, EMSGSIZE, EISCONN, ESHUTDOWN, ETIMEDOUT, EALREADY, ECANCELED = -115, -90, -106, -108, -110, -114, -125
ECLOSED, ERUNNING, EBROKEN, EEOF = -1000, -1003, -1005, -1006


class Options(Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("backend", c_char_p), ("clock", c_int32),
                ("poll_interval", c_uint32), ("alloc", c_void_p), ("alloc_ctx", c_void_p), ("name", c_char_p)]


class Buf(Structure):
    _fields_ = [("data", c_char_p), ("len", c_size_t)]


class ServerOptions(Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("backlog", c_int32), ("max_connections", c_uint32),
                ("at_fd_limit", c_int32)]


class StreamInfo(Structure):
    _fields_ = [("struct_size", c_uint32), ("fd", c_int32), ("family", c_int32), ("error", c_int32),
                ("bytes_in", ctypes.c_uint64), ("bytes_out", ctypes.c_uint64), ("queued", ctypes.c_uint64),
                ("unread", ctypes.c_uint64), ("last_in_ns", c_int64), ("last_out_ns", c_int64), ("eof", c_int32),
                ("write_closed", c_int32)]


class Stdio(Structure):
    _fields_ = [("action", c_int32), ("fd", c_int32)]


class ProcessOptions(Structure):
    _fields_ = [("struct_size", c_uint32), ("flags", c_uint32), ("file", c_char_p), ("args", POINTER(c_char_p)),
                ("env", POINTER(c_char_p)), ("cwd", c_char_p), ("stdio", POINTER(Stdio)), ("stdio_count", c_uint32),
                ("group", c_int32), ("uid", c_uint32), ("gid", c_uint32)]


# Argument types, one letter each: p pointer, o pointer to an Op, P where a pointer is stored, f and d callbacks,
# i int32, u uint32, l int64, z size_t, L and U where an int64 and a uint32 are stored, s text; the result after the
# colon: i, l, p, s or v (nothing).
SIGNATURES = """
evl_version_string : s    evl_record_size : i    evl_op_size : i    evl_err_name l : s
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
evl_id p : l    evl_lookup pl : p    evl_op_deadline ol : i    evl_wait_fd poiu : i
evl_io_new piuudpP : i    evl_signal_new pidpP : i    evl_stream_open piuP : i
evl_stream_read popz : i    evl_stream_read_exactly popz : i    evl_stream_read_until popzpi : i
evl_stream_read_line popz : i    evl_stream_read_all popz : i    evl_stream_peek pP : l
evl_stream_consume pz : i    evl_stream_on_data pdp : i    evl_stream_pause p : i    evl_stream_resume p : i
evl_stream_write ppz : l    evl_stream_writev ppi : l    evl_stream_drain po : i    evl_stream_flush po : i
evl_stream_sendfile poilz : i    evl_stream_set_marks puuu : i    evl_stream_queued p : l
evl_stream_write_eof p : i    evl_stream_shutdown po : i    evl_stream_abort p : i    evl_stream_get_info pp : i
evl_stream_local ppz : i    evl_stream_peer ppz : i    evl_connect posspP : i    evl_connect_unix posP : i
evl_server_listen psspP : i    evl_server_listen_unix pspP : i    evl_server_on_connection pdp : i
evl_server_accept pP : i    evl_server_stop p : i    evl_server_close_clients p : i
evl_server_abort_clients p : i    evl_server_on_idle po : i    evl_server_sockets p : i
evl_server_local pipz : i    evl_address_parse supuU : i    evl_address_text pupz : i
evl_udp_open ppuuP : i    evl_udp_connect ppu : i    evl_udp_send ppzpu : l    evl_udp_receive popzpU : i
evl_udp_local ppz : i    evl_getaddrinfo possuP : i    evl_addresses_count p : i    evl_addresses_at piU : p
evl_addresses_free p : v    evl_getnameinfo popuupzpz : i    evl_process_spawn ppdpP : i
evl_process_wait po : i    evl_process_kill pi : i    evl_process_exit_code p : i    evl_process_signal p : i
evl_process_take_fd pu : i
"""
TYPES = {"p": c_void_p, "o": c_void_p, "P": POINTER(c_void_p), "f": FN, "d": DONE_FN, "i": c_int32, "u": c_uint32,
         "l": c_int64, "L": POINTER(c_int64), "U": POINTER(c_uint32), "z": c_size_t, "s": c_char_p, "v": None}


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

    def check(self, rc):
        if rc < 0:
            raise Refused(self.name_of(rc), rc)
        return rc


class Refused(Exception):
    pass


class Callbacks:
    """Python functions as callbacks of C: the argument is a number that stands for the function."""

    def __init__(self):
        self.functions = {}
        self.failure = None
        self.fn, self.done_fn = FN(self._run), DONE_FN(self._run)

    def _run(self, token, *result):
        try:
            self.functions[token](*result)
        except BaseException as error:  # a callback cannot raise through C
            self.failure = self.failure or error

    def token_of(self, function):
        token = len(self.functions) + 1
        self.functions[token] = function
        return token

    def raise_failure(self):
        """Once."""
        failure, self.failure = self.failure, None
        if failure:
            raise failure
