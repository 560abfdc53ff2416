// async_test.cpp - handles that other threads and signal handlers send to.
#include "scale.hpp"
#include "world.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

using namespace support;

namespace {

evl_async *async(World &w, Action action) {
    evl_async *handle = nullptr;
    EXPECT_EQ(evl_async_new(w.loop, World::done(), w.arg(std::move(action)), &handle), 0);
    return handle;
}

TEST(Async, SendsAreOneCallbackWithTheirNumber) {
    World w;
    evl_async *a = async(w, [&](int64_t n) { w.note("a" + std::to_string(n)); });
    async(w, w.says("not sent"));
    EXPECT_EQ(evl_async_send(a), 0);
    EXPECT_EQ(w.log(), ""); // never inside the call
    EXPECT_EQ(evl_async_send(a), 0);
    on_thread([&] { EXPECT_EQ(evl_async_send(a), 0); });
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "a3");
    evl_async_send(a);
    w.nowait();
    EXPECT_EQ(w.log(), "a3 a1");
}

TEST(Async, ARecordThatWasNotFetchedCountsOn) {
    World w;
    evl_async *a = nullptr;
    int arg = 0;
    ASSERT_EQ(evl_async_new(w.loop, nullptr, &arg, &a), 0);
    evl_async_send(a);
    EXPECT_EQ(evl_loop_run(w.loop, EVL_RUN_NOWAIT), EVL_RUN_RECORDS);
    evl_async_send(a);
    evl_record record[2];
    ASSERT_EQ(evl_loop_records(w.loop, record, 2, 0), 1);
    EXPECT_EQ(record[0].kind, EVL_KIND_ASYNC);
    EXPECT_EQ(record[0].id, evl_id(a));
    EXPECT_EQ(record[0].user_data, reinterpret_cast<uintptr_t>(&arg));
    EXPECT_EQ(record[0].result, 2);
    EXPECT_EQ(evl_loop_records(w.loop, record, 2, 0), 0);
}

TEST(Async, KeepsNothingAliveUnlessItIsTold) {
    World w({.clock = EVL_CLOCK_REAL});
    evl_async *a = nullptr;
    a = async(w, [&] { evl_close(a), w.note("sent"); });
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    evl_keep_alive(a, 1);
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    std::thread sender([&] { evl_async_send(a); });
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    sender.join();
    EXPECT_EQ(w.log(), "sent");
}

TEST(Async, WakesALoopThatWaits) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    evl_async *a = async(w, [&] { w.note("sent"); });
    w.timer_in(1000 * sec, [] {});
    std::thread sender([&] {
        until([&] { return !sys.waits().empty() && sys.waits().back() != 0; });
        evl_async_send(a);
    });
    w.once();
    sender.join();
    EXPECT_EQ(w.log(), "sent");
}

evl_async *to_wake;

TEST(Async, IsSentFromASignalHandler) {
    Sys sys;
    World w({.clock = EVL_CLOCK_REAL});
    to_wake = async(w, w.says("sent"));
    w.timer_in(1000 * sec, [] {});
    struct sigaction action{}, before{};
    action.sa_handler = [](int) {
        int saved = errno;
        errno = 77;
        EXPECT_EQ(evl_async_send(to_wake), 0);
        EXPECT_EQ(errno, 77);
        errno = saved;
    };
    ASSERT_EQ(sigaction(SIGUSR2, &action, &before), 0);
    std::thread sender([&] {
        until([&] { return !sys.waits().empty() && sys.waits().back() != 0; });
        raise(SIGUSR2);
    });
    w.once();
    sender.join();
    EXPECT_EQ(w.log(), "sent");
    raise(SIGUSR2); // on the loop's thread
    w.once();
    EXPECT_EQ(w.log(), "sent sent");
    sigaction(SIGUSR2, &before, nullptr);
}

