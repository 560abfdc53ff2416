// owners_test.cpp - who owns what, and when it goes: assignments, queues and their items, functions that hold
// their own handle, what is left when there is no memory.
#include "allocations.hpp"
#include "tasks.hpp"

#include <evloop/path.hpp>
#include <evloop/process.hpp>
#include <evloop/stop.hpp>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

using namespace support;

namespace {

// --- assigning -----------------------------------------------------------------------------------

// What is assigned to ends at once, what is assigned from is empty, and to itself changes nothing.
TEST(Owners, AssigningToATaskEndsItsFrame) {
    World w;
    const auto noted = [](World &w, std::string name) -> task<> {
        Trace trace(w, name);
        co_return;
    };
    task<> a = noted(w, "a"), b = noted(w, "b");
    a = std::move(b);
    EXPECT_TRUE(a);
    EXPECT_FALSE(b);
    task<> &same = a;
    a = std::move(same);
    run(w, std::move(a));
    EXPECT_EQ(w.log(), "b b!");
}

TEST(Owners, AssigningToAHandleOfATaskEndsTheTask) {
    World w;
    run(w, [](World &w) -> task<> {
        auto a = evloop::spawn(sleeps_named(w, "a", 1s));
        auto b = evloop::spawn(sleeps_named(w, "b", 1s));
        co_await evloop::yield();
        a = std::move(b);
        EXPECT_FALSE(b);
        EXPECT_EQ(w.log(), "a b a!");
        co_await a;
    }(w));
    EXPECT_EQ(w.log(), "a b a! b.");
}

TEST(Owners, AssigningToAGuardReleasesWhatItHad) {
    World w;
    run(w, []() -> task<> {
        evloop::lock a, b;
        auto first = co_await a.scoped();
        auto second = co_await b.scoped();
        first = std::move(second);
        EXPECT_FALSE(a.held());
        EXPECT_TRUE(b.held());
    }());
}

TEST(Owners, AssigningToWhatIsWaitedOnEndsTheWait) {
    World w;
    run(w, []() -> task<> {
        evloop::event a, b;
        auto waits = [](evloop::event &event) -> task<> { co_await event.wait(); };
        auto job = evloop::spawn(waits(a));
        co_await evloop::yield();
        a = std::move(b);
        EXPECT_EQ(co_await how_of(job), evl_strerror(EVL_ECLOSED));
        EXPECT_EQ(b.c(), nullptr);
    }());
}

TEST(Owners, AssigningToAFutureGivesUpItsReference) {
    World w;
    evloop::future<std::shared_ptr<int>> a(w.loop), b(w.loop);
    auto held = std::make_shared<int>(1);
    a.resolve(held);
    EXPECT_EQ(held.use_count(), 2);
    a = std::move(b);
    evl_loop_run(w.loop, EVL_RUN_NOWAIT); // which drops
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_EQ(b.c(), nullptr);
}

TEST(Owners, AssigningToAPoolClosesIt) {
    World w;
    evloop::executor a(w.loop, 1), b(w.loop, 1);
    evl_executor *const kept = b.c();
    a = std::move(b);
    EXPECT_EQ(a.c(), kept);
    EXPECT_EQ(b.c(), nullptr);
}

TEST(Owners, AssigningToAddressesFreesThem) {
    World w;
    run(w, []() -> task<> {
        auto a = co_await evloop::lookup("127.0.0.1", "80");
        auto b = co_await evloop::lookup("::1", "80");
        a = std::move(b);
        EXPECT_EQ(b.c(), nullptr);
        EXPECT_EQ(a[0].text(), "[::1]:80");
    }());
}

// --- functions that hold what they belong to --------------------------------------------------------

// A session lives as long as the function of its own timer: the captures end with close or an assignment.
struct Session {
    explicit Session(std::string *log) : log_(log) {}
    ~Session() { *log_ += "gone "; }
    evloop::timer timer;
    std::optional<evloop::stream> stream;

