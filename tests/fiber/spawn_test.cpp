// spawn_test.cpp - spawning, waiting, joining, and what can be asked of a fiber.
#include "fiber.hpp"

using namespace fibers;

namespace {

TEST(FiberSpawn, RunsInTheNextPassAndEnds) {
    World w;
    Fiber f(w, [&] {
        w.note("runs");
        EXPECT_NE(evl_fiber_self(), nullptr);
        EXPECT_EQ(evl_fiber_loop(nullptr), w.loop);
        EXPECT_EQ(evl_fiber_state(evl_fiber_self()), EVL_FIBER_RUNNING);
        return 42;
    });
    EXPECT_EQ(f.state(), EVL_FIBER_READY);
    EXPECT_EQ(f.result(), EVL_EAGAIN);
    EXPECT_EQ(evl_fiber_count(w.loop), 1);
    EXPECT_EQ(w.log(), "");
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "runs");
    EXPECT_EQ(f.state(), EVL_FIBER_DONE);
    EXPECT_EQ(f.result(), 42);
    EXPECT_EQ(evl_fiber_count(w.loop), 0);
    EXPECT_EQ(evl_fiber_self(), nullptr);
    EXPECT_EQ(w.close(), 0) << "nothing of it is left on the loop";
}

TEST(FiberSpawn, YieldsInTurn) {
    World w;
    for (const char *name : {"a", "b", "c"})
        go(w, [&w, name] {
            for (int i = 0; i < 3; i++) {
                w.note(name);
                EXPECT_EQ(evl_fiber_yield(), 0);
            }
            return 0;
        });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "a b c a b c a b c");
}

TEST(FiberSpawn, SleepsSideBySide) {
    World w;
    for (int i : {30, 10, 20})
        go(w, [&w, i] {
            EXPECT_EQ(evl_fiber_sleep(i * ms), 0);
            w.note(std::to_string(evl_now(w.loop) / ms));
            return 0;
        });
    int64_t begin = evl_now(w.loop);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_now(w.loop) - begin, 30 * ms);
}

TEST(FiberSpawn, RefusesWhatItDoesNotKnow) {
    World w;
    evl_fiber *f = nullptr;
    evl_fiber_options o{};
    EXPECT_EQ(evl_fiber_spawn(w.loop, call, nullptr, &o, &f), EVL_EINVAL) << "no size";
    o.struct_size = sizeof o;
    o.flags = 1U << 31;
    EXPECT_EQ(evl_fiber_spawn(w.loop, call, nullptr, &o, &f), EVL_EINVAL);
    o.flags = 0;
    o.stack = uint64_t{1} << 40;
    EXPECT_EQ(evl_fiber_spawn(w.loop, call, nullptr, &o, &f), EVL_EINVAL);
    EXPECT_EQ(evl_fiber_spawn(w.loop, nullptr, nullptr, nullptr, &f), EVL_EINVAL);
    EXPECT_EQ(evl_fiber_spawn(nullptr, call, nullptr, nullptr, &f), EVL_EINVAL);
    EXPECT_EQ(f, nullptr);
    EXPECT_EQ(w.close(), 0);
}

TEST(FiberSpawn, OutsideOfAFiberNothingWaits) {
    World w;
    evl_op op;
    EXPECT_EQ(evl_fiber_op_init(&op), EVL_EPERM);
    EXPECT_EQ(evl_await(&op), EVL_EPERM);
    EXPECT_EQ(evl_fiber_yield(), EVL_EPERM);
    EXPECT_EQ(evl_fiber_sleep(1), EVL_EPERM);
    EXPECT_EQ(evl_fiber_exit(0), EVL_EPERM);
    EXPECT_EQ(evl_fiber_set_local(&op, &op, nullptr), EVL_EPERM);
    EXPECT_EQ(evl_fiber_local(&op), nullptr);
    EXPECT_EQ(evl_fiber_loop(nullptr), nullptr);
    EXPECT_STREQ(evl_fiber_name(nullptr), "");
}