TEST(Async, ClosedItIsSilentAndRefuses) {
    World w;
    evl_async *a = async(w, w.says("a"));
    evl_async *b = nullptr;
    evl_async *c = async(w, [&] { w.note("c"), evl_close(b); });
    b = async(w, w.says("b"));
    for (evl_async *each : {a, b, c})
        evl_async_send(each);
    EXPECT_EQ(evl_close(a), 0);
    EXPECT_EQ(evl_async_send(a), EVL_ESTALE);
    w.nowait();
    EXPECT_EQ(w.log(), "c");
    EXPECT_EQ(evl_async_send(b), EVL_ESTALE);
    EXPECT_EQ(evl_async_send(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_async_new(w.loop, World::done(), nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_async_new(nullptr, World::done(), nullptr, &a), EVL_EINVAL);
}

TEST(Async, ItsCallbackMayCloseItSendAndDestroy) {
    World w;
    evl_async *a = nullptr;
    a = async(w, [&](int64_t n) {
        w.note(std::to_string(n));
        if (w.log() == "1")
            evl_async_send(a); // for the next pass
        else
            evl_close(a);
    });
    evl_async_send(a);
    w.nowait();
    EXPECT_EQ(w.log(), "1");
    w.nowait();
    EXPECT_EQ(w.log(), "1 1");
    evl_loop *loop = evl_loop_ref(w.loop);
    evl_async *last = nullptr;
    last = async(w, [&] { w.destroy(); });
    evl_async_send(last);
    w.nowait();
    EXPECT_EQ(evl_async_send(last), EVL_ECLOSED);
    evl_loop_unref(loop);
}

TEST(Async, DestroyedWithWhatWasSent) {
    for (bool taken_in : {false, true}) {
        World w;
        evl_async *a = async(w, w.says("sent"));
        evl_loop *loop = evl_loop_ref(w.loop);
        if (taken_in)
            w.call_inside([&] { evl_async_send(a); }); // the pass of this call is over before
        evl_async_send(a);
        w.destroy();
        EXPECT_EQ(w.log(), "");
        EXPECT_EQ(evl_async_send(a), EVL_ECLOSED);
        evl_loop_unref(loop);
    }
}

TEST(Async, GoesOnInAChild) {
    World w;
    evl_async *a = async(w, [&](int64_t n) { w.note(std::to_string(n)); });
    evl_async_send(a);
    in_child([&] {
        EXPECT_EQ(evl_async_send(a), EVL_EFORK);
        EXPECT_EQ(evl_loop_fork(w.loop), 0);
        EXPECT_EQ(evl_async_send(a), 0);
        w.nowait();
        EXPECT_EQ(w.log(), "2"); // one of the parent's
        EXPECT_EQ(w.destroy(), 0);
    });
    w.nowait();
    EXPECT_EQ(w.log(), "1");
}

TEST(Async, ShowsInADumpAndAsABlocker) {
    World w;
    evl_async *a = async(w, [] {});
    evl_set_name(a, "work");
    char text[256];
    evl_loop_dump(w.loop, text, sizeof text);
    EXPECT_NE(std::string(text).find("async id=" + std::to_string(evl_id(a)) + " active name=\"work\""),
              std::string::npos)
        << text;
    evl_blocker blocker{};
    EXPECT_EQ(evl_loop_blockers(w.loop, &blocker, 1), 1);
    EXPECT_EQ(blocker.kind, EVL_KIND_ASYNC);
    EXPECT_EQ(w.close(), EVL_EBUSY);
}

TEST(Async, AllocatesNothingAndWorksWithoutPosts) {
    World w({.flags = EVL_LOOP_NOPOST});
    evl_async *a = async(w, w.says("sent"));
    uint64_t calls = w.memory.calls();
    evl_async_send(a);
    w.nowait();
    EXPECT_EQ(w.memory.calls(), calls);
    EXPECT_EQ(w.log(), "sent");
}

TEST(Async, AHostIsWoken) {
    World w;
    if (!(w.caps() & EVL_CAP_LOOP_FD))
        return;
    evl_async *a = async(w, w.says("sent"));
    evl_loop_fd(w.loop);
    while (evl_loop_dispatch(w.loop, nullptr, 0) == 1)
        ;
    on_thread([&] { evl_async_send(a); });
    evl_poll_row row;
    int64_t timeout = -1;
    EXPECT_EQ(evl_loop_prepare(w.loop, &row, 1, &timeout), 1);
    EXPECT_EQ(timeout, 0);
    w.dispatch();
    EXPECT_EQ(w.log(), "sent");
}

// Every send is counted in some callback, whichever thread it came from and whatever the loop did then.
TEST(Async, NoSendOfManyThreadsIsLost) {
    World w({.clock = EVL_CLOCK_REAL});
    constexpr int threads = 3;
    const int64_t each = scaled(40'000);
    int64_t counted = 0, callbacks = 0;
    evl_async *a = nullptr;
    a = async(w, [&](int64_t n) {
        counted += n;
        callbacks++;
        if (counted == threads * each)
            evl_close(a);
    });
    evl_keep_alive(a, 1);
    std::vector<std::thread> senders;
    for (int i = 0; i < threads; i++)
        senders.emplace_back([&] {
            for (int64_t left = each; left > 0; left--)
                EXPECT_EQ(evl_async_send(a), 0);
        });
    w.run();
    for (std::thread &sender : senders)
        sender.join();
    EXPECT_EQ(counted, threads * each);
    EXPECT_LE(callbacks, counted);
}

// Closed while others send: they are refused, and nothing else happens.
TEST(Async, ClosedWhileOthersSend) {
    World w({.clock = EVL_CLOCK_REAL});
    evl_async *a = nullptr;
    std::atomic<int> sent{0};
    a = async(w, [] {});
    std::vector<std::thread> senders;
    for (int i = 0; i < 2; i++)
        senders.emplace_back([&] {
            int32_t rc = 0;
            while ((rc = evl_async_send(a)) == 0)
                sent++;
            EXPECT_EQ(rc, EVL_ESTALE);
        });
    until([&] { return sent > 100; });
    w.nowait();
    evl_close(a);
    for (std::thread &sender : senders)
        sender.join();
    w.nowait();
}

} // namespace