  private:
    std::string *log_;
};

class OwnCapture : public ::testing::TestWithParam<int> {
  public:
    // The only reference is in the captures; a large capture is on the heap.
    Session *session() {
        auto s = std::make_shared<Session>(&log);
        s->timer = GetParam() == 0
                       ? evloop::timer(w.loop, [s] {})
                       : evloop::timer(w.loop, [s, room = std::array<void *, 8>()] { (void)room; });
        return s.get();
    }
    World w;
    std::string log;
};

TEST_P(OwnCapture, EndsWithClose) {
    session()->timer.close();
    EXPECT_EQ(log, "gone ");
}

TEST_P(OwnCapture, EndsWithAnAssignment) {
    session()->timer = evloop::timer();
    EXPECT_EQ(log, "gone ");
    session()->timer = evloop::timer(w.loop, [] {});
    EXPECT_EQ(log, "gone gone ");
}

TEST_P(OwnCapture, EndsWhenItIsMovedAwayFromAndThatIsClosed) {
    evloop::timer outside = std::move(session()->timer);
    EXPECT_EQ(log, "");
    outside.close();
    EXPECT_EQ(log, "gone ");
}

TEST_P(OwnCapture, EndsAfterItsOwnFunction) {
    auto s = std::make_shared<Session>(&log);
    s->timer = evloop::timer(w.loop, [s, this] {
        s->timer.close();
        log += "closed ";
    });
    s->timer.start_in(1ms);
    s.reset();
    evl_loop_run(w.loop, EVL_RUN_DEFAULT);
    EXPECT_EQ(log, "closed gone ");
}

TEST_P(OwnCapture, EndsWithAnotherFunctionAndWithAbort) {
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    ::close(fds[1]);
    auto s = std::make_shared<Session>(&log);
    Session *raw = s.get();
    raw->stream.emplace(w.loop, fds[0]);
    raw->stream->on_data([s] {});
    s.reset();
    raw->stream->abort();
    EXPECT_EQ(log, "gone ");
}

TEST_P(OwnCapture, EndsWithAnotherErrorHook) {
    struct Program {
        explicit Program(std::string *the_log) : log(the_log) {}
        ~Program() { *log += "gone "; }
        std::string *log;
        evloop::loop loop;
    };
    auto p = std::make_shared<Program>(&log);
    Program *raw = p.get();
    raw->loop.on_error([p](const std::exception_ptr &) {});
    p.reset();
    raw->loop.on_error([](const std::exception_ptr &) {});
    EXPECT_EQ(log, "gone ");
}

INSTANTIATE_TEST_SUITE_P(Captures, OwnCapture, ::testing::Values(0, 1),
                         [](const auto &info) { return info.param == 0 ? "Small" : "Large"; });

// --- no memory -----------------------------------------------------------------------------------

TEST(NoMemory, AnOperationSaysSo) {
    World w;
    const std::array<void *, 8> large{};
    const auto made = [&] { evloop::operation op(w.loop, [large] { (void)large; }); };
    fail_allocation(1);
    EXPECT_THROW(made(), std::system_error);
    EXPECT_TRUE(allocation_failed());
    fail_allocation(0);
    made();
}

TEST(NoMemory, AnErrorHookSaysSoAndTheOldOneStays) {
    evloop::loop loop;
    std::string log;
    loop.on_error([&](const std::exception_ptr &) { log += "first "; });
    const std::array<void *, 8> large{};
    const auto set = [&] {
        loop.on_error([large, &log](const std::exception_ptr &) { (void)large, log += "second "; });
    };
    fail_allocation(1);
    EXPECT_THROW(set(), std::system_error);
    fail_allocation(0);
    evl_loop_report(loop.c(), EVL_EPIPE);
    set();
    evl_loop_report(loop.c(), EVL_EPIPE);
    EXPECT_EQ(log, "first second ");
}

TEST(NoMemory, AnErrorInsideTheErrorHookIsKept) {
    evloop::loop loop;
    int calls = 0;
    loop.on_error([&](const std::exception_ptr &) {
        calls++;
        evl_loop_report(loop.c(), EVL_EPIPE);
    });
    loop.call_soon([] { throw std::runtime_error("the call's"); });
    loop.run();
    EXPECT_EQ(calls, 1);
    try {
        const std::exception_ptr kept = loop.unhandled();
        ASSERT_TRUE(kept);
        std::rethrow_exception(kept);
    } catch (const std::system_error &error) {
        EXPECT_EQ(error.code().value(), EVL_EPIPE);
    }
    EXPECT_FALSE(loop.unhandled());
}

// --- queues --------------------------------------------------------------------------------------

// Counts those that live.
struct Item {
    explicit Item(int *count) : live(count) { ++*live; }
    Item(Item &&other) noexcept : live(other.live) { ++*live; }
    ~Item() { --*live; }
    int *live;
};

class Queue : public ::testing::Test {
  public:
    // A queue for one item, which it has.
    void fill() {
        q = std::make_unique<evloop::queue<Item>>(w.loop, 1u);
        EXPECT_EQ(q->try_put(Item(&live)), 0);
    }
    // A task that puts one more, and says how that ended.
    evloop::spawned<> putter(evloop::scope &scope) {
        return scope.spawn([](Queue &self) -> task<> {
            const auto put = co_await evloop::as_result(self.q->put(Item(&self.live)));
            self.w.note(put ? "in" : evl_strerror(put.code()));
        }(*this));
    }
    void pass(int n = 3) {
        for (int i = 0; i < n; i++)
            evl_loop_run(w.loop, EVL_RUN_NOWAIT);
    }