TEST(FiberSpawn, AwaitsEveryOperation) {
    World w;
    evl_lock *lock = nullptr;
    evl_queue *queue = nullptr;
    evl_future *future = nullptr;
    ASSERT_EQ(evl_lock_new(w.loop, &lock), 0);
    ASSERT_EQ(evl_queue_new(w.loop, 1, EVL_QUEUE_FIFO, nullptr, &queue), 0);
    ASSERT_EQ(evl_future_new(w.loop, &future), 0);
    go(w, [&] {
        evl_op op;
        EXPECT_EQ(evl_fiber_op_init(&op), 0);
        int32_t rc = evl_lock_acquire(lock, &op);
        EXPECT_GE(rc, 0);
        EXPECT_EQ(evl_await(&op), 0);
        EXPECT_EQ(evl_sleep(w.loop, &op, ms), 0);
        EXPECT_EQ(evl_await(&op), 0);
        EXPECT_EQ(evl_lock_release(lock), 0);
        EXPECT_EQ(evl_future_resolve(future, 7), 0);
        return 0;
    });
    go(w, [&] {
        evl_op op;
        EXPECT_EQ(evl_fiber_op_init(&op), 0);
        EXPECT_EQ(evl_lock_acquire(lock, &op), 0);
        EXPECT_EQ(evl_await(&op), 0);
        EXPECT_EQ(evl_lock_release(lock), 0);
        void *item = nullptr;
        int32_t rc = evl_queue_get(queue, &op, &item);
        EXPECT_GE(rc, 0);
        EXPECT_EQ(evl_op_timeout(&op, 5 * ms), 0);
        EXPECT_EQ(evl_await(&op), EVL_ETIMEDOUT);
        EXPECT_GE(evl_future_wait(future, &op), 0);
        EXPECT_EQ(evl_await(&op), EVL_FUTURE_VALUE);
        w.note("done");
        return 0;
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "done");
    evl_lock_free(lock);
    evl_queue_free(queue);
    evl_future_unref(future);
}

TEST(FiberSpawn, AwaitsAnyOfSeveral) {
    World w;
    go(w, [&] {
        evl_op a, b, *both[] = {&a, nullptr, &b};
        EXPECT_EQ(evl_fiber_op_init(&a), 0);
        EXPECT_EQ(evl_fiber_op_init(&b), 0);
        EXPECT_EQ(evl_sleep(w.loop, &a, 20 * ms), 0);
        EXPECT_EQ(evl_sleep(w.loop, &b, 10 * ms), 0);
        EXPECT_EQ(evl_await_any(both, 3), 2);
        EXPECT_EQ(evl_await_any(both, 1 + 1 - 1), 0);
        EXPECT_EQ(evl_await_any(both, 0), EVL_EINVAL);
        both[0] = both[2] = nullptr;
        EXPECT_EQ(evl_await_any(both, 3), EVL_EINVAL) << "the end of a loop that leaves out what is over";
        w.note("done");
        return 0;
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "done");
}

TEST(FiberSpawn, ReadsAndWritesStreams) {
    World w;
    Pair pair;
    evl_stream *near = open(w, pair.a), *far = open(w, pair.b);
    std::string big(1 << 20, 'x'), got;
    go(w, [&] {
        EXPECT_EQ(evl_fiber_write_all(near, big.data(), big.size()), static_cast<int64_t>(big.size()));
        EXPECT_EQ(evl_stream_write_eof(near), 0);
        return 0;
    });
    go(w, [&] {
        char buf[4096];
        for (int64_t n; (n = evl_fiber_read(far, buf, sizeof buf)) > 0;)
            got.append(buf, static_cast<size_t>(n));
        return 0;
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_TRUE(got == big);
    EXPECT_EQ(evl_close(near), 0);
    EXPECT_EQ(evl_close(far), 0);
}

TEST(FiberSpawn, ConnectsAndAccepts) {
    World w({.clock = EVL_CLOCK_REAL});
    evl_server *server = nullptr;
    ASSERT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", nullptr, &server), 0);
    char address[EVL_ADDRESS_SIZE];
    ASSERT_GT(evl_server_local(server, 0, address, sizeof address), 0);
    std::string port = std::to_string(ntohs(reinterpret_cast<sockaddr_in *>(address)->sin_port));
    go(w, [&] {
        evl_stream *s = nullptr;
        EXPECT_EQ(evl_fiber_accept(server, &s), 0);
        EXPECT_EQ(evl_fiber_write_all(s, "hello", 5), 5);
        EXPECT_EQ(evl_close(s), 0);
        EXPECT_EQ(evl_close(server), 0);
        return 0;
    });
    go(w, [&] {
        evl_stream *s = nullptr;
        char buf[16];
        EXPECT_EQ(evl_fiber_connect("127.0.0.1", port.c_str(), nullptr, &s), 0);
        EXPECT_EQ(evl_fiber_read(s, buf, sizeof buf), 5);
        EXPECT_EQ(evl_fiber_read(s, buf, sizeof buf), 0);
        EXPECT_EQ(evl_close(s), 0);
        w.note("done");
        return 0;
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "done");
}

TEST(FiberSpawn, WaitsForFds) {
    World w;
    Pair pair;
    go(w, [&] {
        EXPECT_EQ(evl_fiber_wait_fd(pair.a, EVL_READ, 5 * ms), EVL_ETIMEDOUT);
        EXPECT_EQ(evl_fiber_wait_fd(pair.a, EVL_WRITE, EVL_NEVER), EVL_WRITE);
        put(pair.b, "x");
        EXPECT_EQ(evl_fiber_wait_fd(pair.a, EVL_READ, EVL_NEVER), EVL_READ);
        w.note("done");
        return 0;
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "done");
}

// --- joining ---------------------------------------------------------------------------------------------

TEST(FiberJoin, GivesTheResultToAllWhoAsk) {
    World w;
    Fiber f(w, [] { return evl_fiber_sleep(10 * ms) == 0 ? 7 : -1; });
    for (int i = 0; i < 3; i++)
        go(w, [&, i] {
            int64_t result = 0;
            if (i == 2)
                evl_fiber_sleep(20 * ms); // when it has ended
            EXPECT_EQ(evl_fiber_join(f, EVL_NEVER, &result), 0);
            EXPECT_EQ(evl_fiber_join(f, EVL_NEVER, nullptr), 0) << "twice";
            w.note(std::to_string(result));
            return 0;
        });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "7 7 7");
    int64_t result = 0;
    EXPECT_EQ(evl_fiber_join(f, EVL_NEVER, &result), 0) << "outside, it has ended";
    EXPECT_EQ(result, 7);
}

TEST(FiberJoin, HasADeadline) {
    World w;
    Fiber f(w, [] { return evl_fiber_sleep(30 * ms); });
    EXPECT_EQ(evl_fiber_join(f, 0, nullptr), EVL_EPERM);
    Fiber g(w, [&] {
        EXPECT_EQ(evl_fiber_join(f, 10 * ms, nullptr), EVL_ETIMEDOUT);
        EXPECT_EQ(f.state(), EVL_FIBER_WAITING) << "it goes on";
        EXPECT_EQ(evl_fiber_join(evl_fiber_self(), 0, nullptr), EVL_EDEADLK);
        evl_fiber *both[] = {f, nullptr};
        EXPECT_EQ(evl_fiber_join_all(both, 2, 10 * ms), EVL_ETIMEDOUT);
        EXPECT_EQ(evl_fiber_join_all(both, 2, EVL_NEVER), 0);
        w.note("done");
        return 0;
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "done");
}

TEST(FiberJoin, IsAnOperationToo) {
    World w;
    Fiber f(w, [] { return evl_fiber_sleep(10 * ms); });
    EXPECT_EQ(evl_fiber_wait(f, w.op(w.says("first"))), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_fiber_wait(f, w.op(w.says("second"))), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "first second");
}

TEST(FiberSpawn, ItsDropRunsOnceThoughItExits) {
    World w;
    static int drops;
    drops = 0;
    evl_fiber_options o{};
    o.struct_size = sizeof o;
    o.drop = [](void *) {
        drops++;
        EXPECT_EQ(drops, 1);
        if (drops < 3)
            (void)evl_fiber_exit(7);
    };
    evl_fiber *fiber = nullptr;
    EXPECT_EQ(evl_fiber_spawn(w.loop, [](void *) { return int64_t(1); }, nullptr, &o, &fiber), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_fiber_result(fiber), 7);
    EXPECT_EQ(drops, 1);
    evl_fiber_unref(fiber);
}

// --- names, dumps, local values --------------------------------------------------------------------------

TEST(FiberDump, SaysWhereEachWaits) {
    World w;
    Fiber a(w, [] { return evl_fiber_sleep(sec); }, 0, "sleeper");
    Fiber b(w, [&] { return evl_fiber_join(a, EVL_NEVER, nullptr); });
    EXPECT_STREQ(evl_fiber_name(a), "sleeper");
    EXPECT_EQ(evl_fiber_set_name(b, "joiner"), 0);
    w.nowait();
    std::string text(static_cast<size_t>(evl_fiber_dump(w.loop, nullptr, 0)) + 1, 0);
    EXPECT_EQ(static_cast<size_t>(evl_fiber_dump(w.loop, text.data(), text.size())) + 1, text.size());
    EXPECT_NE(text.find("'sleeper', waits: sleep for 0.000 s, at "), std::string::npos) << text;
    EXPECT_NE(text.find("'joiner', waits: join"), std::string::npos) << text;
    char small[8];
    EXPECT_GT(evl_fiber_dump(w.loop, small, sizeof small), 8);
    EXPECT_EQ(strnlen(small, sizeof small), 7U);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_fiber_dump(w.loop, small, sizeof small), 0);
}

TEST(FiberLocal, ValuesAreDroppedAtTheEnd) {
    World w;
    static int key, other;
    for (int i = 0; i < 2; i++)
        go(w, [&, i] {
            auto drop = [](void *noted) { delete static_cast<Noted *>(noted); };
            auto *mine = new Noted(w, "end" + std::to_string(i));
            EXPECT_EQ(evl_fiber_local(&key), nullptr);
            EXPECT_EQ(evl_fiber_set_local(&key, new Noted(w, "old" + std::to_string(i)), drop), 0);
            EXPECT_EQ(evl_fiber_set_local(&key, mine, drop), 0);
            EXPECT_EQ(evl_fiber_set_local(&other, &other, nullptr), 0);
            EXPECT_EQ(evl_fiber_yield(), 0);
            EXPECT_EQ(evl_fiber_local(&key), mine);
            EXPECT_EQ(evl_fiber_set_local(&other, nullptr, nullptr), 0);
            EXPECT_EQ(evl_fiber_local(&other), nullptr);
            return 0;
        });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "old0 old1 end0 end1");
}

TEST(FiberStack, IsMeasuredInBuildsThatCheck) {
    World w;
    go(w, [] {
        int64_t before = evl_fiber_stack_used(nullptr);
#if defined(EVLOOP_CHECKS)
        volatile char big[16384];
        for (size_t i = 0; i < sizeof big; i++)
            big[i] = 1;
        EXPECT_GT(before, 0);
        EXPECT_LT(before, 16384 + 8192);
#    if !defined(__SANITIZE_ADDRESS__) // which may have it elsewhere
        EXPECT_GT(evl_fiber_stack_used(nullptr), 16384);
#    endif
#else
        EXPECT_EQ(before, EVL_ENOTSUP);
#endif
        return 0;
    });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(FiberStack, KeepsSomeForLater) {
    World w;
    evl_fiber_trim();
    for (int i = 0; i < 100; i++)
        go(w, [] { return evl_fiber_yield(); });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_fiber_trim(), 64);
    EXPECT_EQ(evl_fiber_trim(), 0);
}

} // namespace
