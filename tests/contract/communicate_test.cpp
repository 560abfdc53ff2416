// communicate_test.cpp - children with streams from the start, and everything that is said to them and by
// them as one operation.
#include "streams.hpp"

#include <csignal>
#include <sys/wait.h>

using namespace streams;

namespace {

constexpr evl_stdio to{EVL_STDIO_PIPE_TO, 0}, from{EVL_STDIO_PIPE_FROM, 0}, both{EVL_STDIO_SOCKET, 0};

// A shell that runs a script.
struct Shell {
    Shell(World &world, const char *script, std::vector<evl_stdio> stdio = {to, from, from},
          uint32_t flags = 0)
        : w(world), files(std::move(stdio)), args{"sh", "-c", script, nullptr} {
        options.struct_size = sizeof options;
        options.flags = flags;
        options.file = "/bin/sh";
        options.args = args;
        options.stdio = files.data();
        options.stdio_count = static_cast<uint32_t>(files.size());
    }
    Shell(const Shell &) = delete;
    int32_t spawn() {
        return evl_process_spawn(w.loop, &options, World::done(), w.arg([this](int64_t n) { status = n; }),
                                 &process);
    }
    evl_process *start() {
        EXPECT_EQ(spawn(), 0);
        return process;
    }
    void await() {
        while (status == pending && !testing::Test::HasFatalFailure())
            w.once();
    }
    World &w;
    std::vector<evl_stdio> files;
    const char *args[4];
    evl_process_options options{};
    evl_process *process = nullptr;
    int64_t status = pending;
};

struct Talk {
    explicit Talk(World &world, size_t cap = 1 << 20)
        : w(world), out(cap, '\0'), err(cap, '\0'), done(world) {
        io.struct_size = sizeof io;
        io.output = out.data();
        io.output_cap = out.size();
        io.error = err.data();
        io.error_cap = err.size();
    }
    int32_t start(evl_process *process, std::string_view input = {}) {
        io.input = input.data();
        io.input_size = input.size();
        return evl_process_communicate(process, done.op, &io);
    }
    void await() {
        while (!done.done() && !testing::Test::HasFatalFailure())
            w.once();
    }
    std::string output() const { return out.substr(0, std::min(io.output_size, out.size())); }
    std::string errors() const { return err.substr(0, std::min(io.error_size, err.size())); }
    World &w;
    std::string out, err;
    evl_communication io{};
    Wait done;
};

// --- streams from the start --------------------------------------------------------------------------------

TEST(Communicate, StreamsFromTheStart) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell cat(w, "cat; echo bye >&2", {to, from, both, {EVL_STDIO_NULL, 0}});
    evl_stream *s[4] = {nullptr, nullptr, nullptr, reinterpret_cast<evl_stream *>(&w)};
    cat.options.streams = s;
    cat.start();
    EXPECT_EQ(s[3], nullptr) << "it has no pipe";
    EXPECT_EQ(evl_process_stdio(cat.process, 0), EVL_EBADF) << "it is the stream's";
    Read read(w), end(w), bye(w);
    EXPECT_EQ(read.exactly(s[1], 5), 0);
    EXPECT_EQ(write(s[0], "hello"), 5);
    pump(w, [&] { return read.done(); });
    EXPECT_EQ(read.text(), "hello");
    EXPECT_EQ(evl_close(s[0]), 0);
    EXPECT_EQ(end.some(s[1]), 0);
    EXPECT_EQ(bye.line(s[2]), 0);
    cat.await();
    pump(w, [&] { return end.done() && bye.done(); });
    EXPECT_EQ(end.result, 0);
    EXPECT_EQ(bye.text(), "bye\n");
    EXPECT_EQ(cat.status, 0);
}

// A child that cannot be started leaves no stream.
TEST(Communicate, StreamsOfNoChild) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell none(w, "");
    evl_stream *s[3];
    none.options.streams = s;
    none.options.file = "/nowhere/at/all";
    int32_t fds = open_fds();
    EXPECT_EQ(none.spawn(), EVL_ENOENT);
    for (evl_stream *stream : s)
        EXPECT_EQ(stream, nullptr);
    EXPECT_EQ(open_fds(), fds);
    none.options.file = "/bin/true";
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        int32_t alive = evl_loop_alive(w.loop);
        fds = open_fds();
        w.memory.fail(nth);
        int32_t rc = none.spawn();
        failed = w.memory.failed();
        w.memory.fail(0);
        EXPECT_EQ(rc, failed ? EVL_ENOMEM : 0);
        if (!failed)
            break;
        for (evl_stream *stream : s)
            EXPECT_EQ(stream, nullptr);
        EXPECT_EQ(open_fds(), fds);
        EXPECT_EQ(evl_loop_alive(w.loop), alive);
    }
    none.await();
}

// --- all in one --------------------------------------------------------------------------------------------