    World w;
    int live = 0;
    std::unique_ptr<evloop::queue<Item>> q;
};

TEST_F(Queue, DestroyedWhileAPutWaits) {
    fill();
    evloop::scope scope(w.loop);
    auto job = putter(scope);
    pass();
    q.reset();
    pass();
    EXPECT_TRUE(job.done());
    EXPECT_EQ(w.log(), evl_strerror(EVL_ECLOSED));
    EXPECT_EQ(live, 0);
}

TEST_F(Queue, DestroyedBeforeAPutThatIsNotAwaited) {
    fill();
    auto put = std::make_optional(q->put(Item(&live)));
    q.reset();
    EXPECT_EQ(live, 1);
    put.reset();
    EXPECT_EQ(live, 0);
}

TEST_F(Queue, DestroyedWithTheTaskOfAPutThatIsTold) {
    fill();
    evloop::scope scope(w.loop);
    auto job = putter(scope);
    pass();
    q.reset(); // the end of the put is queued
    job = {};
    EXPECT_EQ(live, 0);
}

TEST_F(Queue, DestroyedAfterTheTaskOfAPutThatIsIn) {
    fill();
    evloop::scope scope(w.loop);
    auto job = putter(scope);
    pass();
    EXPECT_TRUE(q->try_get()); // lets the second in
    job = {};
    EXPECT_EQ(live, 1);
    q.reset();
    EXPECT_EQ(live, 0);
}

// After the loop nobody says any more whether an item is in; C knows.
TEST_F(Queue, DestroyedAfterTheLoopInEveryOrder) {
    for (const bool in : {false, true}) {
        for (const bool queue_first : {false, true}) {
            World own;
            std::optional<evloop::scope> scope(std::in_place, own.loop);
            q = std::make_unique<evloop::queue<Item>>(own.loop, 1u);
            EXPECT_EQ(q->try_put(Item(&live)), 0);
            auto job = putter(*scope);
            for (int i = 0; i < 3; i++)
                evl_loop_run(own.loop, EVL_RUN_NOWAIT);
            if (in) {
                EXPECT_TRUE(q->try_get());
            }
            own.destroy();
            if (queue_first)
                q.reset();
            job = {};
            q.reset();
            scope.reset();
            EXPECT_EQ(live, 0) << in << queue_first;
        }
    }
}

TEST_F(Queue, DestroyedWhileAGetWaitsAndWhileItsItemIsOnItsWay) {
    evloop::scope scope(w.loop);
    const auto gets = [](Queue &self) -> task<> {
        auto got = co_await evloop::as_result(self.q->get());
        self.w.note(got ? "got" : evl_strerror(got.code()));
    };
    q = std::make_unique<evloop::queue<Item>>(w.loop);
    auto waits = scope.spawn(gets(*this));
    pass();
    q.reset();
    pass();
    EXPECT_EQ(w.log(), evl_strerror(EVL_ECLOSED));
    w.clear();
    q = std::make_unique<evloop::queue<Item>>(w.loop);
    auto served = scope.spawn(gets(*this));
    pass();
    EXPECT_EQ(q->try_put(Item(&live)), 0);
    q.reset();
    pass();
    EXPECT_EQ(w.log(), evl_strerror(EVL_ECLOSED));
    EXPECT_EQ(live, 0);
}

// --- pools ---------------------------------------------------------------------------------------

TEST(Executor, ClosedOrMovedFromAcceptsNothing) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        const auto one = [] { return 1; };
        evloop::executor a(evloop::this_loop(), 1);
        evloop::executor b(std::move(a));
        const auto moved = co_await evloop::as_result(evloop::run_in_executor(a, one));
        EXPECT_EQ(moved.code(), EVL_ECLOSED);
        const int ran = co_await evloop::run_in_executor(b, one);
        EXPECT_EQ(ran, 1);
        auto before = evloop::run_in_executor(b, one);
        EXPECT_EQ(b.close(), 0);
        const auto closed = co_await evloop::as_result(std::move(before));
        EXPECT_EQ(closed.code(), EVL_ECLOSED);
        EXPECT_EQ(b.close(evloop::closing::abandon, 1ms), 0);
    }());
}

