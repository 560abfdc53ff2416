// door_test.cpp - every kind of user function, and everything it may do to its loop. The table is a product:
// each of the doors through which evloop calls a program's function, times each of the deeds. Around them
// stands a loop that is busy with everything else at once. Nothing may crash, leak, or run after its loop is
// gone.
#include "world.hpp"

#include <csignal>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

class Rig;

// What a user function is: called with the rig as its argument, in one of the two shapes.
void entered(void *arg);
void entered_done(void *arg, int64_t) { entered(arg); }
void nothing(void *) {}
void nothing_done(void *, int64_t) {}

// A loop that has something of every kind, ready and waiting.
class Rig {
  public:
    explicit Rig(int32_t clock = EVL_CLOCK_JUMP) {
        evl_options options{};
        options.struct_size = sizeof options;
        options.clock = clock;
        options.poll_interval = 1;
        options.alloc = Memory::resize;
        options.alloc_ctx = &memory;
        EXPECT_EQ(evl_loop_new(&loop, &options), 0);
    }
    Rig(const Rig &) = delete;
    ~Rig() {
        destroy();
        for (evl_future *future : futures)
            evl_future_unref(future);
        evl_lock_free(lock);
        evl_queue_free(queue);
        evl_event_free(event);
    }

    // Each of these may come more than once, from any of the functions.
    int32_t destroy() {
        if (gone)
            return EVL_ECLOSED;
        gone = true;
        return evl_loop_destroy(loop);
    }

    evl_op *op(evl_done_fn *fn, void *arg) {
        ops.emplace_back();
        EXPECT_EQ(evl_op_init(&ops.back(), fn, arg, 0), 0);
        return &ops.back();
    }

    evl_future *future() {
        evl_future *f = nullptr;
        EXPECT_EQ(evl_future_new(loop, &f), 0);
        futures.push_back(f);
        return f;
    }

    void surround();

    int32_t step() {
        inside = true;
        int32_t rc = evl_loop_run(loop, EVL_RUN_NOWAIT);
        inside = false;
        return rc;
    }

    // Runs in either sink until the deed is done and what it left is through.
    void drive() {
        for (int i = 0; i < 8 && !gone && !ended; i++) {
            evl_record rows[4];
            if (records() && (ended = evl_loop_records(loop, rows, 4, 0) == EVL_EFORK))
                return;
            int32_t rc = step();
            ended = rc == EVL_EFORK;
            EXPECT_TRUE(rc >= 0 || rc == EVL_EFORK || rc == EVL_ECLOSED || rc == 5 /* a stop's */) << rc;
        }
    }

    Memory memory;
    evl_loop *loop = nullptr;
    bool gone = false;
    bool ended = false;  // a child
    bool inside = false; // a run
    bool may_start = true;
    int calls = 0;
    int late = 0; // functions that ran on a loop that is gone, and are no drops
    std::function<void(Rig &)> deed;
    std::function<void()> close_self = [] {}, free_owner = [] {};
    std::vector<evl_handle *> handles;
    std::deque<evl_op> ops;
    std::vector<evl_future *> futures;
    evl_lock *lock = nullptr;
    evl_queue *queue = nullptr;
    evl_event *event = nullptr;
    Pair pair, other;
    Pipe pipe;
    Fd client;
    evl_waitq waitq;
    char buf[64] = {};
    void *item = nullptr;
};

void entered(void *arg) {
    auto *rig = static_cast<Rig *>(arg);
    if (rig->calls++ == 0)
        rig->deed(*rig);
}

void bystander(void *arg) {
    auto *rig = static_cast<Rig *>(arg);
    rig->late += rig->gone;
}
void bystander_done(void *arg, int64_t) { bystander(arg); }

