// stream_test.cpp - streams, connections, servers and addresses from coroutines and as objects.
#include "allocations.hpp"
#include "world.hpp"

#include <evloop.hpp>
#include <evloop/server.hpp>

#include <array>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <vector>

using namespace std::chrono_literals;
using evloop::stream;
using evloop::task;

namespace {

static_assert(std::is_nothrow_move_constructible_v<stream> && !std::is_copy_constructible_v<stream>);
static_assert(std::is_nothrow_move_constructible_v<evloop::server>);
static_assert(std::is_nothrow_default_constructible_v<stream>);

// Two ends on the loop of the running task.
struct Ends {
    stream a, b;
    Ends() {
        int fds[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        a = stream(evloop::this_loop(), fds[0]);
        b = stream(evloop::this_loop(), fds[1]);
    }
};

template <class F>
std::int32_t code_of(F &&fn) {
    try {
        fn();
    } catch (const std::system_error &error) {
        return error.code().value();
    }
    return 0;
}

// --- reading -------------------------------------------------------------------------------------

TEST(Stream, ReadsIntoStrings) {
    evloop::run([]() -> task<> {
        Ends e;
        e.a.write("one\ntwo\nthree;four 12345 and the rest");
        e.a.write_eof();
        EXPECT_EQ(co_await e.b.read_line(), "one\n");
        EXPECT_EQ(co_await e.b.read(2), "tw");
        EXPECT_EQ(co_await e.b.read_line(), "o\n");
        EXPECT_EQ(co_await e.b.read_until(";"), "three;");
        EXPECT_EQ(co_await e.b.read_exactly(5), "four ");
        EXPECT_EQ(co_await e.b.read_until(std::string("5")), "12345");
        EXPECT_EQ(co_await e.b.read_all(), " and the rest");
        EXPECT_EQ(co_await e.b.read_all(), "");
        EXPECT_EQ(co_await e.b.read(), ""); // the end
        EXPECT_EQ(co_await e.b.read_line(), "");
    }());
}

TEST(Stream, ReadsIntoRoomsWithoutAllocating) {
    evloop::run([]() -> task<> {
        Ends e;
        std::array<char, 8> text{};
        std::vector<std::uint16_t> words(2);
        for (int warm = 0; warm < 2; warm++) { // the second time everything is there
            const std::uint64_t before = support::allocations();
            e.a.write("a\nfive12345678");
            const std::size_t line = co_await e.b.read_line(text);
            EXPECT_EQ(std::string_view(text.data(), line), "a\n");
            const std::size_t exact = co_await e.b.read_exactly(words);
            EXPECT_EQ(exact, 4u);
            const std::size_t some = co_await e.b.read(text);
            EXPECT_EQ(some, 8u);
            if (warm != 0) {
                EXPECT_EQ(support::allocations() - before, 0u);
            }
        }
        EXPECT_EQ(std::string(reinterpret_cast<const char *>(words.data()), 4), "five");
    }());
}

TEST(Stream, WhatEndsTooEarlyOrIsTooLongStays) {
    evloop::run([]() -> task<> {
        Ends e;
        e.a.write("0123456789\n");
        const auto line = co_await evloop::as_result(e.b.read_line(4));
        EXPECT_EQ(line.code(), EVL_EMSGSIZE);
        e.a.write_eof();
        const auto exact = co_await evloop::as_result(e.b.read_exactly(100));
        EXPECT_EQ(exact.code(), EVL_EEOF);
        EXPECT_EQ(e.b.peek(), "0123456789\n");
        e.b.consume(5);
        e.b.unread("abc");
        EXPECT_EQ(co_await e.b.read_all(), "abc56789\n");
    }());
}

TEST(Stream, ACancelledReadHasTakenNothing) {
    evloop::run([]() -> task<> {
        Ends e;
        auto reader = evloop::spawn([](stream &s) -> task<std::string> { co_return co_await s.read(); }(e.b));
        co_await evloop::sleep(1us);
        reader.cancel();
        e.a.write("kept");
        co_await evloop::sleep(1us);
        EXPECT_TRUE(reader.is_cancelled());
        EXPECT_EQ(co_await e.b.read(), "kept");
        auto destroyed = evloop::spawn([](stream &s) -> task<> { co_await s.read(); }(e.b));
        co_await evloop::sleep(1us);
        destroyed = {};
        e.a.write("too");
        EXPECT_EQ(co_await e.b.read(), "too");
    }());
}

TEST(Stream, TheAwaitOfAStreamThatIsClosedFails) {
    evloop::run([]() -> task<> {
        Ends e;
        auto reader = evloop::spawn([](stream &s) -> task<std::int32_t> {
            co_return (co_await evloop::as_result(s.read())).code();
        }(e.b));
        co_await evloop::sleep(1us);
        e.b.close();
        const std::int32_t code = co_await reader;
        EXPECT_EQ(code, EVL_ECLOSED);
        EXPECT_FALSE(e.b);
        const auto again = co_await evloop::as_result(e.b.read());
        EXPECT_EQ(again.code(), EVL_EINVAL);
    }());
}

TEST(Stream, IsPushed) {
    evloop::run([]() -> task<> {
        Ends e;
        std::string got;
        int ends = 0;
        e.b.on_data([&, &s = e.b](std::int64_t n) {
            got += s.peek();
            if (n == 0)
                ends++;
        });
        e.a.write("pushed ");
        co_await evloop::sleep(1ms);
        stream moved = std::move(e.b); // its function finds it, and refers to the one that is no more
        e.b = std::move(moved);
        e.a.write("twice");
        co_await evloop::sleep(1ms);
        e.b.pause();
        e.a.write("!");
        co_await evloop::sleep(1ms);
        EXPECT_EQ(got, "pushed twice");
        e.b.resume();
        e.a.close();
        co_await evloop::sleep(1ms);
        EXPECT_EQ(got, "pushed twice!");
        EXPECT_EQ(ends, 1);
        EXPECT_EQ(code_of([&] { e.b.on_data([] {}); }) <= 0, true);
    }());
}

TEST(Stream, MayBeClosedInItsFunction) {
    evloop::run([]() -> task<> {
        Ends e;
        auto mine = std::make_unique<stream>(std::move(e.b));
        bool called = false;
        mine->on_data([&called, &mine, word = std::make_unique<int>(3)] {
            mine.reset();
            called = *word == 3;
        });
        e.a.write("x");
        co_await evloop::sleep(1ms);
        EXPECT_TRUE(called);
        EXPECT_EQ(co_await e.a.read(), "");
    }());
}

// --- writing and ending --------------------------------------------------------------------------

TEST(Stream, WritesInOrderWhateverTheWay) {
    evloop::run([]() -> task<> {
        Ends e;
        const std::string large(1 << 20, 'x');
        e.a.write(std::vector<char>{'a', 'b'});
        e.a.write_static("cd");
        e.a.write(large);
        e.a.write_owned(std::string(100, 'o'));
        e.a.write_owned("");
        EXPECT_GT(e.a.queued(), 0u);
        auto drained = evloop::spawn([](stream &s) -> task<> {
            co_await s.drain();
            co_await s.flush();
            s.write_eof();
        }(e.a));
        const std::string all = co_await e.b.read_all();
        co_await drained;
        EXPECT_EQ(all, "abcd" + large + std::string(100, 'o'));
        EXPECT_EQ(e.a.info().bytes_out, all.size());
        EXPECT_EQ(code_of([&] { e.a.write("after the end"); }), EVL_EPIPE);
        EXPECT_EQ(code_of([&] { e.a.write_owned("after the end"); }), EVL_EPIPE);
    }());
}

TEST(Stream, SendsAFile) {
    evloop::run([]() -> task<> {
        Ends e;
        std::FILE *file = std::tmpfile();
        std::fputs("from a file", file);
        std::fflush(file);
        const std::int64_t sent = co_await e.a.sendfile(fileno(file), 5);
        EXPECT_EQ(sent, 6);
        EXPECT_EQ(co_await e.b.read(), "a file");
        std::fclose(file);
    }());
}

TEST(Stream, ShutsDownAndAborts) {
    evloop::run([]() -> task<> {
        Ends e;
        e.a.write("last words");
        auto other = evloop::spawn(
            [](stream s) -> task<std::string> { co_return co_await s.read_all(); }(std::move(e.b)));
        co_await e.a.shutdown();
        const std::string words = co_await other;
        EXPECT_EQ(words, "last words");
        e.a.abort();
        EXPECT_FALSE(e.a);
        e.a.abort();
    }());
}

TEST(Stream, OutlivesItsLoop) {
    stream kept;
    evloop::run([](stream &kept) -> task<> {
        Ends e;
        kept = std::move(e.a);
        kept.on_data([] {});
        co_return;
    }(kept));
    EXPECT_TRUE(kept);
    EXPECT_EQ(code_of([&] { kept.write("x"); }), EVL_ECLOSED);
    kept.abort();
}

// --- connecting and serving ----------------------------------------------------------------------

task<> echo(stream s) {
    for (;;) {
        const std::string line = co_await s.read_line();
        if (line.empty())
            co_return;
        s.write(line);
        co_await s.drain();
    }
}

task<std::string> ask(evloop::address to, std::string what) {
    stream s = co_await evloop::open_connection(to);
    s.write(what);
    s.write_eof();
    co_return co_await s.read_all();
}

TEST(Server, ServesByATaskForEachConnection) {
    evloop::run([]() -> task<> {
        evloop::server server = evloop::listen("127.0.0.1", 0);
        EXPECT_EQ(server.sockets(), 1);
        EXPECT_GT(server.port(), 0);
        auto serving = evloop::spawn(server.serve(echo));
        auto first = evloop::spawn(ask(server.local(), "first\n"));
        auto second = evloop::spawn(ask(server.local(), "second\nsecond\n"));
        EXPECT_EQ(co_await first, "first\n");
        EXPECT_EQ(co_await second, "second\nsecond\n");
        server.stop();
        co_await serving;
        co_await server.idle();
        EXPECT_EQ(server.sockets(), 0);
        const auto refused = co_await evloop::as_result(server.accept());
        EXPECT_EQ(refused.code(), EVL_ECLOSED);
    }());
}

TEST(Server, ServingIsCancelled) {
    evloop::run([]() -> task<> {
        evloop::server server = evloop::listen("127.0.0.1", 0);
        auto serving = evloop::spawn(server.serve(echo));
        co_await evloop::sleep(1ms);
        serving.cancel();
        co_await evloop::sleep(1ms);
        EXPECT_TRUE(serving.is_cancelled());
        EXPECT_EQ(server.sockets(), 1); // and may go on
    }());
}

// Each has its own copy of the captures and of what it takes by value; what it takes as `T &` is the await's.
TEST(Server, ServesByALambdaWithCapturesAndWithArguments) {
    evloop::run([]() -> task<> {
        evloop::server server = evloop::listen("127.0.0.1", 0);
        int calls = 0;
        const std::string prefix = "a prefix that is too long to be stored in place: ";
        const auto handler = [prefix, &calls](stream s, const std::string &suffix, int &shared) -> task<> {
            calls++;
            shared++;
            const std::string line = co_await s.read_line();
            s.write(prefix + line + suffix + std::to_string(shared));
            co_await s.flush();
        };
        auto serving = evloop::spawn(server.serve(handler, std::string("suffix "), 0));
        for (const char *count : {"1", "2"}) {
            const std::string answer = co_await ask(server.local(), "line\n");
            EXPECT_EQ(answer, prefix + "line\nsuffix " + count);
        }
        server.stop();
        co_await serving;
        EXPECT_EQ(calls, 2);
    }());
}

TEST(Server, ServesByALambdaThatIsMovedIn) {
    evloop::run([]() -> task<> {
        evloop::server server = evloop::listen("127.0.0.1", 0);
        const std::string prefix = "a prefix that is too long to be stored in place: ";
        auto handler = [prefix](stream s) -> task<> {
            const std::string line = co_await s.read_line();
            s.write(prefix + line);
            co_await s.flush();
        };
        auto clients = evloop::spawn([](evloop::server &server) -> task<std::string> {
            std::string answer = co_await ask(server.local(), "line\n");
            server.stop();
            co_return answer;
        }(server));
        co_await server.serve(evloop::moved(handler));
        const std::string answer = co_await clients;
        EXPECT_EQ(answer, prefix + "line\n");
    }());
}

TEST(Server, TheTasksOfItsConnectionsEndWithTheAwait) {
    int live = 0, reported = 0;
    evloop::run(
        [](int &live) -> task<> {
            const auto handler = [&live](stream s) -> task<> {
                struct Lives {
                    int &live;
                    ~Lives() { live--; }
                } lives{++live};
                const std::string line = co_await s.read_line();
                if (line == "fail\n")
                    throw std::runtime_error("of one");
                co_await evloop::sleep(1h);
            };
            for (const bool destroyed : {false, true}) {
                evloop::server server = evloop::listen("127.0.0.1", 0);
                auto serving = evloop::spawn(server.serve(handler));
                stream a = co_await evloop::open_connection(server.local());
                stream b = co_await evloop::open_connection(server.local());
                while (live < 2)
                    co_await evloop::sleep(1ms);
                a.write("fail\n");
                while (live > 1) // the other goes on
                    co_await evloop::sleep(1ms);
                if (destroyed) {
                    serving = {};
                } else {
                    serving.cancel();
                    while (!serving.done())
                        co_await evloop::sleep(1ms);
                }
                EXPECT_EQ(live, 0);
            }
        }(live),
        [&](const std::exception_ptr &) { reported++; });
    EXPECT_EQ(reported, 2);
}

TEST(Server, AcceptsByAFunction) {
    evloop::run([]() -> task<> {
        evloop::server server = evloop::listen("127.0.0.1", 0);
        std::vector<stream> accepted;
        server.on_connection([&, &server = server] {
            while (auto s = server.try_accept())
                accepted.push_back(*std::move(s));
        });
        stream a = co_await evloop::open_connection("127.0.0.1", server.port());
        stream b = co_await evloop::open_connection("localhost", std::to_string(server.port()),
                                                    {.flags = EVL_NAME_IPV4});
        co_await evloop::sleep(1ms);
        EXPECT_EQ(accepted.size(), 2u);
        EXPECT_EQ(server.connections(), 2);
        EXPECT_EQ(a.peer().port(), server.port());
        EXPECT_EQ(a.local(), accepted[0].peer());
        EXPECT_EQ(server.try_accept().code(), EVL_EAGAIN);
        server.abort_clients();
    }());
}

TEST(Server, OfAUnixPath) {
    evloop::run([]() -> task<> {
        const auto path = evloop::address::parse("@evloop-cpp-test");
        EXPECT_EQ(path.family(), evloop::family::unix_path);
        evloop::server server = evloop::listen(path);
        auto serving = evloop::spawn(server.serve(echo));
        EXPECT_EQ(co_await ask(path, "by path\n"), "by path\n");
    }());
}

TEST(Connect, SaysWhyNot) {
    evloop::run([]() -> task<> {
        std::uint16_t port = 0;
        {
            evloop::server server = evloop::listen("127.0.0.1", 0);
            port = server.port();
        }
        const auto refused = co_await evloop::as_result(evloop::open_connection("127.0.0.1", port));
        EXPECT_EQ(refused.error(), std::errc::connection_refused);
        const auto unknown = co_await evloop::as_result(evloop::open_connection("nowhere.invalid", "http"));
        EXPECT_LT(unknown.code(), 0);
        auto cancelled = evloop::spawn(
            [](std::uint16_t port) -> task<> { co_await evloop::open_connection("127.0.0.1", port); }(port),
            evloop::begin::now);
        cancelled.cancel();
        co_await evloop::sleep(1ms);
        EXPECT_TRUE(cancelled.is_cancelled());
    }());
}

// --- addresses -----------------------------------------------------------------------------------

TEST(Address, FromTextAndToText) {
    const auto v4 = evloop::address::parse("127.0.0.1", 80);
    EXPECT_EQ(v4.family(), evloop::family::ipv4);
    EXPECT_EQ(v4.port(), 80);
    EXPECT_EQ(v4.text(), "127.0.0.1:80");
    EXPECT_EQ(v4.host(), "127.0.0.1");
    const auto v6 = evloop::address::parse("::1", 80);
    EXPECT_EQ(v6.text(), "[::1]:80");
    EXPECT_NE(v4, v6);
    EXPECT_EQ(v4, evloop::address::parse("127.0.0.1", 80));
    EXPECT_EQ(evloop::address::make("not one").code(), EVL_EINVAL);
    EXPECT_FALSE(evloop::address());
    EXPECT_EQ(evloop::address().text(), "");
    EXPECT_EQ(evloop::address().family(), evloop::family::none);
}

TEST(Address, IsLookedUpBothWays) {
    evloop::run([]() -> task<> {
        const evloop::addresses found = co_await evloop::lookup("127.0.0.1", "80");
        EXPECT_EQ(found.size(), 1);
        int n = 0;
        for (evloop::address_view address : found) {
            EXPECT_EQ(address.text(), "127.0.0.1:80");
            n++;
        }
        EXPECT_EQ(n, 1);
        const evloop::names names =
            co_await evloop::reverse_lookup(found[0], EVL_NAME_NUMERIC_HOST | EVL_NAME_NUMERIC_SERVICE);
        EXPECT_EQ(names.host + " " + names.service, "127.0.0.1 80");
        const auto none = co_await evloop::as_result(evloop::lookup("not a name"));
        EXPECT_LT(none.code(), 0);
    }());
}

// --- several pieces, timeouts, options ------------------------------------------------------------

TEST(Stream, WritesSeveralPiecesAtOnce) {
    evloop::run([]() -> task<> {
        Ends e;
        const std::string head = "head ";
        const std::array<char, 4> body{'b', 'o', 'd', 'y'};
        e.a.write_all({head, body, " end\n"});
        const std::string line = co_await e.b.read_line();
        EXPECT_EQ(line, "head body end\n");
        e.a.write_all({});
        e.a.write_all({"", ""});
        std::vector<evloop::bytes> many(3000, evloop::bytes("xy")); // more than C takes at once
        e.a.write_all(many);
        const std::string all = co_await e.b.read_exactly(6000);
        EXPECT_EQ(all.substr(5998), "xy");
        e.a.write_eof();
        EXPECT_EQ(code_of([&] { e.a.write_all({head, head}); }), EVL_EPIPE);
        EXPECT_EQ(e.a.try_write(head), EVL_EPIPE);
        EXPECT_EQ(e.a.try_write_all({head, head}), EVL_EPIPE);
        EXPECT_EQ(e.b.try_write(head), 0);
        EXPECT_EQ(e.b.try_write_all({head, "\n"}), 0);
        const std::string tried = co_await e.a.read_line();
        EXPECT_EQ(tried, "head head \n");
        e.a.close();
        EXPECT_EQ(code_of([&] { e.a.write_all({head, head}); }), EVL_EINVAL);
    }());
}

TEST(Stream, HasTimeouts) {
    evloop::run([]() -> task<> {
        Ends e;
        e.b.set_read_timeout(1ms);
        const auto late = co_await evloop::as_result(e.b.read());
        EXPECT_EQ(late.code(), EVL_ETIMEDOUT);
        EXPECT_EQ(e.b.info().timed_out, std::uint32_t{EVL_READ});
        e.b.set_read_timeout(0s);
        e.b.set_idle_timeout(1ms);
        const auto idle = co_await evloop::as_result(e.b.read());
        EXPECT_EQ(idle.code(), EVL_ETIMEDOUT);
        e.b.set_idle_timeout(0s);
        e.a.set_write_timeout(1ms);
        e.a.write(std::string(8 << 20, 'x')); // until the kernel takes no more
        const auto stuck = co_await evloop::as_result(e.a.flush());
        EXPECT_EQ(stuck.code(), EVL_ETIMEDOUT);
        const std::string still = co_await e.b.read(3);
        EXPECT_EQ(still, "xxx") << "the stream goes on";
        EXPECT_EQ(code_of([&] { e.a.set_write_timeout(-1s); }), EVL_EINVAL);
        e.a.abort();
    }());
}

TEST(Stream, IsReadWithoutWaiting) {
    evloop::run([]() -> task<> {
        Ends e;
        std::array<char, 4> room{};
        EXPECT_EQ(e.b.try_read(room).code(), EVL_EAGAIN);
        e.a.write("abcdef");
        const auto four = e.b.try_read(room), two = e.b.try_read(room);
        EXPECT_EQ(*four, 4u);
        EXPECT_EQ(*two, 2u);
        e.a.close();
        const auto end = e.b.try_read(room);
        EXPECT_EQ(*end, 0u);
        co_return;
    }());
}

TEST(Stream, PushesFromItsMarkOn) {
    evloop::run([]() -> task<> {
        Ends e;
        std::string got;
        e.b.on_data([&] {
            got += e.b.peek();
            got += '|';
        });
        e.b.set_read_mark(4);
        e.a.write("ab");
        co_await evloop::sleep(1ms);
        EXPECT_EQ(got, "");
        e.a.write("cd");
        while (got.empty())
            co_await evloop::sleep(1ms);
        EXPECT_EQ(got, "abcd|");
        e.a.write("ef");
        e.a.write_eof();
        while (got.find("ef") == std::string::npos)
            co_await evloop::sleep(1ms);
    }());
}

TEST(Stream, GivesItsFdUp) {
    evloop::run([]() -> task<> {
        Ends e;
        e.a.write("line\nand the rest");
        const std::string line = co_await e.b.read_line();
        EXPECT_EQ(line, "line\n");
        const evl_fd fd = e.b.fd();
        evloop::result<evloop::detached_stream> taken = e.b.detach();
        EXPECT_EQ(taken->fd, fd);
        EXPECT_EQ(taken->unread, "and the rest");
        EXPECT_FALSE(e.b);
        EXPECT_EQ(e.b.detach().code(), EVL_EINVAL);
        stream again(evloop::this_loop(), taken->fd);
        e.a.write(".");
        const std::string more = co_await again.read();
        EXPECT_EQ(more, ".");
        again.write(std::string(8 << 20, 'x'));
        EXPECT_EQ(again.detach().code(), EVL_EBUSY) << "more than the kernel takes is queued";
        EXPECT_TRUE(again);
        again.abort();
    }());
}

TEST(Stream, PassesFds) {
    evloop::run([]() -> task<> {
        Ends e;
        Ends passed;
        e.b.receive_fds(2);
        EXPECT_EQ(e.b.take_fd().code(), EVL_EAGAIN);
        const std::array<evl_fd, 2> fds{passed.a.fd(), passed.b.fd()};
        e.a.write_fds("two", fds);
        const std::string word = co_await e.b.read();
        EXPECT_EQ(word, "two");
        stream one(evloop::this_loop(), *e.b.take_fd());
        stream other(evloop::this_loop(), *e.b.take_fd());
        EXPECT_EQ(e.b.take_fd().code(), EVL_EAGAIN);
        one.write("hello\n");
        const std::string line = co_await other.read_line();
        EXPECT_EQ(line, "hello\n");
        EXPECT_EQ(code_of([&] { e.a.write_fds("none", {}); }), EVL_EINVAL);
        EXPECT_EQ(code_of([&] { stream().receive_fds(1); }), EVL_EINVAL);
    }());
}

TEST(Stream, SplicesToAnother) {
    evloop::run([]() -> task<> {
        Ends from, to;
        from.a.write("through");
        from.a.write_eof();
        const std::int64_t n = co_await from.b.splice(to.a);
        EXPECT_EQ(n, 7);
        to.a.write_eof();
        const std::string all = co_await to.b.read_all();
        EXPECT_EQ(all, "through");
    }());
}

TEST(Stream, SocketsHaveOptions) {
    evloop::run([]() -> task<> {
        evloop::server server = evloop::listen("127.0.0.1", 0);
        stream s = co_await evloop::open_connection(server.local());
        s.set_nodelay(false);
        EXPECT_EQ(s.option(EVL_STREAM_OPT_NODELAY), 0);
        s.set_keepalive(30s);
        EXPECT_EQ(s.option(EVL_STREAM_OPT_KEEPALIVE), 30);
        s.set_send_buffer(20000);
        s.set_receive_buffer(20000);
        EXPECT_GE(s.option(EVL_STREAM_OPT_SEND_BUFFER), 20000);
        EXPECT_GE(s.option(EVL_STREAM_OPT_RECEIVE_BUFFER), 20000);
        EXPECT_EQ(code_of([&] { s.set_keepalive(std::chrono::seconds::max()); }), EVL_EINVAL);
        EXPECT_EQ(stream().option(EVL_STREAM_OPT_NODELAY), EVL_EINVAL);
    }());
}

} // namespace