// Jobs that wait for a permission.
struct Gate {
    std::atomic<bool> open{false};
    std::atomic<int> inside{0};
    static int wait(Gate *gate) {
        gate->inside++;
        while (!gate->open)
            std::this_thread::yield();
        return 1;
    }
};

TEST(Executor, ClosesWithoutBlockingTheLoop) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        Gate gate;
        evloop::executor pool(evloop::this_loop(), 1);
        auto job = evloop::spawn([](evloop::executor &pool, Gate &gate) -> task<int> {
            co_return co_await evloop::run_in_executor(pool, Gate::wait, &gate);
        }(pool, gate));
        while (gate.inside == 0)
            co_await evloop::yield();
        auto closing = evloop::spawn([](evloop::executor &pool) -> task<> { co_await pool.closed(); }(pool));
        co_await evloop::yield();
        co_await evloop::yield();
        EXPECT_EQ(pool.c(), nullptr);
        EXPECT_FALSE(closing.done()); // and the loop runs
        gate.open = true;
        co_await closing;
        const int value = co_await job;
        EXPECT_EQ(value, 1);
        co_await pool.closed(); // once more is nothing
    }());
}

TEST(Executor, ClosingHasALimit) {
    evloop::loop loop; // with memory that a thread may free after it
    auto gate = std::make_shared<Gate>();
    evloop::run(loop, [](std::shared_ptr<Gate> gate) -> task<> {
        evloop::executor pool(evloop::this_loop(), 1);
        auto job = evloop::spawn([](evloop::executor &pool, Gate *gate) -> task<int> {
            co_return co_await evloop::run_in_executor(pool, Gate::wait, gate);
        }(pool, gate.get()));
        while (gate->inside == 0)
            co_await evloop::yield();
        const auto late = co_await evloop::as_result(pool.closed(evloop::closing::drain, 1ms));
        EXPECT_EQ(late.code(), EVL_ETIMEDOUT);
        gate->open = true;
        co_await job;
    }(gate));
}

TEST(Executor, ClosingThatIsCancelledStaysClosed) {
    evloop::loop loop; // with memory that a thread may free after it
    evloop::run(loop, []() -> task<> {
        Gate gate;
        evloop::executor pool(evloop::this_loop(), 1);
        auto job = evloop::spawn([](evloop::executor &pool, Gate &gate) -> task<int> {
            co_return co_await evloop::run_in_executor(pool, Gate::wait, &gate);
        }(pool, gate));
        while (gate.inside == 0)
            co_await evloop::yield();
        const auto late = co_await evloop::as_result(evloop::timeout(1ms, pool.closed()));
        EXPECT_EQ(late.code(), EVL_ETIMEDOUT);
        EXPECT_EQ(pool.c(), nullptr);
        gate.open = true;
        co_await job;
    }());
}

// --- stops ---------------------------------------------------------------------------------------

TEST(StopToken, CancelsTheTaskFromAnotherThread) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        std::stop_source source;
        auto job = evloop::spawn(sleeps(1h));
        evloop::cancel_on_stop bound(source.get_token(), job);
        std::thread([&] { source.request_stop(); }).join();
        EXPECT_EQ(co_await how_of(job), "cancelled");
    }());
}

TEST(StopToken, OfATaskThatHasEndedDoesNothing) {
    std::stop_source source;
    evloop::any_task ended;
    {
        evloop::loop loop;
        evloop::scope scope(loop);
        const auto job = scope.spawn(sleeps(0ns));
        loop.run();
        ended = job;
    }
    const evloop::cancel_on_stop late(source.get_token(), ended);
    source.request_stop();
    EXPECT_TRUE(ended.done());
    EXPECT_FALSE(ended.is_cancelled());
}