// Everything else that a loop can be busy with: half of it is ready when the door opens.
void Rig::surround() {
    evl_handle *h = nullptr;
    other.b.put(3);
    EXPECT_EQ(evl_io_new(loop, other.a, EVL_READ, 0, bystander_done, this, &h), 0);
    EXPECT_EQ(evl_set_drop(h, nothing), 0);
    handles.push_back(h);
    EXPECT_EQ(evl_io_new(loop, other.a, EVL_READ | EVL_WRITE, 0, bystander_done, this, &h), 0);
    handles.push_back(h);
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(evl_timer_new(loop, bystander_done, this, &h), 0);
        EXPECT_EQ(evl_timer_start_at(h, i == 0 ? 0 : sec, 0), 0);
        handles.push_back(h);
    }
    EXPECT_EQ(evl_wall_new(loop, bystander_done, this, &h), 0);
    EXPECT_EQ(evl_wall_start_at(h, 1, 0), 0);
    handles.push_back(h);
    EXPECT_EQ(evl_signal_new(loop, SIGUSR2, bystander_done, this, &h), 0);
    handles.push_back(h);
    for (int when = EVL_HOOK_BEFORE_POLL; when <= EVL_HOOK_IDLE; when++) {
        EXPECT_EQ(evl_hook_new(loop, when, bystander, this, &h), 0);
        handles.push_back(h);
    }
    Pair streams;
    EXPECT_EQ(evl_stream_open(loop, streams.a, 0, &h), 0);
    streams.a.release();
    handles.push_back(h);
    EXPECT_EQ(evl_stream_unread(h, "xy", 2), 0); // ready, and with a deadline
    evl_op *read = op(bystander_done, this);
    EXPECT_EQ(evl_stream_read(h, read, buf, 9), 0);
    EXPECT_EQ(evl_op_deadline(read, evl_now(loop) + sec), 0);
    EXPECT_EQ(evl_stream_open(loop, streams.b, 0, &h), 0);
    streams.b.release();
    handles.push_back(h);
    EXPECT_EQ(evl_stream_read(h, op(bystander_done, this), buf + 32, 9), 0);

    EXPECT_EQ(evl_defer(loop, op(bystander_done, this)), 0);
    EXPECT_EQ(evl_sleep(loop, op(bystander_done, this), sec), 0);
    EXPECT_EQ(evl_wait_fd(loop, op(bystander_done, this), pipe.r, EVL_READ), 0);
    EXPECT_EQ(evl_call_soon_owned(loop, bystander, this, nothing), 0);
    EXPECT_EQ(evl_post_owned(loop, bystander, this, nothing), 0);
    EXPECT_EQ(evl_post_owned(loop, nullptr, this, nothing), 0);

    EXPECT_EQ(evl_lock_new(loop, &lock), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(evl_lock_acquire(lock, op(bystander_done, this)), 0);
    EXPECT_EQ(evl_queue_new(loop, 1, EVL_QUEUE_FIFO, nothing, &queue), 0);
    EXPECT_EQ(evl_queue_get(queue, op(bystander_done, this), &item), 0);
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(evl_queue_put(queue, op(bystander_done, this), this, 0), 0);
    EXPECT_EQ(evl_event_new(loop, &event), 0);
    EXPECT_EQ(evl_event_wait(event, op(bystander_done, this)), 0);

    evl_future *first = future(), *second = future(), *third = future(), *f = nullptr;
    EXPECT_EQ(evl_future_on_done(first, bystander_done, this), 0);
    EXPECT_EQ(evl_future_then(second, bystander_done, nullptr, this, &f), 0);
    futures.push_back(f);
    evl_future *both[] = {first, third};
    EXPECT_EQ(evl_gather(loop, both, 2, 0, &f), 0);
    futures.push_back(f);
    EXPECT_EQ(evl_future_wait(third, evl_future_op(future())), 0);
    EXPECT_EQ(evl_sleep(loop, evl_future_op(future()), sec), 0);
    EXPECT_EQ(evl_future_resolve(first, 1), 0);
    EXPECT_EQ(evl_future_resolve(second, 2), 0);
}

