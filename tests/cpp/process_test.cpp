// process_test.cpp - children and datagrams from coroutines.
#include "world.hpp"

#include <evloop.hpp>
#include <evloop/process.hpp>
#include <evloop/udp.hpp>

#include <array>
#include <csignal>
#include <gtest/gtest.h>
#include <string>

using namespace std::chrono_literals;
using evloop::task;
namespace stdio = evloop::stdio;

namespace {

static_assert(std::is_nothrow_move_constructible_v<evloop::process> &&
              !std::is_copy_constructible_v<evloop::process>);
static_assert(std::is_nothrow_move_constructible_v<evloop::udp> &&
              !std::is_copy_constructible_v<evloop::udp>);

TEST(Process, CommunicatesAndTellsItsStatus) {
    evloop::run([]() -> task<> {
        evloop::process sort =
            evloop::start_process({"sh", "-c", "sort; echo to the error >&2; exit 3"},
                                  {.in = stdio::pipe_to, .out = stdio::pipe_from, .err = stdio::pipe_from});
        EXPECT_GT(sort.pid(), 0);
        const evloop::process_output done = co_await sort.communicate("3\n1\n2\n");
        EXPECT_EQ(done.status, 3);
        EXPECT_EQ(done.out, "1\n2\n3\n");
        EXPECT_EQ(done.err, "to the error\n");
        EXPECT_EQ(sort.exit_code(), 3);
        EXPECT_EQ(sort.signal(), 0);
    }());
}

TEST(Process, ThatDoesNotReadEverythingIsNoError) {
    evloop::run([]() -> task<> {
        evloop::process child =
            evloop::start_process({"true"}, {.in = stdio::pipe_to, .out = stdio::pipe_from});
        const evloop::process_output done = co_await child.communicate(std::string(1 << 20, 'x'));
        EXPECT_EQ(done.status, 0);
    }());
}

TEST(Process, IsKilledAndWaitedForByMany) {
    evloop::run([]() -> task<> {
        evloop::process child = evloop::start_process({"sleep", "100"});
        auto waiter = evloop::spawn(
            [](evloop::process &child) -> task<std::int32_t> { co_return co_await child.wait(); }(child));
        const auto late = co_await evloop::as_result(evloop::timeout(1ms, child.wait()));
        EXPECT_EQ(late.error(), std::errc::timed_out);
        child.kill(SIGTERM);
        const std::int32_t status = co_await child.wait();
        EXPECT_EQ(status, 128 + SIGTERM);
        EXPECT_EQ(co_await waiter, 128 + SIGTERM);
        EXPECT_EQ(child.signal(), SIGTERM);
        EXPECT_THROW(child.kill(SIGTERM), std::system_error);
    }());
}

TEST(Process, TakesItsEnvironmentAndDirectory) {
    evloop::run([]() -> task<> {
        evloop::process child = evloop::start_process(
            {"sh", "-c", "echo $WORD; pwd"},
            {.out = stdio::pipe_from, .env = std::vector<std::string>{"WORD=hello"}, .cwd = "/"});
        const evloop::process_output done = co_await child.communicate();
        EXPECT_EQ(done.out, "hello\n/\n");
        EXPECT_EQ(evloop::process::make(evloop::this_loop(), {"/nonexistent"}).code(), EVL_ENOENT);
    }());
}

TEST(Udp, SendsAndReceives) {
    evloop::run([]() -> task<> {
        evloop::udp a = evloop::open_udp(evloop::address::parse("127.0.0.1"));
        evloop::udp b = evloop::open_udp(evloop::address::parse("127.0.0.1"));
        a.send("to b", b.local());
        std::array<char, 100> data{};
        const auto [size, from] = co_await b.receive(data);
        EXPECT_EQ(std::string_view(data.data(), size), "to b");
        EXPECT_EQ(from, a.local());
        b.connect(from);
        EXPECT_EQ(b.peer(), from);
        b.send("and back");
        co_await b.drain();
        co_await b.flush();
        const evloop::datagram_string back = co_await a.receive();
        EXPECT_EQ(back.data, "and back");
        EXPECT_EQ(back.from, b.local());
        const auto late = co_await evloop::as_result(evloop::timeout(1ms, a.receive()));
        EXPECT_EQ(late.error(), std::errc::timed_out);
        b.send("kept");
        const evloop::datagram_string kept = co_await a.receive(4);
        EXPECT_EQ(kept.data, "kept");
        b.send("too long");
        const auto cut = co_await evloop::as_result(a.receive(3));
        EXPECT_EQ(cut.code(), EVL_EMSGSIZE);
    }());
}

TEST(Udp, IsPushed) {
    evloop::run([]() -> task<> {
        evloop::udp a = evloop::open_udp(evloop::address::parse("127.0.0.1"));
        evloop::udp b = evloop::open_udp();
        std::string got;
        a.on_data([&](std::int64_t n) {
            got += std::string(a.data()) + std::to_string(n) + " ";
            EXPECT_EQ(a.from().port(), b.local().port());
        });
        b.send("x", a.local());
        b.send("yz", a.local());
        co_await evloop::sleep(2ms);
        EXPECT_EQ(got, "x1 yz2 ");
        EXPECT_EQ(a.queued(), 0u);
        EXPECT_GE(a.fd(), 0);
    }());
}

TEST(Process, KeepsNoMoreThanItsLimits) {
    evloop::run([]() -> task<> {
        const evloop::process_options pipes{
            .in = stdio::pipe_to, .out = stdio::pipe_from, .err = stdio::pipe_from};
        evloop::process child = evloop::start_process({"sh", "-c", "cat; echo 123456 >&2; exit 2"}, pipes);
        evloop::output_limits limits{.out = 4, .err = 100};
        const evloop::process_output done = co_await child.communicate("hello\n", limits);
        EXPECT_EQ(done.status, 2);
        EXPECT_EQ(done.out, "hell");
        EXPECT_EQ(done.err, "123456\n");
        EXPECT_EQ(done.dropped, 2u);

        evloop::process killed = evloop::start_process({"sleep", "100"}, pipes);
        limits.kill = true;
        const auto late = co_await evloop::as_result(evloop::timeout(1ms, killed.communicate("", limits)));
        EXPECT_EQ(late.error(), std::errc::timed_out);
        const std::int32_t status = co_await killed.wait();
        EXPECT_EQ(status, 128 + SIGKILL);
    }());
}

} // namespace
