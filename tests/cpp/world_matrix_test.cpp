// world_matrix_test.cpp - every await of streams, servers and datagrams, ended in every state: nothing leaks,
// nothing is touched after its end, and what had arrived is there for the next who asks.
#include "world.hpp"

#include <evloop.hpp>
#include <evloop/path.hpp>
#include <evloop/process.hpp>

#include <array>
#include <csignal>
#include <cstdio>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace std::chrono_literals;
using namespace support;
using evloop::stream;
using evloop::task;

namespace {

struct Things {
    explicit Things(World &world) : w(world), scope(world.loop) {
        int fds[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        a = stream(w.loop, fds[0]);
        b = stream(w.loop, fds[1]);
        a.set_linger(0s);
    }
    ~Things() {
        if (!path.empty())
            ::unlink(path.c_str());
        if (pid > 0) { // whoever outlives its loop
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    }
    void fill() { a.write(std::string(4 << 20, 'f')); }
    void drink() {
        b.on_data([] {});
    }
    void listen() { server = *evloop::server::make(w.loop, "127.0.0.1", "0"); }
    void knock() {
        const evloop::address to = server.local();
        Fd &fd = clients.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const evloop::address_view view = to;
        EXPECT_EQ(connect(fd, static_cast<const sockaddr *>(view.data()), view.length()), 0);
    }
    void start_child(const std::vector<std::string> &args, const evloop::process_options &options) {
        child = *evloop::process::make(w.loop, args, options);
        pid = child.pid();
    }
    void watch() {
        char name[] = "/tmp/evloop-matrix-XXXXXX";
        path_file = Fd(mkstemp(name));
        path = name;
        changes.emplace(name, w.loop);
    }
    void bind() {
        u = evloop::udp(w.loop, evloop::address::parse("127.0.0.1"));
        v = evloop::udp(w.loop);
    }

    // A socket of datagrams whose other end takes no more.
    void stuff() {
        int fds[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        u = *evloop::udp::take(w.loop, fds[0]);
        other_end = Fd(fds[1]);
        u.set_marks(1);
        for (int i = 0; i < 100'000 && u.queued() == 0; i++)
            u.send(std::string(1000, 'd'));
        u.send("one more");
        EXPECT_GT(u.queued(), 1u);
    }
    void unstuff() {
        drinks.emplace(w.loop, other_end, EVL_READ, [this] {
            char data[2000];
            while (::recv(other_end, data, sizeof data, 0) > 0) {
            }
        });
        drinks->keep_alive(false);
    }

    World &w;
    stream a, b, accepted;
    evloop::server server;
    evloop::udp u, v;
    Fd other_end;
    std::optional<evloop::io> drinks;
    std::vector<Fd> clients;
    evloop::process child;
    int pid = 0;
    stream to_child;
    Fd path_file;
    std::string path;
    std::optional<evloop::path_changes> changes;
    std::unique_ptr<FILE, int (*)(FILE *)> file{nullptr, std::fclose};
    evloop::scope scope;
};

struct Await {
    const char *name;
    void (*prepare)(Things &);
    task<std::string> (*wait)(Things &); // what it got
    void (*end)(Things &);
    const char *gets;    // by who asks after one that was cancelled or destroyed, too
    bool pending = true; // until `end`
    // Closes what it waits for, which ends it with EVL_ECLOSED. NULL: there is no such thing.
    void (*close)(Things &) = nullptr;
};

void close_a(Things &t) { t.a.close(); }
void close_u(Things &t) { t.u.close(); }
void close_server(Things &t) { t.server.close(); }

void nothing(Things &) {}

const Await awaits[] = {
    {"read", nothing, [](Things &t) -> task<std::string> { co_return co_await t.a.read(); },
     [](Things &t) { t.b.write("x"); }, "x", true, close_a},
    {"read_into", nothing,
     [](Things &t) -> task<std::string> {
         std::array<char, 16> room{};
         const std::size_t n = co_await t.a.read(room);
         co_return std::string(room.data(), n);
     },
     [](Things &t) { t.b.write("x"); }, "x", true, close_a},
    {"read_line_into", [](Things &t) { t.b.write("be"); },
     [](Things &t) -> task<std::string> {
         std::array<char, 16> room{};
         const std::size_t n = co_await t.a.read_line(room);
         co_return std::string(room.data(), n);
     },
     [](Things &t) { t.b.write("gun\nrest"); }, "begun\n", true, close_a},
    {"read_exactly", [](Things &t) { t.b.write("be"); },
     [](Things &t) -> task<std::string> { co_return co_await t.a.read_exactly(std::size_t(5)); },
     [](Things &t) { t.b.write("gunrest"); }, "begun", true, close_a},
    {"read_line", [](Things &t) { t.b.write("be"); },
     [](Things &t) -> task<std::string> { co_return co_await t.a.read_line(); },
     [](Things &t) { t.b.write("gun\nrest"); }, "begun\n", true, close_a},
    {"read_exactly_into", [](Things &t) { t.b.write("be"); },
     [](Things &t) -> task<std::string> {
         std::array<char, 5> room{};
         const std::size_t n = co_await t.a.read_exactly(room);
         co_return std::string(room.data(), n);
     },
     [](Things &t) { t.b.write("gunrest"); }, "begun", true, close_a},
    {"read_until", [](Things &t) { t.b.write("be"); },
     [](Things &t) -> task<std::string> { co_return co_await t.a.read_until("\r\n"); },
     [](Things &t) { t.b.write("gun\r\nrest"); }, "begun\r\n"},
    {"read_until_into", [](Things &t) { t.b.write("be"); },
     [](Things &t) -> task<std::string> {
         std::array<char, 16> room{};
         const std::size_t n = co_await t.a.read_until("\r\n", room);
         co_return std::string(room.data(), n);
     },
     [](Things &t) { t.b.write("gun\r\nrest"); }, "begun\r\n"},
    {"read_all", [](Things &t) { t.b.write("be"); },
     [](Things &t) -> task<std::string> { co_return co_await t.a.read_all(); },
     [](Things &t) {
         t.b.write("gun");
         t.b.write_eof();
     },
     "begun", true, close_a},
    {"drain", [](Things &t) { t.fill(); },
     [](Things &t) -> task<std::string> {
         co_await t.a.drain();
         co_return "drained";
     },
     [](Things &t) { t.drink(); }, "drained", true, close_a},
    {"flush", [](Things &t) { t.fill(); },
     [](Things &t) -> task<std::string> {
         co_await t.a.flush();
         co_return "flushed";
     },
     [](Things &t) { t.drink(); }, "flushed", true, close_a},
    {"sendfile",
     [](Things &t) {
         t.fill();
         t.file.reset(std::tmpfile());
         std::fputs("file", t.file.get());
         std::fflush(t.file.get());
     },
     [](Things &t) -> task<std::string> {
         const std::int64_t n = co_await t.a.sendfile(fileno(t.file.get()));
         co_return std::to_string(n);
     },
     [](Things &t) { t.drink(); }, "4", true, close_a},
    {"splice",
     [](Things &t) {
         int fds[2];
         EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
         t.accepted = stream(t.w.loop, fds[0]);
         t.other_end = Fd(fds[1]);
     },
     [](Things &t) -> task<std::string> {
         const std::int64_t n = co_await t.a.splice(t.accepted);
         co_return std::to_string(n);
     },
     [](Things &t) {
         t.b.write("spliced");
         t.b.write_eof();
     },
     "7", true, close_a},
    {"shutdown", nothing,
     [](Things &t) -> task<std::string> {
         co_await t.a.shutdown();
         co_return "shut down";
     },
     [](Things &t) { t.b.abort(); }, "shut down", true, close_a},
    {"accept", [](Things &t) { t.listen(); },
     [](Things &t) -> task<std::string> {
         t.accepted = co_await t.server.accept();
         co_return "accepted";
     },
     [](Things &t) { t.knock(); }, "accepted", true, close_server},
    {"connect", [](Things &t) { t.listen(); },
     [](Things &t) -> task<std::string> {
         t.accepted = co_await evloop::open_connection(t.server.local());
         co_return "connected";
     },
     nothing, "connected", false},
    {"connect_by_name", [](Things &t) { t.listen(); },
     [](Things &t) -> task<std::string> {
         t.accepted =
             co_await evloop::open_connection("localhost", t.server.port(), {.flags = EVL_NAME_IPV4});
         co_return "connected";
     },
     nothing, "connected", false},
    {"connect_to_what_was_looked_up", [](Things &t) { t.listen(); },
     [](Things &t) -> task<std::string> {
         evloop::addresses found = co_await evloop::lookup("127.0.0.1", std::to_string(t.server.port()));
         t.accepted = co_await evloop::open_connection(std::move(found));
         co_return "connected";
     },
     nothing, "connected", false},
    {"server_idle",
     [](Things &t) {
         t.listen();
         t.knock();
     },
     [](Things &t) -> task<std::string> {
         co_await t.server.idle();
         co_return "idle";
     },
     [](Things &t) { t.server.stop(); }, "idle"},
    {"receive", [](Things &t) { t.bind(); },
     [](Things &t) -> task<std::string> {
         std::array<char, 16> room{};
         const evloop::datagram got = co_await t.u.receive(room);
         co_return std::string(room.data(), got.size);
     },
     [](Things &t) { t.v.send("datagram", t.u.local()); }, "datagram", true, close_u},
    {"receive_string", [](Things &t) { t.bind(); },
     [](Things &t) -> task<std::string> {
         const evloop::datagram_string got = co_await t.u.receive();
         co_return got.data;
     },
     [](Things &t) { t.v.send("datagram", t.u.local()); }, "datagram", true, close_u},
    {"udp_drain", [](Things &t) { t.stuff(); },
     [](Things &t) -> task<std::string> {
         co_await t.u.drain();
         co_return "drained";
     },
     [](Things &t) { t.unstuff(); }, "drained", true, close_u},
    {"udp_flush", [](Things &t) { t.stuff(); },
     [](Things &t) -> task<std::string> {
         co_await t.u.flush();
         co_return "flushed";
     },
     [](Things &t) { t.unstuff(); }, "flushed", true, close_u},
    {"child",
     [](Things &t) {
         t.start_child({"sh", "-c", "read line; exit 3"}, {.in = evloop::stdio::pipe_to});
         t.to_child = t.child.pipe(0);
         t.to_child.set_linger(0s);
     },
     [](Things &t) -> task<std::string> {
         const std::int32_t status = co_await t.child.wait();
         co_return "exit " + std::to_string(status);
     },
     [](Things &t) { t.to_child.write("go\n"); }, "exit 3", true, [](Things &t) { t.child.close(); }},
    {"communicate",
     [](Things &t) {
         t.start_child({"sleep", "1000"}, {.in = evloop::stdio::pipe_to, .out = evloop::stdio::pipe_from});
     },
     [](Things &t) -> task<std::string> {
         const evloop::process_output done = co_await t.child.communicate();
         co_return "exit " + std::to_string(done.status);
     },
     [](Things &t) { t.child.kill(SIGTERM); }, "exit 143"},
    {"communicate_with_limits",
     [](Things &t) {
         t.start_child({"sleep", "1000"}, {.in = evloop::stdio::pipe_to, .out = evloop::stdio::pipe_from});
     },
     [](Things &t) -> task<std::string> {
         const evloop::output_limits limits;
         const evloop::process_output done = co_await t.child.communicate("unread", limits);
         co_return "exit " + std::to_string(done.status);
     },
     [](Things &t) { t.child.kill(SIGTERM); }, "exit 143", true, [](Things &t) { t.child.close(); }},
    {"path", [](Things &t) { t.watch(); },
     [](Things &t) -> task<std::string> {
         const std::uint32_t what = co_await t.changes->next();
         co_return what == EVL_PATH_CHANGED ? "changed" : "another";
     },
     [](Things &t) { t.path_file.put(); }, "changed"},
    {"lookup", nothing,
     [](Things &) -> task<std::string> {
         const evloop::addresses found = co_await evloop::lookup("127.0.0.1", "80");
         co_return found[0].text();
     },
     nothing, "127.0.0.1:80", false},
    {"reverse_lookup", nothing,
     [](Things &) -> task<std::string> {
         const evloop::address of = evloop::address::parse("127.0.0.1", 80);
         const evloop::names found =
             co_await evloop::reverse_lookup(of, EVL_NAME_NUMERIC_HOST | EVL_NAME_NUMERIC_SERVICE);
         co_return found.host + " " + found.service;
     },
     nothing, "127.0.0.1 80", false},
};

task<> witnessed(const Await &a, Things &t, std::string name) {
    const auto held = std::make_unique<int>(1);
    std::string outcome = "failed";
    try {
        outcome = co_await a.wait(t);
    } catch (const evloop::cancelled &) {
        t.w.note(name + ":cancelled");
        throw;
    } catch (const std::system_error &error) {
        outcome = error.code().message();
    }
    t.w.note(name + ":" + outcome);
}

class WorldMatrix : public ::testing::TestWithParam<std::size_t> {
  public:
    WorldMatrix() : a(awaits[GetParam()]) { a.prepare(*t); }

    void pass(int n) {
        for (int i = 0; i < n; i++)
            evl_loop_run(w.loop, EVL_RUN_NOWAIT);
    }
    void start() {
        job = t->scope.spawn(witnessed(a, *t, "a"));
        pass(2);
        if (a.pending) {
            EXPECT_FALSE(job.done());
        }
    }
    void finish() {
        for (int i = 0; i < 5'000'000 && !job.done(); i++)
            pass(1);
        EXPECT_TRUE(job.done());
    }
    // Who asks now gets what there is.
    void expect_nothing_lost() {
        w.clear();
        auto next = t->scope.spawn(witnessed(a, *t, "b"));
        for (int i = 0; i < 5'000'000 && !next.done(); i++)
            pass(1);
        EXPECT_EQ(w.log(), std::string("b:") + a.gets);
    }

    const Await &a;
    World w;
    std::optional<Things> t{std::in_place, w};
    evloop::spawned<> job;

    void TearDown() override {
        job = {};
        t.reset();
    }
};

TEST_P(WorldMatrix, Completes) {
    start();
    a.end(*t);
    for (int i = 0; i < 5'000'000 && !job.done(); i++)
        pass(1);
    EXPECT_EQ(w.log(), std::string("a:") + a.gets);
}

TEST_P(WorldMatrix, CompletesAtOnce) {
    a.end(*t);
    for (int i = 0; i < 3; i++)
        pass(1);
    job = t->scope.spawn(witnessed(a, *t, "a"));
    finish();
    EXPECT_EQ(w.log(), std::string("a:") + a.gets);
}

TEST_P(WorldMatrix, TimesOutWhileItWaits) {
    if (!a.pending)
        return;
    job = t->scope.spawn([](const Await &a, Things &t) -> task<> {
        const auto outcome = co_await evloop::as_result(evloop::timeout(1ms, a.wait(t)));
        t.w.note(evl_strerror(outcome.code()));
    }(a, *t));
    pass(2);
    evl_clock_advance(w.loop, ms);
    finish();
    EXPECT_EQ(w.log(), evl_strerror(EVL_ETIMEDOUT));
    a.end(*t);
    expect_nothing_lost();
}

TEST_P(WorldMatrix, ClosedWhileItWaits) {
    if (!a.close)
        return;
    start();
    a.close(*t);
    finish();
    EXPECT_EQ(w.log(), std::string("a:") + evl_strerror(EVL_ECLOSED));
}

TEST_P(WorldMatrix, ClosedWhenItMayBeQueued) {
    if (!a.close)
        return;
    start();
    a.end(*t);
    a.close(*t);
    finish();
    EXPECT_TRUE(job.done());
}

TEST_P(WorldMatrix, ClosedAndThenItsTaskIsDestroyed) {
    if (!a.close)
        return;
    start();
    a.close(*t);
    job = {};
    pass(2);
    EXPECT_EQ(w.log(), "");
}

TEST_P(WorldMatrix, NeverStartedAndDestroyed) {
    job = t->scope.spawn(witnessed(a, *t, "a"));
    job = {};
    {
        auto unawaited = a.wait(*t);
    }
    pass(2);
    EXPECT_EQ(w.log(), "");
}

TEST_P(WorldMatrix, DestroyedWhileItWaits) {
    start();
    job = {};
    a.end(*t);
    expect_nothing_lost();
}

TEST_P(WorldMatrix, DestroyedWhenItMayBeQueued) {
    start();
    a.end(*t);
    job = {};
    expect_nothing_lost();
}

TEST_P(WorldMatrix, DestroyedInThePassThatTellsOfIt) {
    start();
    a.end(*t);
    evl_call_soon(w.loop, [](void *self) { static_cast<WorldMatrix *>(self)->job = {}; }, this);
    pass(1);
    if (w.log().empty()) { // else it was first
        expect_nothing_lost();
    }
}

TEST_P(WorldMatrix, CancelledWhileItWaits) {
    start();
    if (!a.pending)
        return;
    job.cancel();
    pass(4);
    EXPECT_EQ(w.log(), "a:cancelled");
    a.end(*t);
    expect_nothing_lost();
}

TEST_P(WorldMatrix, CancelledInThePassThatTellsOfIt) {
    start();
    a.end(*t);
    evl_call_soon(w.loop, [](void *self) { static_cast<WorldMatrix *>(self)->job.cancel(); }, this);
    pass(6);
    if (w.log() == "a:cancelled") {
        expect_nothing_lost();
    }
}

TEST_P(WorldMatrix, DestroyedAfterTheLoop) {
    start();
    w.destroy();
    job = {};
}

TEST_P(WorldMatrix, DestroyedAfterTheLoopWhenItMayBeQueued) {
    start();
    a.end(*t);
    w.destroy();
    job = {};
}

INSTANTIATE_TEST_SUITE_P(Awaits, WorldMatrix, ::testing::Range(std::size_t(0), std::size(awaits)),
                         [](const auto &info) { return std::string(awaits[info.param].name); });

} // namespace