// --- deeds
// ------------------------------------------------------------------------------------------------------

struct Deed {
    const char *name;
    std::function<void(Rig &)> act;
};

void start_something(Rig &r) {
    int32_t refused = r.gone ? EVL_ECLOSED : 0;
    EXPECT_EQ(evl_call_soon(r.loop, bystander, &r), refused);
    EXPECT_EQ(evl_defer(r.loop, r.op(bystander_done, &r)), refused);
    EXPECT_EQ(evl_post(r.loop, bystander, &r), refused);
    evl_timer *timer = nullptr;
    EXPECT_EQ(evl_timer_new(r.loop, bystander_done, &r, &timer), refused);
    if (timer) {
        EXPECT_EQ(evl_timer_start_at(timer, 0, 0), 0);
        r.handles.push_back(timer);
    }
    evl_future *f = nullptr;
    EXPECT_EQ(evl_future_new(r.loop, &f), refused);
    if (f) {
        r.futures.push_back(f);
        EXPECT_EQ(evl_sleep(r.loop, evl_future_op(f), 0), 0);
        EXPECT_EQ(evl_future_fail(f, EVL_EIO), 0);
    }
}

void close_others(Rig &r) {
    for (evl_handle *h : r.handles)
        EXPECT_EQ(evl_close(h), 0);
    r.handles.clear();
}

void end_all(Rig &r) {
    for (evl_op &op : r.ops)
        EXPECT_EQ(evl_op_close(&op), 0);
    evl_queue_free(std::exchange(r.queue, nullptr));
    evl_lock_free(std::exchange(r.lock, nullptr));
    evl_event_free(std::exchange(r.event, nullptr));
    for (evl_future *f : std::exchange(r.futures, {})) {
        (void)evl_future_cancel(f);
        evl_future_unref(f);
    }
}

// What a child does is its own; the parent goes on as if nothing had been.
void fork_a_child(Rig &r, const std::function<void(Rig &)> &in_child) {
    pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
        in_child(r);
        _exit(testing::Test::HasFailure() ? 1 : 0);
    }
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
}

// A child that leaves its loop alone and returns from the function: what was ready in this pass may still
// run, and then the run is over.
void fork_and_return(Rig &r) {
    pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
        r.ended = true;
        return;
    }
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
}

const Deed deeds[] = {
    {"nothing", [](Rig &) {}},
    {"closes itself", [](Rig &r) { r.close_self(); }},
    {"closes all other handles", close_others},
    {"closes its loop",
     [](Rig &r) {
         int32_t rc = evl_loop_close(r.loop);
         EXPECT_TRUE(rc == EVL_ERUNNING || rc == EVL_EBUSY || (r.gone && rc == EVL_ECLOSED)) << rc;
     }},
    {"destroys its loop",
     [](Rig &r) {
         const int32_t expected = r.gone ? EVL_ECLOSED : 0;
         EXPECT_EQ(r.destroy(), expected);
     }},
    {"destroys its loop twice",
     [](Rig &r) {
         (void)evl_loop_ref(r.loop);
         (void)r.destroy();
         EXPECT_EQ(evl_loop_destroy(r.loop), EVL_ECLOSED);
         EXPECT_EQ(evl_loop_close(r.loop), EVL_ECLOSED);
         evl_loop_unref(r.loop);
     }},
    {"frees what it belongs to", [](Rig &r) { r.free_owner(); }},
    {"ends everything that waits", end_all},
    {"starts new work", start_something},
    {"closes itself, and all others, and starts new work",
     [](Rig &r) {
         r.close_self();
         close_others(r);
         end_all(r);
         start_something(r);
     }},
    {"destroys its loop and starts new work",
     [](Rig &r) {
         (void)evl_loop_ref(r.loop);
         (void)r.destroy();
         end_all(r);
         start_something(r);
         evl_loop_unref(r.loop);
     }},
    {"stops", [](Rig &r) { EXPECT_EQ(evl_stop(r.loop, 5), 0); }},
    {"forks, and the child exits", [](Rig &r) { fork_a_child(r, [](Rig &) {}); }},
    {"forks, and the child destroys the loop",
     [](Rig &r) { fork_a_child(r, [](Rig &c) { (void)c.destroy(); }); }},
    {"forks, and the child repairs the loop",
     [](Rig &r) {
         fork_a_child(r, [](Rig &c) {
             if (c.gone)
                 return;
             EXPECT_EQ(evl_loop_fork(c.loop), 0);
             start_something(c);
             close_others(c);
             (void)c.destroy();
         });
     }},
    {"forks, and the child returns", fork_and_return},
    {"runs the loop",
     [](Rig &r) {
         int32_t rc = evl_loop_run(r.loop, EVL_RUN_NOWAIT);
         EXPECT_TRUE(rc == EVL_ERUNNING || (!r.inside && rc >= 0) || (r.gone && rc == EVL_ECLOSED)) << rc;
     }},
    {"gives up the last reference",
     [](Rig &r) {
         (void)evl_loop_ref(r.loop);
         (void)r.destroy();
         evl_loop_unref(r.loop);
     }},
};