TEST(Communicate, WritesAndCollectsAndTakesTheStatus) {
    for (std::vector<evl_stdio> stdio : {std::vector<evl_stdio>{to, from, from}, {both, both, both}}) {
        World w({.clock = EVL_CLOCK_REAL});
        Shell shell(w, "cat; echo wrong >&2; exit 3", stdio);
        Talk talk(w);
        std::string input = pattern(1 << 20);
        int32_t fds = open_fds();
        EXPECT_EQ(talk.start(shell.start(), input), 0);
        talk.await();
        EXPECT_EQ(talk.done.result, 3);
        EXPECT_TRUE(talk.output() == input);
        EXPECT_EQ(talk.errors(), "wrong\n");
        shell.await();
        EXPECT_EQ(shell.status, 3);
        EXPECT_EQ(evl_close(shell.process), 0);
        passes(w);
        EXPECT_EQ(open_fds(), fds) << "nothing is left open";
    }
}

// What there is no room for is counted and thrown away, and the child goes on.
TEST(Communicate, NoMoreThanThereIsRoomFor) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell shell(w, "i=0; while [ $i -lt 20000 ]; do echo 123456789; i=$((i+1)); done; echo done >&2");
    Talk talk(w, 25);
    talk.io.error = nullptr;
    talk.io.error_cap = 0;
    EXPECT_EQ(talk.start(shell.start()), 0);
    talk.await();
    EXPECT_EQ(talk.done.result, 0);
    EXPECT_EQ(talk.io.output_size, 200'000U);
    EXPECT_EQ(talk.out, "123456789\n123456789\n12345");
    EXPECT_EQ(talk.io.error_size, 5U);
}

TEST(Communicate, AChildThatDoesNotRead) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell shell(w, "exec <&-; echo deaf");
    Talk talk(w);
    std::string input(1 << 20, 'x');
    EXPECT_EQ(talk.start(shell.start(), input), 0);
    talk.await();
    EXPECT_EQ(talk.done.result, 0);
    EXPECT_EQ(talk.output(), "deaf\n");
}

TEST(Communicate, WithoutPipesAndAfterItsEnd) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell plain(w, "exit 7", {}), piped(w, "echo said; exit 8");
    Talk a(w), b(w), c(w);
    EXPECT_EQ(a.start(plain.start()), 0);
    a.await();
    EXPECT_EQ(a.done.result, 7);
    EXPECT_EQ(b.start(plain.process), 0);
    b.await();
    EXPECT_EQ(b.done.result, 7);
    piped.start();
    piped.await();
    EXPECT_EQ(c.start(piped.process), 0);
    c.await();
    EXPECT_EQ(c.done.result, 8);
    EXPECT_EQ(c.output(), "said\n") << "it waits in the pipe";
}

// The end of the child is not the end of its pipes: what it leaves behind still writes.
TEST(Communicate, WhatTheChildLeavesBehindIsWaitedFor) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell shell(w, "(read line; echo late) <&3 & exit 0", {to, from, from, to});
    Talk talk(w);
    shell.start();
    Fd line(evl_process_take_fd(shell.process, 3));
    EXPECT_EQ(talk.start(shell.process), 0);
    shell.await();
    passes(w);
    EXPECT_FALSE(talk.done.done());
    put(line, "go\n");
    talk.await();
    EXPECT_EQ(talk.done.result, 0);
    EXPECT_EQ(talk.output(), "late\n");
}

// --- ended early -------------------------------------------------------------------------------------------

TEST(Communicate, EndedEarlyItKillsIfAsked) {
    for (bool kills : {false, true})
        for (int how = 0; how < 3; how++)
            for (uint32_t group : {0U, static_cast<uint32_t>(EVL_PROCESS_GROUP)}) {
                World w({.clock = EVL_CLOCK_REAL});
                Shell shell(w, "echo started; exec cat <&3 >&2", {to, from, {EVL_STDIO_NULL, 0}, to}, group);
                Talk talk(w);
                talk.io.flags = kills ? EVL_COMMUNICATE_KILL : 0;
                shell.start();
                Fd hold(evl_process_take_fd(shell.process, 3));
                EXPECT_EQ(talk.start(shell.process), 0);
                pump(w, [&] { return talk.io.output_size == 8; });
                if (how == 0) {
                    EXPECT_EQ(evl_op_cancel(talk.done.op), 1);
                } else if (how == 1) {
                    EXPECT_EQ(evl_op_deadline(talk.done.op, evl_now(w.loop)), 0);
                } else {
                    EXPECT_EQ(evl_op_close(talk.done.op), 0);
                }
                passes(w);
                EXPECT_EQ(talk.done.result, how == 0   ? int64_t{EVL_ECANCELED}
                                            : how == 1 ? int64_t{EVL_ETIMEDOUT}
                                                       : pending);
                EXPECT_EQ(talk.output(), "started\n");
                for (uint32_t n : {0U, 1U})
                    EXPECT_EQ(evl_process_stdio(shell.process, n), EVL_EBADF) << "closed";
                if (!kills) {
                    EXPECT_EQ(evl_process_kill(shell.process, 0), 0) << "it runs";
                    hold.close();
                }
                shell.await();
                EXPECT_EQ(shell.status, kills ? 128 + SIGKILL : 0);
            }
}

