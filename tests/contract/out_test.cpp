// out_test.cpp - what a function makes is stored where the caller says, or NULL when it fails: so that a
// clean-up may close it in either case. headers.outs sees to it that every such function has a row here.
#include "world.hpp"

#include <csignal>
#include <netinet/in.h>
#include <sys/socket.h>

using namespace support;

namespace {

const char *const localhost = "127.0.0.1";

// What the rows use, made before.
struct Stage {
    World w;
    evl_future *future = nullptr;
    evl_server *server = nullptr;
    evl_op op;
    evl_lock *lock = nullptr;
    Pair pair;
    sockaddr_in local{};
    evl_fd none = -1;
    Stage() {
        EXPECT_EQ(evl_future_new(w.loop, &future), 0);
        EXPECT_EQ(evl_server_listen(w.loop, localhost, "0", nullptr, &server), 0);
        EXPECT_EQ(evl_lock_new(w.loop, &lock), 0);
        fill_timers();
        EXPECT_EQ(evl_op_init(&op, [](void *, int64_t) {}, nullptr, 0), 0);
        local.sin_family = AF_INET;
        local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    // Up to the end of a chunk of 64, so that one more has to allocate.
    void fill_timers() {
        evl_timer *timer = nullptr;
        do
            ASSERT_EQ(evl_timer_new(w.loop, nullptr, nullptr, &timer), 0);
        while (evl_id(timer) % 64 != 63);
    }
    ~Stage() {
        evl_lock_free(lock);
        evl_future_unref(future);
    }
};

// Calls the function so that it would succeed, but for the loop, or the object that stands for it, which may
// be NULL.
template <class T>
struct Row {
    const char *name;
    std::function<int32_t(Stage &, bool none, T **out)> call;
    void (*end)(T *made);
};

// With no loop at all, and with each allocation of the call failing in turn.
template <class T>
void fails(const Row<T> &row) {
    SCOPED_TRACE(row.name);
    T *const garbage = reinterpret_cast<T *>(uintptr_t{0xdead});
    T *out = garbage;
    {
        Stage s;
        EXPECT_LT(row.call(s, true, &out), 0);
        EXPECT_EQ(out, nullptr);
    }
    for (uint64_t nth = 1; nth < 40; nth++) {
        Stage s;
        out = garbage;
        s.w.memory.fail(nth);
        int32_t rc = row.call(s, false, &out);
        bool failed = s.w.memory.failed();
        s.w.memory.fail(0);
        EXPECT_NE(out, garbage);
        if (rc < 0)
            EXPECT_EQ(out, nullptr);
        else if (out && row.end)
            row.end(out);
        evl_op_close(&s.op);
        if (!failed)
            return;
    }
    FAIL() << "allocates without end";
}

#define LOOP   (none ? nullptr : s.w.loop)
#define FUTURE (none ? nullptr : s.future)
#define CALL(T, ...)                                                                                         \
    [](Stage &s, [[maybe_unused]] bool none, T **out) -> int32_t {                                           \
        (void)s;                                                                                             \
        return __VA_ARGS__;                                                                                  \
    }

void closed(evl_handle *handle) { evl_close(handle); }
void done(void *, int64_t) {}
void plain(void *) {}

TEST(Out, IsNullWhenNoHandleWasMade) {
    const Row<evl_handle> rows[] = {
        {"evl_io_new", CALL(evl_handle, evl_io_new(LOOP, s.pair.a, EVL_READ, 0, done, nullptr, out)), closed},
        {"evl_timer_new", CALL(evl_handle, evl_timer_new(LOOP, done, nullptr, out)), closed},
        {"evl_wall_new", CALL(evl_handle, evl_wall_new(LOOP, done, nullptr, out)), closed},
        {"evl_async_new", CALL(evl_handle, evl_async_new(LOOP, done, nullptr, out)), closed},
        {"evl_signal_new", CALL(evl_handle, evl_signal_new(LOOP, SIGUSR1, done, nullptr, out)), closed},
        {"evl_hook_new", CALL(evl_handle, evl_hook_new(LOOP, EVL_HOOK_IDLE, plain, nullptr, out)), closed},
        {"evl_path_new", CALL(evl_handle, evl_path_new(LOOP, "/tmp", done, nullptr, out)), closed},
        {"evl_process_spawn", CALL(evl_handle, evl_process_spawn(LOOP, nullptr, done, nullptr, out)), closed},
        {"evl_stream_open", CALL(evl_handle, evl_stream_open(LOOP, s.pair.a, EVL_STREAM_KEEP_FD, out)),
         closed},
        {"evl_stream_open_on", CALL(evl_handle, evl_stream_open_on(LOOP, s.pair.a, nullptr, nullptr, out)),
         closed},
        {"evl_stream_open_over",
         CALL(evl_handle, evl_stream_open_over(none ? nullptr : s.server, nullptr, nullptr, out)), closed},
        {"evl_udp_open", CALL(evl_handle, evl_udp_open(LOOP, &s.local, sizeof(sockaddr_in), 0, out)), closed},
        {"evl_udp_open_fd", CALL(evl_handle, evl_udp_open_fd(LOOP, -1, 0, out)), closed},
        {"evl_server_listen", CALL(evl_handle, evl_server_listen(LOOP, localhost, "0", nullptr, out)),
         closed},
        {"evl_server_listen_any", CALL(evl_handle, evl_server_listen_any(LOOP, nullptr, nullptr, out)),
         closed},
        {"evl_server_listen_on",
         CALL(evl_handle, evl_server_listen_on(LOOP, &s.local, sizeof(sockaddr_in), nullptr, out)), closed},
        {"evl_server_listen_unix", CALL(evl_handle, evl_server_listen_unix(LOOP, "/no/where", nullptr, out)),
         closed},
        {"evl_server_listen_fds", CALL(evl_handle, evl_server_listen_fds(LOOP, &s.none, 1, nullptr, out)),
         closed},
        {"evl_server_accept", CALL(evl_handle, evl_server_accept(none ? nullptr : s.server, out)), closed},
        {"evl_server_accept_op",
         CALL(evl_handle, evl_server_accept_op(none ? nullptr : s.server, &s.op, out)), closed},
        {"evl_connect", CALL(evl_handle, evl_connect(LOOP, &s.op, localhost, "9", nullptr, out)), closed},
        {"evl_connect_to",
         CALL(evl_handle, evl_connect_to(LOOP, &s.op, &s.local, sizeof(sockaddr_in), nullptr, out)), closed},
        {"evl_connect_any", CALL(evl_handle, evl_connect_any(LOOP, &s.op, nullptr, nullptr, out)), closed},
        {"evl_connect_unix", CALL(evl_handle, evl_connect_unix(LOOP, &s.op, "/no/where", out)), closed},
    };
    for (auto &row : rows)
        fails(row);
}

TEST(Out, IsNullWhenNoFutureWasMade) {
    const Row<evl_future> rows[] = {
        {"evl_future_new", CALL(evl_future, evl_future_new(LOOP, out)), evl_future_unref},
        {"evl_future_then", CALL(evl_future, evl_future_then(FUTURE, done, done, nullptr, out)),
         evl_future_unref},
        {"evl_future_across", CALL(evl_future, evl_future_across(LOOP, s.future, out)), evl_future_unref},
        {"evl_shield", CALL(evl_future, evl_shield(FUTURE, out)), evl_future_unref},
        {"evl_wait_for", CALL(evl_future, evl_wait_for(FUTURE, sec, out)), evl_future_unref},
        {"evl_gather", CALL(evl_future, evl_gather(LOOP, &s.future, 1, 0, out)), evl_future_unref},
        {"evl_wait_futures", CALL(evl_future, evl_wait_futures(LOOP, &s.future, 1, EVL_WAIT_ALL, sec, out)),
         evl_future_unref},
        {"evl_any", CALL(evl_future, evl_any(LOOP, &s.future, 1, out)), evl_future_unref},
        {"evl_as_completed", CALL(evl_future, evl_as_completed(LOOP, &s.future, 1, sec, out)),
         evl_future_unref},
    };
    for (auto &row : rows)
        fails(row);
}

TEST(Out, IsNullWhenNothingElseWasMade) {
    fails(Row<evl_event>{"evl_event_new", CALL(evl_event, evl_event_new(LOOP, out)), evl_event_free});
    fails(Row<evl_lock>{"evl_lock_new", CALL(evl_lock, evl_lock_new(LOOP, out)), evl_lock_free});
    fails(Row<evl_semaphore>{"evl_semaphore_new", CALL(evl_semaphore, evl_semaphore_new(LOOP, 1, 0, out)),
                             evl_semaphore_free});
    fails(Row<evl_condition>{"evl_condition_new",
                             CALL(evl_condition, evl_condition_new(none ? nullptr : s.lock, out)),
                             evl_condition_free});
    fails(Row<evl_barrier>{"evl_barrier_new", CALL(evl_barrier, evl_barrier_new(LOOP, 2, out)),
                           evl_barrier_free});
    fails(Row<evl_queue>{"evl_queue_new",
                         CALL(evl_queue, evl_queue_new(LOOP, 0, EVL_QUEUE_FIFO, nullptr, out)),
                         evl_queue_free});
    fails(Row<evl_executor>{"evl_executor_new",
                            CALL(evl_executor, evl_executor_new(LOOP, 1, 1, nullptr, out)),
                            [](evl_executor *pool) { evl_executor_close(pool, EVL_CLOSE_DRAIN, -1); }});
    fails(Row<evl_addresses>{"evl_getaddrinfo",
                             CALL(evl_addresses, evl_getaddrinfo(LOOP, &s.op, localhost, "9", 0, out)),
                             nullptr});
    evl_options unknown{};
    evl_loop *loop = reinterpret_cast<evl_loop *>(uintptr_t{0xdead});
    EXPECT_EQ(evl_loop_new(&loop, &unknown), EVL_EINVAL);
    EXPECT_EQ(loop, nullptr);
}

} // namespace