// --- doors
// ------------------------------------------------------------------------------------------------------

struct Door {
    const char *name;
    std::function<void(Rig &)> open; // makes the function due, or calls it
    int32_t clock = EVL_CLOCK_JUMP;
};

template <class Make>
void handle_door(Rig &r, Make make) {
    evl_handle *h = nullptr;
    EXPECT_EQ(make(&h), 0);
    r.close_self = [h] { EXPECT_EQ(evl_close(h), 0); };
    r.free_owner = r.close_self;
}

evl_future *door_future(Rig &r) {
    evl_future *f = nullptr;
    EXPECT_EQ(evl_future_new(r.loop, &f), 0);
    return f;
}

const Door doors[] = {
    {"watcher",
     [](Rig &r) {
         r.pair.b.put();
         handle_door(r, [&](evl_handle **h) {
             return evl_io_new(r.loop, r.pair.a, EVL_READ, 0, entered_done, &r, h);
         });
     }},
    {"timer",
     [](Rig &r) {
         handle_door(r, [&](evl_handle **h) {
             int32_t rc = evl_timer_new(r.loop, entered_done, &r, h);
             return rc != 0 ? rc : evl_timer_start_at(*h, 0, 1);
         });
     }},
    {"wall-clock timer",
     [](Rig &r) {
         handle_door(r, [&](evl_handle **h) {
             int32_t rc = evl_wall_new(r.loop, entered_done, &r, h);
             return rc != 0 ? rc : evl_wall_start_at(*h, -1, 0);
         });
     }},
    {"signal",
     [](Rig &r) {
         handle_door(r, [&](evl_handle **h) { return evl_signal_new(r.loop, SIGUSR1, entered_done, &r, h); });
         EXPECT_EQ(raise(SIGUSR1), 0);
     }},
    {"hook before a poll",
     [](Rig &r) {
         handle_door(
             r, [&](evl_handle **h) { return evl_hook_new(r.loop, EVL_HOOK_BEFORE_POLL, entered, &r, h); });
     }},
    {"hook after a poll",
     [](Rig &r) {
         handle_door(
             r, [&](evl_handle **h) { return evl_hook_new(r.loop, EVL_HOOK_AFTER_POLL, entered, &r, h); });
     }},
    {"stream, pushed",
     [](Rig &r) {
         r.pair.b.put(5);
         handle_door(r, [&](evl_handle **h) {
             int32_t rc = evl_stream_open(r.loop, r.pair.a, 0, h);
             r.pair.a.release();
             return rc != 0 ? rc : evl_stream_on_data(*h, entered_done, &r);
         });
     }},
    {"stream, at its end",
     [](Rig &r) {
         r.pair.b.close();
         handle_door(r, [&](evl_handle **h) {
             int32_t rc = evl_stream_open(r.loop, r.pair.a, 0, h);
             r.pair.a.release();
             return rc != 0 ? rc : evl_stream_on_data(*h, entered_done, &r);
         });
     }},
    {"release of a written buffer",
     [](Rig &r) {
         handle_door(r, [&](evl_handle **h) {
             int32_t rc = evl_stream_open(r.loop, r.pair.a, 0, h);
             r.pair.a.release();
             EXPECT_GE(evl_stream_write_ref(*h, r.buf, sizeof r.buf, entered, &r), 0);
             return rc;
         });
     }},
    {"server",
     [](Rig &r) {
         sockaddr_in any{}, there{};
         any.sin_family = AF_INET;
         any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
         handle_door(r, [&](evl_handle **h) {
             int32_t rc = evl_server_listen_on(r.loop, &any, sizeof any, nullptr, h);
             if (rc == 0)
                 rc = evl_server_on_connection(*h, entered_done, &r);
             EXPECT_GE(evl_server_local(*h, 0, &there, sizeof there), 0);
             return rc;
         });
         r.client = Fd(socket(AF_INET, SOCK_STREAM, 0));
         EXPECT_EQ(connect(r.client, reinterpret_cast<sockaddr *>(&there), sizeof there), 0);
     }},
    {"datagrams",
     [](Rig &r) {
         sockaddr_in any{}, there{};
         any.sin_family = AF_INET;
         any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
         handle_door(r, [&](evl_handle **h) {
             int32_t rc = evl_udp_open(r.loop, &any, sizeof any, 0, h);
             if (rc == 0)
                 rc = evl_udp_on_data(*h, entered_done, &r);
             EXPECT_GE(evl_udp_local(*h, &there, sizeof there), 0);
             return rc;
         });
         Fd client(socket(AF_INET, SOCK_DGRAM, 0));
         EXPECT_EQ(sendto(client, "x", 1, 0, reinterpret_cast<sockaddr *>(&there), sizeof there), 1);
     }},
    {"child process",
     [](Rig &r) {
         evl_process_options options{};
         options.struct_size = sizeof options;
         options.file = "/bin/true";
         handle_door(
             r, [&](evl_handle **h) { return evl_process_spawn(r.loop, &options, entered_done, &r, h); });
         until([&] {
             int32_t rc = r.step();
             return r.calls != 0 || rc < 0;
         });
     },
     EVL_CLOCK_REAL},
    {"watched path",
     [](Rig &r) {
         std::string path = "/tmp/evloop.door." + std::to_string(getpid());
         Fd file(open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
         handle_door(r,
                     [&](evl_handle **h) { return evl_path_new(r.loop, path.c_str(), entered_done, &r, h); });
         EXPECT_EQ(unlink(path.c_str()), 0);
     }},
    {"look-up",
     [](Rig &r) {
         static evl_addresses *found;
         found = nullptr;
         evl_op *op = r.op(entered_done, &r);
         EXPECT_EQ(evl_getaddrinfo(r.loop, op, "127.0.0.1", "80", 0, &found), 0);
         until([&] {
             int32_t rc = r.step();
             return r.calls != 0 || rc < 0;
         });
         evl_addresses_free(found);
     }},
    {"job's operation",
     [](Rig &r) {
         evl_op *op = r.op(entered_done, &r);
         EXPECT_EQ(evl_executor_submit(nullptr, r.loop, op, nothing, nullptr, nothing, 0), 0);
         until([&] {
             int32_t rc = r.step();
             return r.calls != 0 || rc < 0;
         });
     },
     EVL_CLOCK_REAL},
    {"operation",
     [](Rig &r) {
         evl_op *op = r.op(entered_done, &r);
         EXPECT_EQ(evl_defer(r.loop, op), 0);
         r.close_self = r.free_owner = [op] { EXPECT_EQ(evl_op_close(op), 0); };
     }},
    {"operation on a stream",
     [](Rig &r) {
         handle_door(r, [&](evl_handle **h) {
             int32_t rc = evl_stream_open(r.loop, r.pair.a, 0, h);
             r.pair.a.release();
             evl_op *op = r.op(entered_done, &r);
             if (rc == 0)
                 rc = evl_stream_read(*h, op, r.buf, 4);
             if (rc == 0)
                 rc = evl_op_deadline(op, evl_now(r.loop) + sec);
             r.pair.b.put();
             return rc;
         });
     }},
    {"operation on a lock",
     [](Rig &r) {
         EXPECT_EQ(evl_lock_acquire(r.lock, r.op(entered_done, &r)), 0);
         for (int i = 0; i < 4; i++)
             (void)evl_lock_release(r.lock);
         r.free_owner = [&r] { evl_lock_free(std::exchange(r.lock, nullptr)); };
     }},
    {"done callback",
     [](Rig &r) {
         evl_future *f = door_future(r);
         EXPECT_EQ(evl_future_on_done(f, entered_done, &r), 0);
         EXPECT_EQ(evl_future_on_done(f, bystander_done, &r), 0);
         EXPECT_EQ(evl_future_resolve(f, 1), 0);
         evl_future_unref(f); // the callback has the last reference
     }},
    {"then, on a value",
     [](Rig &r) {
         evl_future *f = door_future(r), *out = nullptr;
         EXPECT_EQ(evl_future_then(f, entered_done, nullptr, &r, &out), 0);
         EXPECT_EQ(evl_future_resolve(f, 1), 0);
         evl_future_unref(f);
         evl_future_unref(out);
     }},
    {"then, on an error",
     [](Rig &r) {
         evl_future *f = door_future(r), *out = nullptr;
         EXPECT_EQ(evl_future_then(f, nullptr, entered_done, &r, &out), 0);
         EXPECT_EQ(evl_future_fail(f, EVL_EIO), 0);
         evl_future_unref(f);
         r.futures.push_back(out);
     }},
    {"drop of a future's value",
     [](Rig &r) {
         evl_future *f = door_future(r);
         EXPECT_EQ(evl_future_resolve_owned(f, &r, entered), 0);
         evl_future_unref(f);
     }},
    {"drop of a value that came too late",
     [](Rig &r) {
         evl_future *f = door_future(r);
         EXPECT_EQ(evl_future_post_owned(f, &r, entered), 0);
         EXPECT_EQ(evl_future_resolve(f, 1), 0);
         evl_future_unref(f);
     }},
    {"drop of a handle",
     [](Rig &r) {
         evl_timer *timer = nullptr;
         EXPECT_EQ(evl_timer_new(r.loop, nothing_done, &r, &timer), 0);
         EXPECT_EQ(evl_set_drop(timer, entered), 0);
         EXPECT_EQ(evl_close(timer), 0);
     }},
    {"deferred call", [](Rig &r) { EXPECT_EQ(evl_call_soon(r.loop, entered, &r), 0); }},
    {"drop of a deferred call",
     [](Rig &r) { EXPECT_EQ(evl_call_soon_owned(r.loop, nothing, &r, entered), 0); }},
    {"post",
     [](Rig &r) {
         EXPECT_EQ(evl_post_owned(r.loop, entered, &r, nothing), 0);
         EXPECT_EQ(evl_post_owned(r.loop, bystander, &r, nothing), 0);
     }},
    {"drop of a post",
     [](Rig &r) {
         EXPECT_EQ(evl_post_owned(r.loop, nothing, &r, entered), 0);
         EXPECT_EQ(evl_post_owned(r.loop, bystander, &r, nothing), 0);
     }},
    {"drop of a job that returned to nobody",
     [](Rig &r) {
         evl_op *op = r.op(nothing_done, &r);
         EXPECT_EQ(evl_executor_submit(nullptr, r.loop, op, nothing, &r, entered, 0), 0);
         EXPECT_EQ(evl_loop_hold(r.loop), 0);
         EXPECT_EQ(evl_op_close(op), 0);
         until([&] {
             int32_t rc = r.step();
             return r.calls != 0 || rc < 0;
         });
         EXPECT_EQ(evl_loop_unhold(r.loop), 0);
     },
     EVL_CLOCK_REAL},
    {"error hook, of a future",
     [](Rig &r) {
         EXPECT_EQ(evl_set_error_hook(r.loop, entered_done, &r), 0);
         evl_future *f = door_future(r);
         EXPECT_EQ(evl_future_fail(f, EVL_EIO), 0);
         evl_future_unref(f);
         EXPECT_EQ(r.calls, 0); // from the loop, never inside a call
     }},
    {"error hook, of a report",
     [](Rig &r) {
         EXPECT_EQ(evl_set_error_hook(r.loop, entered_done, &r), 0);
         EXPECT_EQ(evl_loop_report(r.loop, EVL_EIO), 0);
     }},
    {"hook of slow callbacks",
     [](Rig &r) {
         EXPECT_EQ(evl_set_slow_callback(r.loop, 0, entered_done, &r), 0);
         EXPECT_EQ(evl_call_soon(r.loop, nothing, &r), 0);
     }},
    {"hook of slow callbacks, in a batch of posts",
     [](Rig &r) {
         EXPECT_EQ(evl_set_slow_callback(r.loop, 0, entered_done, &r), 0);
         EXPECT_EQ(evl_post(r.loop, nothing, &r), 0);
         EXPECT_EQ(evl_post(r.loop, bystander, &r), 0);
     }},
    {"refusal of a wake",
     [](Rig &r) {
         evl_waitq &q = r.waitq;
         EXPECT_EQ(evl_waitq_init(&q, r.loop, entered_done, &r), 0);
         evl_op *op = r.op(nothing_done, &r);
         EXPECT_EQ(evl_waitq_park(&q, op), 0);
         EXPECT_EQ(evl_op_deadline(op, evl_now(r.loop) + sec), 0);
         EXPECT_EQ(evl_waitq_wake(&q, 1, 3), 1);
         r.close_self = r.free_owner = [op] { EXPECT_EQ(evl_op_close(op), 0); };
         EXPECT_EQ(evl_op_close(op), 0);
     }},
    {"drop of a queue's items, shut down",
     [](Rig &r) {
         evl_queue *q = nullptr;
         EXPECT_EQ(evl_queue_new(r.loop, 0, EVL_QUEUE_PRIORITY, entered, &q), 0);
         for (int i = 0; i < 3; i++)
             EXPECT_EQ(evl_queue_try_put(q, &r, i), 0);
         auto freed = std::make_shared<bool>(false);
         r.free_owner = [q, freed] {
             *freed = true;
             evl_queue_free(q);
         };
         EXPECT_EQ(evl_queue_shutdown(q, 1), 0);
         EXPECT_EQ(r.calls, 3);
         if (!*freed)
             evl_queue_free(q);
     }},
    {"drop of a queue's items, freed",
     [](Rig &r) {
         evl_queue *q = nullptr;
         EXPECT_EQ(evl_queue_new(r.loop, 2, EVL_QUEUE_LIFO, entered, &q), 0);
         EXPECT_EQ(evl_queue_join(q, r.op(nothing_done, &r)), 0);
         for (int i = 0; i < 2; i++)
             EXPECT_EQ(evl_queue_try_put(q, &r, i), 0);
         EXPECT_EQ(evl_queue_put(q, r.op(nothing_done, &r), &r, 0), 0);
         evl_queue_free(q);
         EXPECT_EQ(r.calls, 2);
     }},
    {"drop at the end of the loop",
     [](Rig &r) {
         EXPECT_EQ(evl_call_soon_owned(r.loop, bystander, &r, entered), 0);
         EXPECT_EQ(r.destroy(), 0);
         EXPECT_EQ(r.calls, 1);
     }},
    {"drop of a post at the end of the loop",
     [](Rig &r) {
         for (int i = 0; i < 2; i++)
             EXPECT_EQ(evl_post_owned(r.loop, bystander, &r, entered), 0);
         EXPECT_EQ(r.destroy(), 0);
         EXPECT_EQ(r.calls, 2);
     }},
    {"drop of a future's value at the end of the loop",
     [](Rig &r) {
         evl_future *f = door_future(r);
         EXPECT_EQ(evl_future_resolve_owned(f, &r, entered), 0);
         evl_future_unref(f);
         EXPECT_EQ(r.destroy(), 0);
         EXPECT_EQ(r.calls, 1);
     }},
    {"drop of a future's value behind the end of the loop",
     [](Rig &r) {
         evl_future *f = door_future(r);
         EXPECT_EQ(evl_future_resolve_owned(f, &r, entered), 0);
         (void)evl_loop_ref(r.loop);
         EXPECT_EQ(r.destroy(), 0);
         evl_future_unref(f);
         EXPECT_EQ(r.calls, 1);
         evl_loop_unref(r.loop);
     }},
};

void pass_through(const Door &door, const Deed &deed) {
    Rig r(door.clock);
    r.surround();
    r.deed = deed.act;
    pid_t before = getpid();
    (void)evl_loop_ref(r.loop); // for what a door asks after its function has destroyed the loop
    door.open(r);
    r.drive();
    if (getpid() != before) { // a child that came back: its run has ended
        int bad = r.late + (r.calls == 0) + testing::Test::HasFailure();
        _exit(bad != 0);
    }
    EXPECT_GE(r.calls, 1);
    EXPECT_EQ(r.late, 0);
    evl_loop_unref(r.loop);
}

class Doors : public testing::TestWithParam<size_t> {};

TEST_P(Doors, LetEveryDeedThrough) {
    const Door &door = doors[GetParam()];
    SCOPED_TRACE(door.name);
    int passed = 0;
    for (const Deed &deed : deeds) {
        SCOPED_TRACE(deed.name);
        pass_through(door, deed);
        passed++;
    }
    EXPECT_EQ(passed, 18);
}

INSTANTIATE_TEST_SUITE_P(All, Doors, testing::Range(size_t{0}, std::size(doors)),
                         [](const testing::TestParamInfo<size_t> &info) {
                             std::string name = doors[info.param].name;
                             std::erase_if(name, [](char c) { return !isalnum(c); });
                             return name;
                         });

// What was handed to an operation goes on when it is closed, which is over by then; where the loop goes down
// there is nobody to have it.
TEST(Refusals, ComeWhenTheOperationIsOverAndNotFromTheEndOfTheLoop) {
    for (bool destroys : {false, true}) {
        Rig r;
        evl_op *op = r.op(nothing_done, nullptr);
        int32_t active = -1;
        r.deed = [&](Rig &) { active = evl_op_active(op); };
        EXPECT_EQ(evl_waitq_init(&r.waitq, r.loop, entered_done, &r), 0);
        EXPECT_EQ(evl_waitq_park(&r.waitq, op), 0);
        EXPECT_EQ(evl_waitq_wake(&r.waitq, 1, 3), 1);
        EXPECT_EQ(destroys ? r.destroy() : evl_op_close(op), 0);
        EXPECT_EQ(r.calls, destroys ? 0 : 1);
        EXPECT_EQ(active, destroys ? -1 : 0);
        EXPECT_EQ(evl_op_active(op), 0);
        EXPECT_EQ(evl_op_close(op), 0);
    }
}

} // namespace