TEST(Communicate, TheHandleIsClosed) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell shell(w, "cat", {to, from, from}, EVL_PROCESS_KILL);
    Talk talk(w);
    std::string much(1 << 20, 'x');
    EXPECT_EQ(talk.start(shell.start(), much), 0);
    pid_t pid = evl_process_pid(shell.process);
    EXPECT_EQ(evl_close(shell.process), 0);
    talk.await();
    EXPECT_EQ(talk.done.result, EVL_ECLOSED);
    EXPECT_EQ(w.destroy(), 0);
    ::waitpid(pid, nullptr, 0); // it may be on its way still
}

TEST(Communicate, TheLoopGoes) {
    for (int state = 0; state < 3; state++) {
        World w({.clock = EVL_CLOCK_REAL});
        Shell shell(w, "cat", {to, from, from}, EVL_PROCESS_KILL);
        Talk talk(w);
        std::string much(1 << 20, 'x');
        EXPECT_EQ(talk.start(shell.start(), much), 0);
        pid_t pid = evl_process_pid(shell.process);
        if (state == 1)
            passes(w);
        if (state == 2) {
            EXPECT_EQ(evl_op_cancel(talk.done.op), 1);
        }
        EXPECT_EQ(w.destroy(), 0);
        ::waitpid(pid, nullptr, 0); // it may be on its way still
    }
}

// The pipes are the parent's to read.
TEST(Communicate, AForkedChildLeavesItToItsParent) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell shell(w, "read line; echo got $line", {to, from, from});
    Talk talk(w);
    shell.start();
    Fd input(evl_process_take_fd(shell.process, 0));
    EXPECT_EQ(talk.start(shell.process), 0);
    passes(w);
    in_child([&] {
        EXPECT_EQ(evl_loop_fork(w.loop), 0);
        passes(w);
        EXPECT_EQ(talk.done.result, EVL_ECHILD);
    });
    put(input, "it\n");
    talk.await();
    EXPECT_EQ(talk.done.result, 0);
    EXPECT_EQ(talk.output(), "got it\n");
}

// --- refused -----------------------------------------------------------------------------------------------

TEST(Communicate, WithoutMemoryNothingHasChanged) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell shell(w, "cat");
    Talk talk(w);
    std::string input = pattern(100'000);
    shell.start();
    int fds[3];
    for (uint32_t n = 0; n < 3; n++)
        fds[n] = evl_process_stdio(shell.process, n);
    bool failed = true;
    for (uint64_t nth = 1; failed && !HasFailure(); nth++) {
        w.memory.fail(nth);
        int32_t rc = talk.start(shell.process, input);
        failed = w.memory.failed();
        w.memory.fail(0);
        EXPECT_EQ(rc, failed ? EVL_ENOMEM : 0);
        for (uint32_t n = 0; n < 3; n++)
            EXPECT_EQ(evl_process_stdio(shell.process, n), fds[n]);
    }
    talk.await();
    EXPECT_EQ(talk.done.result, 0);
    EXPECT_TRUE(talk.output() == input);
}

TEST(Communicate, BadInput) {
    World w({.clock = EVL_CLOCK_REAL});
    Shell shell(w, "cat");
    shell.start();
    Talk talk(w), other(w);
    evl_communication io = talk.io;
    auto with = [&](auto change) {
        talk.io = io;
        change(talk.io);
        return evl_process_communicate(shell.process, talk.done.op, &talk.io);
    };
    EXPECT_EQ(evl_process_communicate(nullptr, talk.done.op, &io), EVL_EINVAL);
    EXPECT_EQ(evl_process_communicate(shell.process, nullptr, &io), EVL_EINVAL);
    EXPECT_EQ(evl_process_communicate(shell.process, talk.done.op, nullptr), EVL_EINVAL);
    EXPECT_EQ(with([](evl_communication &c) { c.struct_size = 4; }), EVL_EINVAL);
    EXPECT_EQ(with([](evl_communication &c) { c.flags = 2; }), EVL_EINVAL);
    EXPECT_EQ(with([](evl_communication &c) { c.input_size = 1; }), EVL_EINVAL);
    EXPECT_EQ(with([](evl_communication &c) { c.output = nullptr; }), EVL_EINVAL);
    EXPECT_EQ(with([](evl_communication &c) { c.error = nullptr; }), EVL_EINVAL);
    EXPECT_EQ(with([](evl_communication &) {}), 0);
    EXPECT_EQ(evl_process_communicate(shell.process, talk.done.op, &talk.io), EVL_EBUSY);
    EXPECT_EQ(other.start(shell.process), EVL_EEXIST) << "the pipes are watched";
    talk.await();
    EXPECT_EQ(talk.done.result, 0);
}

} // namespace