TEST(StopToken, OfNoTaskIsRefused) {
    std::stop_source source;
    EXPECT_THROW(evloop::cancel_on_stop(source.get_token(), evloop::any_task()), std::system_error);
}

// --- handles of no task ---------------------------------------------------------------------------

TEST(EmptyHandles, AreDoneAndCannotBeCancelled) {
    World w;
    evloop::spawned<> none;
    EXPECT_TRUE(none.done());
    EXPECT_FALSE(none.cancel());
    EXPECT_FALSE(none.is_cancelled());
    EXPECT_EQ(none.cancelling(), 0u);
    EXPECT_EQ(none.uncancel(), 0u);
    EXPECT_STREQ(none.name(), "");
    none.set_name("x");
    run(w, []() -> task<> {
        task<> named = sleeps(0s);
        task<> other = std::move(named);
        EXPECT_EQ(co_await how(std::move(named)), evl_strerror(EVL_EINVAL));
        EXPECT_THROW(evloop::spawn(std::move(named)).detach(), std::system_error);
        co_await std::move(other);
    }());
}

TEST(EmptyHandles, NoLoopOutsideOfATask) {
    EXPECT_TRUE(evloop::this_loop() == nullptr);
    World w;
    run(w, [](World &w) -> task<> {
        const evloop::loop_ref loop = evloop::this_loop();
        EXPECT_TRUE(loop == evloop::loop_ref(w.loop));
        EXPECT_FALSE(loop == nullptr);
        loop.call_soon([&w] { w.note("called"); });
        co_await evloop::yield();
        co_await evloop::yield();
    }(w));
    EXPECT_EQ(w.log(), "called");
}

// One table for all of them: handles.hpp says which.
TEST(EmptyHandles, GiveNegativeFdsNoNumbersAndNoText) {
    World w;
    run(w, []() -> task<> {
        EXPECT_LT(evloop::stream().fd(), 0);
        EXPECT_LT(evloop::udp().fd(), 0);
        EXPECT_LT(evloop::io().fd(), 0);
        EXPECT_LT(evloop::server().fd(), 0);
        EXPECT_LT(evloop::signal().number(), 0);
        EXPECT_LT(evloop::process().pid(), 0);
        EXPECT_EQ(evloop::stream().queued(), 0u);
        EXPECT_EQ(evloop::udp().queued(), 0u);
        EXPECT_EQ(evloop::io().mask(), 0u);
        EXPECT_EQ(evloop::io().id(), 0u);
        EXPECT_EQ(evloop::server().sockets(), 0);
        EXPECT_EQ(evloop::server().connections(), 0);
        EXPECT_EQ(evloop::server().port(), 0);
        EXPECT_EQ(evloop::timer().deadline(), evloop::never);
        EXPECT_STREQ(evloop::path().text(), "");
        EXPECT_STREQ(evloop::timer().name(), "");
        EXPECT_FALSE(evloop::stream().local());

        evloop::queue<int> queue;
        (void)queue.try_put(1);
        const evloop::queue<int> filled = std::move(queue);
        EXPECT_EQ(queue.size(), 0u);
        EXPECT_EQ(filled.size(), 1u);
        evloop::semaphore semaphore;
        const evloop::semaphore full = std::move(semaphore);
        EXPECT_EQ(semaphore.value(), 0u);
        EXPECT_EQ(full.value(), 1u);
        co_return;
    }());
    evloop::loop from;
    const evloop::loop to = std::move(from);
    EXPECT_STREQ(from.backend(), "");
    EXPECT_EQ(from.caps(), 0u);
}

TEST(EmptyHandles, OfALoopThatHasGone) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    evloop::stream stream;
    evloop::timer timer;
    {
        evloop::loop loop;
        stream = evloop::stream(loop, ends[0]);
        EXPECT_GE(stream.fd(), 0);
        timer = evloop::timer(loop, [] {});
    }
    EXPECT_LT(stream.fd(), 0);
    EXPECT_EQ(stream.queued(), 0u);
    EXPECT_EQ(timer.deadline(), evloop::never);
    EXPECT_THROW(timer.start_in(1s), std::system_error);
    ::close(ends[1]);
}

} // namespace
