// values_test.cpp - what goes into futures, queues and streams comes out as it was: numbers of either sign,
// objects of any alignment, arrays by their size.
#include "fds.hpp"
#include "tasks.hpp"

#include <array>
#include <limits>
#include <memory>
#include <sys/socket.h>
#include <thread>
#include <vector>

using namespace support;

namespace {

// --- futures -------------------------------------------------------------------------------------

template <class T>
class Numbers : public ::testing::Test {};
using NumberTypes = ::testing::Types<int, std::int8_t, std::int64_t, std::uint64_t, bool, std::byte>;
TYPED_TEST_SUITE(Numbers, NumberTypes);

template <class T>
std::vector<T> numbers_of() {
    if constexpr (std::is_integral_v<T>)
        return {T(-110),
                T(-125),
                T(-1),
                T(0),
                T(1),
                std::numeric_limits<T>::min(),
                std::numeric_limits<T>::max()};
    else
        return {T(0), T(255)};
}

TYPED_TEST(Numbers, AreResolvedAndPostedWhateverTheirSign) {
    World w({.clock = EVL_CLOCK_REAL});
    run(w, []() -> task<> {
        for (const TypeParam number : numbers_of<TypeParam>()) {
            evloop::future<TypeParam> resolved, posted;
            EXPECT_EQ(resolved.resolve(number), 0);
            std::thread([&] { EXPECT_EQ(posted.post(number), 0); }).join();
            const TypeParam a = co_await resolved;
            const TypeParam b = co_await posted;
            EXPECT_EQ(a, number);
            EXPECT_EQ(b, number);
            const auto c = co_await evloop::as_result(posted);
            EXPECT_EQ(c.value(), number);
        }
    }());
}

TEST(Futures, OfObjectsAreAwaitedAsAResult) {
    World w;
    run(w, []() -> task<> {
        evloop::future<std::string> text, failed;
        evloop::future<std::unique_ptr<int>> owner;
        text.resolve("text");
        failed.fail(EVL_EPIPE);
        owner.resolve(std::make_unique<int>(7));
        const evloop::result<const std::string &> good = co_await evloop::as_result(text);
        EXPECT_EQ(*good, "text");
        EXPECT_EQ(good->size(), 4u);
        EXPECT_EQ(&good.value(), &co_await text);
        EXPECT_EQ(good.value_or("another"), "text");
        const auto bad = co_await evloop::as_result(failed);
        EXPECT_FALSE(bad);
        EXPECT_EQ(bad.code(), EVL_EPIPE);
        EXPECT_THROW((void)bad.value(), std::system_error);
        EXPECT_EQ(bad.value_or("another"), "another");
        const auto moved = co_await evloop::as_result(owner);
        EXPECT_EQ(**moved, 7);
    }());
}

TEST(Futures, OfAnotherLoopAreRefused) {
    World w, other;
    evloop::future<int> number(other.loop);
    number.resolve(1);
    EXPECT_EQ(run(w, how(number)), evl_strerror(EVL_EINVAL));
    EXPECT_EQ(run(other, how(number)), "value");
}

// --- alignment -----------------------------------------------------------------------------------

struct alignas(64) Aligned {
    explicit Aligned(int the_number) : number(the_number) { check(); }
    Aligned(Aligned &&other) noexcept : number(other.number) { check(); }
    ~Aligned() { check(); }
    void check() const { EXPECT_EQ(reinterpret_cast<std::uintptr_t>(this) % alignof(Aligned), 0u); }
    int number;
};

TEST(Aligned, InAQueue) {
    World w;
    evloop::queue<Aligned> queue(w.loop);
    std::vector<std::unique_ptr<std::array<char, 24>>>
        between; // so that the allocator has no reason to align
    for (int i = 0; i < 20; i++) {
        between.push_back(std::make_unique<std::array<char, 24>>());
        EXPECT_EQ(queue.try_put(Aligned(i)), 0);
    }
    for (int i = 0; i < 10; i++) {
        const evloop::result<Aligned> got = queue.try_get();
        EXPECT_EQ(got->number, i);
    }
}

task<> sees(const evloop::future<Aligned> &future, int number) {
    const Aligned &value = co_await future;
    value.check();
    EXPECT_EQ(value.number, number);
}

TEST(Aligned, InAFuture) {
    World w;
    std::vector<std::unique_ptr<std::array<char, 24>>> between;
    for (int i = 0; i < 20; i++) {
        between.push_back(std::make_unique<std::array<char, 24>>());
        evloop::future<Aligned> resolved(w.loop), posted(w.loop);
        resolved.resolve(i);
        posted.post(i);
        run(w, sees(resolved, i));
        run(w, sees(posted, i));
    }
}

// --- bytes ---------------------------------------------------------------------------------------

std::size_t size_of(evloop::bytes data) { return data.size(); }
std::size_t size_of_room(evloop::room to) { return to.size(); }

TEST(Bytes, ArraysAreAsLongAsTheyAre) {
    char text[16] = "text";
    unsigned char raw[4] = {1, 2, 3, 4};
    const unsigned char constant[3] = {1, 2, 3};
    const char whole[3] = {'a', 'b', 'c'};
    const std::uint32_t words[2] = {1, 2};
    EXPECT_EQ(size_of("text"), 4u);
    EXPECT_EQ(size_of(""), 0u);
    EXPECT_EQ(size_of("a\0b"), 3u);
    EXPECT_EQ(size_of(text), 16u);
    EXPECT_EQ(size_of(static_cast<const char *>(text)), 4u);
    char *pointer = text;
    EXPECT_EQ(size_of(pointer), 4u);
    EXPECT_EQ(size_of(std::string_view(text)), 4u);
    EXPECT_EQ(size_of(raw), 4u);
    EXPECT_EQ(size_of(constant), 3u);
    EXPECT_EQ(size_of(whole), 3u);
    EXPECT_EQ(size_of(words), 8u);
    EXPECT_EQ(size_of(std::string("temporary")), 9u);
    EXPECT_EQ(size_of(std::vector<int>(3)), 3 * sizeof(int));
    EXPECT_EQ(size_of({text, 2}), 2u);
    EXPECT_EQ(size_of_room(text), 16u);
    EXPECT_EQ(size_of_room(raw), 4u);
}

class Pair : public ::testing::Test {
  public:
    Pair() {
        int fds[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        a = evloop::stream(w.loop, fds[0]);
        b = evloop::stream(w.loop, fds[1]);
    }
    World w;
    evloop::stream a, b;
};

TEST_F(Pair, WhatIsReadIntoAnArrayIsWrittenFromIt) {
    run(w, [](Pair &p) -> task<> {
        unsigned char data[4];
        p.a.write("abcd");
        co_await p.b.read_exactly(data);
        p.b.write(data);
        EXPECT_EQ(co_await p.a.read(), "abcd");
    }(*this));
}

// Nothing would be taken for the end of the stream.
TEST_F(Pair, AReadOfNothingIsRefused) {
    run(w, [](Pair &p) -> task<> {
        std::vector<char> none;
        p.a.write("data");
        const auto into = co_await evloop::as_result(p.b.read(none));
        const auto string = co_await evloop::as_result(p.b.read(std::size_t(0)));
        EXPECT_EQ(into.code(), EVL_EINVAL);
        EXPECT_EQ(string.code(), EVL_EINVAL);
        EXPECT_EQ(co_await p.b.read(), "data");
    }(*this));
}

// --- loops and clocks ------------------------------------------------------------------------------

TEST(Values, AreMadeOnALoopThatIsAnObject) {
    evloop::loop loop;
    evloop::queue<int> queue(loop, 2);
    evloop::semaphore semaphore(loop, 3);
    evloop::event event(loop);
    evloop::lock lock(loop);
    evloop::barrier barrier(loop, 2);
    evloop::future<int> future(loop);
    evloop::executor pool(loop, 1);
    evloop::scope scope(loop);
    EXPECT_EQ(queue.try_put(1), 0);
    EXPECT_EQ(semaphore.value(), 3u);
}

TEST(Values, RunTakesTheOptionsOfALoop) {
    const auto backend = []() -> task<std::string> { co_return evloop::this_loop().backend(); };
    EXPECT_EQ(evloop::run(backend(), {.backend = "select"}), "select");
}

TEST(Values, TheSteadyClockSaysUntilWhen) {
    World w; // whose own clock jumps
    run(w, []() -> task<> {
        const evloop::time_point before = evloop::this_loop().time();
        co_await evloop::sleep_until(std::chrono::steady_clock::now() + 1h);
        EXPECT_GT(evloop::this_loop().time() - before, 59min);
        co_await evloop::sleep_until(std::chrono::steady_clock::time_point::min());
        const auto late = co_await evloop::as_result(
            evloop::timeout_at(std::chrono::steady_clock::now() + 1h, evloop::sleep(24h)));
        EXPECT_EQ(late.code(), EVL_ETIMEDOUT);
        EXPECT_LT(evloop::this_loop().time() - before, 3h);
        co_await evloop::timeout_at(std::chrono::steady_clock::time_point::max(), evloop::sleep(24h));
    }());
}

TEST(Values, ANamedAwaitableIsAwaitedWhereItIs) {
    World w;
    run(w, []() -> task<> {
        evloop::queue<std::unique_ptr<int>> queue(1);
        auto put = queue.put(std::make_unique<int>(1));
        co_await put;
        auto get = queue.get();
        const std::unique_ptr<int> got = co_await get;
        EXPECT_EQ(*got, 1);
        auto job = evloop::run_in_executor([] { return 2; });
        const int two = co_await job;
        EXPECT_EQ(two, 2);
        auto nap = evloop::sleep(1ms);
        co_await nap;
        co_await nap; // again, as long
        auto result = evloop::as_result(queue.get());
        auto late = evloop::timeout(1ms, result);
        const auto none = co_await as_result(std::move(late));
        EXPECT_EQ(none.code(), EVL_ETIMEDOUT);
        auto put_two = queue.put(std::make_unique<int>(5)), put_three = queue.put(nullptr);
        auto get_two = queue.get();
        auto [nothing, five] = co_await evloop::gather(put_two, std::move(get_two));
        EXPECT_EQ(*five, 5);
        evloop::event event;
        event.set();
        auto wait = event.wait();
        co_await wait;
        co_await wait;
        co_await put_three;
    }());
}

TEST(Values, WhatHasBeenHandedOverIsNotHandedOverAgain) {
    World w;
    run(w, []() -> task<> {
        evloop::queue<std::string> queue;
        auto put = queue.put("x");
        co_await put;
        const auto again = co_await as_result(queue.get());
        EXPECT_EQ(*again, "x");
        const std::string end = co_await how<decltype(put) &>(put);
        EXPECT_EQ(end, evl_strerror(EVL_EALREADY));
        int runs = 0;
        auto job = evloop::run_in_executor([&runs] { return ++runs; });
        const int once = co_await job;
        const std::string twice = co_await how<decltype(job) &>(job);
        EXPECT_EQ(twice, evl_strerror(EVL_EALREADY));
        EXPECT_EQ(once + runs, 2);
    }());
}

} // namespace
