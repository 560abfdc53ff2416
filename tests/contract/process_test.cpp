// process_test.cpp - child processes: what they get, what they give back, and that nothing of them is left.
#include "world.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace support;

namespace {

// How the end of a child is heard: by a pidfd, by a kqueue of its own, by SIGCHLD.
enum class Way { pidfd, queue, signal };

const char *name_of(Way way) {
    return way == Way::pidfd ? "pidfd" : way == Way::queue ? "kqueue" : "SIGCHLD";
}

std::vector<Way> ways() {
    std::vector<Way> list;
#if defined(__linux__)
    list.push_back(Way::pidfd);
#endif
#if EVL_HAVE_KQUEUE
    list.push_back(Way::queue);
#endif
    list.push_back(Way::signal);
    return list;
}

// While it lives, children are heard of in this way.
class Only {
  public:
    explicit Only(Way way) {
        if (way == Way::pidfd)
            return;
        evl_sys.pidfd_open = [](int) {
            errno = ENOSYS;
            return -1;
        };
#if EVL_HAVE_KQUEUE
        if (way == Way::signal) {
            evl_sys.kevent = [](int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                                const timespec *t) {
                if (n == 1 && changes[0].filter == EVFILT_PROC) {
                    errno = EINVAL;
                    return -1;
                }
                return real_.kevent(kq, changes, n, events, cap, t);
            };
        }
#endif
    }
    Only(const Only &) = delete;
    ~Only() { evl_sys = real_; }

  private:
    static inline const evl_sys_table real_ = evl_sys;
};

struct Spawn {
    std::string file = "/bin/sh";
    std::vector<std::string> args;
    std::vector<evl_stdio> stdio;
    uint32_t flags = 0;
    std::vector<std::string> env;
    bool own_env = false;
    const char *cwd = nullptr;
    int32_t group = 0;
    uint32_t uid = 0, gid = 0;

    static Spawn shell(const std::string &script, std::vector<evl_stdio> stdio = {}, uint32_t flags = 0) {
        Spawn s;
        s.args = {"sh", "-c", script};
        s.stdio = std::move(stdio);
        s.flags = flags;
        return s;
    }

    int32_t start(evl_loop *loop, evl_done_fn *fn, void *arg, evl_process **out) const {
        std::vector<const char *> argv, envp;
        for (auto &text : args)
            argv.push_back(text.c_str());
        for (auto &text : env)
            envp.push_back(text.c_str());
        argv.push_back(nullptr);
        envp.push_back(nullptr);
        evl_process_options options{};
        options.struct_size = sizeof options;
        options.flags = flags;
        options.file = file.c_str();
        options.args = args.empty() ? nullptr : argv.data();
        options.env = own_env ? envp.data() : nullptr;
        options.cwd = cwd;
        options.stdio = stdio.data();
        options.stdio_count = static_cast<uint32_t>(stdio.size());
        options.group = group;
        options.uid = uid;
        options.gid = gid;
        return evl_process_spawn(loop, &options, fn, arg, out);
    }
};

constexpr evl_stdio kNull{EVL_STDIO_NULL, 0};
constexpr evl_stdio kTo{EVL_STDIO_PIPE_TO, 0};
constexpr evl_stdio kFrom{EVL_STDIO_PIPE_FROM, 0};

struct Scene {
    explicit Scene(int32_t clock = EVL_CLOCK_REAL) : w({.clock = clock}) {}
    World w;
    std::vector<int64_t> ends;

    evl_process *start(const Spawn &spawn) {
        evl_process *process = nullptr;
        EXPECT_EQ(
            spawn.start(w.loop, World::done(), w.arg([this](int64_t s) { ends.push_back(s); }), &process), 0);
        return process;
    }
    evl_process *shell(const std::string &script, std::vector<evl_stdio> stdio = {}, uint32_t flags = 0) {
        return start(Spawn::shell(script, std::move(stdio), flags));
    }
    int32_t refused(const Spawn &spawn) {
        evl_process *process = nullptr;
        int32_t alive = evl_loop_alive(w.loop), fds = open_fds();
        int32_t rc = spawn.start(w.loop, World::done(), w.arg([] { ADD_FAILURE() << "called"; }), &process);
        EXPECT_EQ(process, nullptr);
        EXPECT_EQ(evl_loop_alive(w.loop), alive);
        EXPECT_EQ(open_fds(), fds);
        return rc;
    }
    int64_t end_of(evl_process *process) {
        w.run();
        EXPECT_EQ(ends.size(), 1u);
        EXPECT_EQ(evl_close(process), 0);
        int64_t end = ends.empty() ? -1 : ends.back();
        ends.clear();
        return end;
    }
    // What the script writes to its standard output, to the end.
    std::string output(const Spawn &spawn) {
        evl_process *process = start(spawn);
        if (!process)
            return "";
        Fd fd(evl_process_take_fd(process, 1));
        std::string text = read_all(fd);
        (void)end_of(process);
        return text;
    }
    std::string output(const std::string &script) { return output(Spawn::shell(script, {kNull, kFrom})); }
    std::string read_all(int fd) {
        std::string text;
        bool end = false;
        evl_io *io = w.io(fd, EVL_READ, [&] {
            char buf[4096];
            ssize_t n;
            while ((n = ::read(fd, buf, sizeof buf)) > 0)
                text.append(buf, static_cast<size_t>(n));
            end = n == 0;
        });
        while (!end)
            w.once();
        EXPECT_EQ(evl_close(io), 0);
        return text;
    }
};

// Runs the loop until it has taken the status of every child there was.
void no_child_left(World &w) {
    until([&] {
        w.nowait();
        siginfo_t info{};
        return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0;
    });
}

// --- the end ----------------------------------------------------------------------------------------------

TEST(Process, ItsEndIsToldOnceWithTheStatus) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        evl_process *process = t.shell("exit 7");
        EXPECT_TRUE(t.ends.empty()) << "not inside the call";
        EXPECT_EQ(evl_active(process), 1);
        EXPECT_EQ(evl_kind(process), EVL_KIND_PROCESS);
        EXPECT_GT(evl_process_pid(process), 0);
        EXPECT_EQ(evl_process_exit_code(process), EVL_EAGAIN);
        EXPECT_EQ(evl_process_signal(process), EVL_EAGAIN);
        EXPECT_EQ(t.w.run(), EVL_RUN_DONE) << "a running child keeps the loop alive";
        EXPECT_EQ(t.ends, std::vector<int64_t>{7});
        EXPECT_EQ(evl_process_exit_code(process), 7);
        EXPECT_EQ(evl_process_signal(process), 0);
        EXPECT_EQ(evl_active(process), 0);
        EXPECT_EQ(evl_process_kill(process, SIGTERM), EVL_ESRCH);
        EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
        EXPECT_EQ(t.ends.size(), 1u);
        EXPECT_EQ(evl_close(process), 0);
        EXPECT_EQ(t.w.close(), 0);
    }
}

TEST(Process, ASignalThatEndsItIsTold) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        evl_process *process = t.shell("exec sleep 1000");
        EXPECT_EQ(evl_process_kill(process, 0), 0);
        EXPECT_EQ(evl_process_kill(process, -1), EVL_EINVAL);
        EXPECT_EQ(evl_process_kill_group(process, SIGTERM), EVL_EINVAL) << "it leads none";
        EXPECT_EQ(evl_process_kill(process, SIGTERM), 0);
        t.w.run();
        EXPECT_EQ(t.ends, std::vector<int64_t>{128 + SIGTERM});
        EXPECT_EQ(evl_process_signal(process), SIGTERM);
        EXPECT_EQ(evl_process_exit_code(process), EVL_EINTR);
        EXPECT_EQ(evl_close(process), 0);
        // A code that looks like a signal is a code.
        process = t.shell("exit 143");
        t.w.run();
        EXPECT_EQ(evl_process_exit_code(process), 143);
        EXPECT_EQ(evl_process_signal(process), 0);
        EXPECT_EQ(evl_close(process), 0);
    }
}

// Many at once, that end together and in any order, each told its own status.
TEST(Process, ManyAtOnce) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        Pipe gate;
        ::fcntl(gate.r, F_SETFL, 0);
        std::map<int, int64_t> ends;
        std::vector<evl_process *> all;
        for (int i = 0; i < 20; i++) {
            evl_process *process = nullptr;
            Spawn spawn = Spawn::shell("read x; exit " + std::to_string(i), {{EVL_STDIO_FD, gate.r}});
            ASSERT_EQ(spawn.start(t.w.loop, World::done(), t.w.arg([&ends, i](int64_t s) { ends[i] = s; }),
                                  &process),
                      0);
            all.push_back(process);
        }
        gate.w.close();
        t.w.run();
        EXPECT_EQ(ends.size(), 20u);
        for (auto [i, status] : ends)
            EXPECT_EQ(status, i);
        for (evl_process *process : all)
            EXPECT_EQ(evl_close(process), 0);
    }
}

TEST(Process, AnyNumberMayWait) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        Spawn spawn = Spawn::shell("read x; exit 3", {kTo}, EVL_PROCESS_QUIET);
        evl_process *process = t.start(spawn);
        evl_op *cancelled = t.w.op(t.w.says("cancelled")), *late = t.w.op(t.w.says("late"));
        std::vector<int64_t> results;
        for (int i = 0; i < 3; i++)
            ASSERT_EQ(evl_process_wait(process, t.w.op([&](int64_t rc) { results.push_back(rc); })), 0);
        ASSERT_EQ(evl_process_wait(process, cancelled), 0);
        ASSERT_EQ(evl_process_wait(process, late), 0);
        EXPECT_EQ(evl_process_wait(process, late), EVL_EBUSY);
        EXPECT_EQ(evl_op_cancel(cancelled), 1);
        EXPECT_EQ(evl_op_deadline(late, evl_now(t.w.loop)), 0);
        while (t.w.log() != "cancelled late")
            t.w.once();
        EXPECT_EQ(evl_op_result(late), EVL_ETIMEDOUT);
        EXPECT_TRUE(results.empty());
        Fd(evl_process_take_fd(process, 0)).close();
        t.w.run();
        EXPECT_EQ(results, (std::vector<int64_t>{3, 3, 3}));
        ASSERT_EQ(evl_process_wait(process, late), 0) << "ended already";
        t.w.run();
        EXPECT_EQ(evl_op_result(late), 3);
        evl_op *at_once = t.w.op([] {}, EVL_OP_SYNC);
        EXPECT_EQ(evl_process_wait(process, at_once), 1);
        EXPECT_EQ(evl_op_result(at_once), 3);
        EXPECT_TRUE(t.ends.empty()) << "quiet";
        EXPECT_EQ(evl_close(process), 0);
    }
}

TEST(Process, IntoAFuture) {
    Scene t;
    evl_process *process = t.shell("exit 5", {}, EVL_PROCESS_QUIET);
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(t.w.loop, &future), 0);
    ASSERT_EQ(evl_process_wait(process, evl_future_op(future)), 0);
    int64_t value = 0;
    EXPECT_EQ(evl_loop_run_until(t.w.loop, future, &value), 0);
    EXPECT_EQ(value, 5);
    evl_future_unref(future);
    EXPECT_EQ(evl_close(process), 0);
}

// --- what it gets -----------------------------------------------------------------------------------------

TEST(Process, ArgumentsEnvironmentDirectory) {
    Scene t;
    Spawn spawn = Spawn::shell(R"(printf '%s|' "$0" "$@" "$GREETING" "$HOME"; pwd)", {kNull, kFrom});
    spawn.args.insert(spawn.args.end(), {"zero", "a b", "", "c'd"});
    spawn.env = {"GREETING=hello  you"};
    spawn.own_env = true;
    spawn.cwd = "/usr";
    EXPECT_EQ(t.output(spawn), "zero|a b||c'd|hello  you||/usr\n");
    // argv[0] is what was said, the file what is run.
    spawn = Spawn::shell("", {kNull, kFrom});
    spawn.file = "/bin/cat";
    spawn.args = {"a-cat", "/proc/self/cmdline"};
    EXPECT_EQ(t.output(spawn), std::string("a-cat\0/proc/self/cmdline\0", 25));
    spawn.args.clear();
    spawn.file = "/bin/pwd";
    spawn.cwd = "/";
    EXPECT_EQ(t.output(spawn), "/\n");
    ::setenv("EVLOOP_TEST_WORD", "inherited", 1);
    EXPECT_EQ(t.output("echo $EVLOOP_TEST_WORD"), "inherited\n");
    ::unsetenv("EVLOOP_TEST_WORD");
}

TEST(Process, ANameIsLookedUpInItsPath) {
    Scene t;
    Spawn spawn;
    spawn.stdio = {kNull, kFrom};
    spawn.file = "true";
    evl_process *process = t.start(spawn);
    EXPECT_EQ(t.end_of(process), 0);
    spawn.own_env = true;
    spawn.env = {"PATH=/nowhere:/etc/passwd::/bin/:/usr/bin"};
    process = t.start(spawn);
    EXPECT_EQ(t.end_of(process), 0);
    spawn.env = {};
    process = t.start(spawn);
    EXPECT_EQ(t.end_of(process), 0) << "the usual places";
    spawn.env = {"PATH=/nowhere"};
    EXPECT_EQ(t.refused(spawn), EVL_ENOENT);
    spawn.env = {"PATH="};
    EXPECT_EQ(t.refused(spawn), EVL_ENOENT);
    spawn.file = "passwd";
    spawn.env = {"PATH=/etc:/nowhere"};
    EXPECT_EQ(t.refused(spawn), EVL_EACCES) << "found, and may not be run";
    spawn.file = "pwd";
    spawn.env = {"PATH="};
    spawn.cwd = "/usr/bin";
    EXPECT_EQ(t.output(spawn), "/usr/bin\n") << "an empty directory is where the child begins";
}

TEST(Process, Contract_06_WhatCannotBeRunIsTheCallsError) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        Spawn spawn;
        spawn.file = "/no/such/file";
        EXPECT_EQ(t.refused(spawn), EVL_ENOENT);
        spawn.file = "/etc/passwd";
        EXPECT_EQ(t.refused(spawn), EVL_EACCES);
        spawn.file = "/";
        EXPECT_EQ(t.refused(spawn), EVL_EACCES);
        spawn.file = "/bin/true";
        spawn.cwd = "/no/such/place";
        EXPECT_EQ(t.refused(spawn), EVL_ENOENT);
        spawn.cwd = nullptr;
        spawn.stdio = {kNull, {EVL_STDIO_FD, 1000000}};
        EXPECT_EQ(t.refused(spawn), EVL_EBADF);
        spawn.stdio = {kNull, {EVL_STDIO_FD, -1}};
        EXPECT_EQ(t.refused(spawn), EVL_EBADF);
        spawn.stdio = {};
        spawn.args = {"true", std::string(3 << 20, 'x')};
        EXPECT_EQ(t.refused(spawn), EVL_E2BIG);
        spawn.args = {};
        spawn.flags = EVL_PROCESS_GROUP;
        spawn.group = 1;
        EXPECT_EQ(t.refused(spawn), EVL_EPERM) << "a group of another session";
        t.w.run();
        EXPECT_TRUE(t.ends.empty());
        EXPECT_EQ(t.w.close(), 0) << "nothing is left";
    }
}

TEST(Process, BadInput) {
    Scene t;
    Spawn ok;
    ok.file = "/bin/true";
    evl_process *process = nullptr;
    EXPECT_EQ(ok.start(nullptr, World::done(), &t, &process), EVL_EINVAL);
    EXPECT_EQ(ok.start(t.w.loop, World::done(), &t, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_process_spawn(t.w.loop, nullptr, World::done(), &t, &process), EVL_EINVAL);
    evl_process_options options{};
    EXPECT_EQ(evl_process_spawn(t.w.loop, &options, World::done(), &t, &process), EVL_EINVAL) << "no size";
    auto with = [&](auto change) {
        Spawn spawn = ok;
        change(spawn);
        return t.refused(spawn);
    };
    EXPECT_EQ(with([](Spawn &s) { s.file = ""; }), EVL_EINVAL);
    EXPECT_EQ(with([](Spawn &s) { s.flags = 1 << 20; }), EVL_EINVAL);
    EXPECT_EQ(with([](Spawn &s) { s.flags = EVL_PROCESS_GROUP | EVL_PROCESS_SESSION; }), EVL_EINVAL);
    EXPECT_EQ(with([](Spawn &s) { s.group = -1; }), EVL_EINVAL);
    EXPECT_EQ(with([](Spawn &s) { s.stdio = {{99, 0}}; }), EVL_EINVAL);
    EXPECT_EQ(with([](Spawn &s) { s.stdio = {{EVL_STDIO_LIKE, 0}}; }), EVL_EINVAL) << "of itself";
    EXPECT_EQ(with([](Spawn &s) { s.stdio = {kTo, {EVL_STDIO_LIKE, 2}}; }), EVL_EINVAL) << "of a later one";
    EXPECT_EQ(with([](Spawn &s) { s.stdio.resize(2000); }), EVL_EINVAL);
    struct {
        evl_process_options known;
        uint64_t more;
    } newer{};
    newer.known.struct_size = sizeof newer;
    newer.known.file = "/bin/true";
    newer.more = 1;
    EXPECT_EQ(evl_process_spawn(t.w.loop, &newer.known, World::done(), &t, &process), EVL_EINVAL);
    EXPECT_EQ(process, nullptr);
    evl_timer *timer = t.w.timer([] {});
    EXPECT_EQ(evl_process_kill(timer, 0), EVL_EINVAL);
    EXPECT_EQ(evl_process_pid(timer), EVL_EINVAL);
    EXPECT_EQ(evl_process_stdio(timer, 0), EVL_EINVAL);
    EXPECT_EQ(evl_process_take_fd(nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_process_wait(nullptr, t.w.op([] {})), EVL_EINVAL);
    evl_process *real = t.start(ok);
    EXPECT_EQ(evl_process_wait(real, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_process_stdio(real, 0), EVL_EBADF);
    EXPECT_EQ(evl_process_stdio(real, 99), EVL_EBADF);
    EXPECT_EQ(t.end_of(real), 0);
}

// Whatever the parent has open, ignores, blocks or handles, the child begins clean.
TEST(Process, NothingIsInheritedThatWasNotAskedFor) {
    for (bool one_by_one : {false, true}) {
        Sys sys;
        if (one_by_one)
            evl_sys.close_above = [](int) {
                errno = ENOSYS;
                return -1;
            };
        Scene t;
        Pipe pipe;
        Fd leaky(::fcntl(pipe.r, F_DUPFD, 50)); // without close-on-exec
        struct sigaction ignore{}, before{}, handle{}, before_usr1{};
        ignore.sa_handler = SIG_IGN;
        handle.sa_handler = [](int) {};
        ::sigaction(SIGPIPE, &ignore, &before);
        ::sigaction(SIGUSR1, &handle, &before_usr1);
        sigset_t blocked, mask;
        sigemptyset(&blocked);
        sigaddset(&blocked, SIGTERM);
        ::pthread_sigmask(SIG_BLOCK, &blocked, &mask);
        std::string fds = t.output("ls /proc/self/fd | tr '\\n' ' '");
        EXPECT_EQ(fds, "0 1 2 3 ") << "3 is the list's own";
        std::string status = t.output("cat /proc/self/status"), signals;
        for (const char *key : {"SigBlk:", "SigIgn:", "SigCgt:"})
            signals += status.substr(status.find(key), std::strlen("SigBlk:\t0000000000000000"));
        EXPECT_EQ(signals, "SigBlk:\t0000000000000000SigIgn:\t0000000000000000SigCgt:\t0000000000000000");
        ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
        ::sigaction(SIGPIPE, &before, nullptr);
        ::sigaction(SIGUSR1, &before_usr1, nullptr);
        EXPECT_EQ(::fcntl(leaky, F_GETFD), 0) << "and the parent keeps its own";
        Spawn missing;
        missing.file = "/no/such/file";
        EXPECT_EQ(t.refused(missing), EVL_ENOENT) << "what tells of it is not closed";
    }
}

TEST(Process, StdioOfEveryKind) {
    Scene t;
    // What is not said is /dev/null.
    EXPECT_EQ(t.output("readlink /proc/self/fd/0 /proc/self/fd/2"), "/dev/null\n/dev/null\n");
    // Written to and read from, both ends closed in the right place.
    evl_process *cat = t.start([] {
        Spawn s;
        s.file = "/bin/cat";
        s.stdio = {kTo, kFrom};
        return s;
    }());
    Fd in(evl_process_take_fd(cat, 0)), out(evl_process_take_fd(cat, 1));
    EXPECT_EQ(evl_process_take_fd(cat, 0), EVL_EBADF) << "taken";
    EXPECT_NE(::fcntl(in, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_NE(::fcntl(out, F_GETFL) & O_NONBLOCK, 0);
    EXPECT_EQ(::fcntl(in, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::fcntl(out, F_GETFD), FD_CLOEXEC);
    EXPECT_EQ(::write(in, "hello", 5), 5);
    in.close();
    EXPECT_EQ(t.read_all(out), "hello");
    EXPECT_EQ(t.end_of(cat), 0);
    // One's own, and the same as another.
    Pipe pipe;
    evl_process *both =
        t.shell("echo one; echo two >&2", {kNull, {EVL_STDIO_FD, pipe.w}, {EVL_STDIO_LIKE, 1}});
    pipe.w.close();
    EXPECT_EQ(t.read_all(pipe.r), "one\ntwo\n");
    EXPECT_EQ(t.end_of(both), 0);
    // More than three, a socket, a number that is closed.
    evl_process *more =
        t.shell("read x <&5; echo got $x >&5; readlink /proc/self/fd/4 || echo none >&5",
                {kNull, kNull, kNull, {EVL_STDIO_CLOSED, 0}, {EVL_STDIO_CLOSED, 0}, {EVL_STDIO_SOCKET, 0}});
    Fd socket(evl_process_take_fd(more, 5));
    EXPECT_EQ(::write(socket, "it\n", 3), 3);
    EXPECT_EQ(t.read_all(socket), "got it\nnone\n");
    EXPECT_EQ(t.end_of(more), 0);
    // The child's ends block.
    EXPECT_EQ(t.output("grep -o 'flags.*' /proc/self/fdinfo/1"), "flags:\t01\n");
}

// The parent's numbers are the very ones that the child's are put on, crosswise.
TEST(Process, NumbersMayCollide) {
    in_child([] {
        Scene t;
        Pipe a, b, c;
        ::fcntl(a.r, F_SETFL, 0);
        // 0 and 1 change places, 2 goes to 5, 3 is at its place already.
        int zero = ::fcntl(a.r, F_DUPFD, 20), one = ::fcntl(b.w, F_DUPFD, 20),
            two = ::fcntl(c.w, F_DUPFD, 20);
        int saved = ::fcntl(2, F_DUPFD_CLOEXEC, 40);
        ASSERT_EQ(::dup2(one, 0), 0);
        ASSERT_EQ(::dup2(zero, 1), 1);
        ASSERT_EQ(::dup2(two, 2), 2);
        evl_process *process =
            t.shell("echo out; echo err >&2; echo five >&5; cat >/dev/null", {{EVL_STDIO_FD, 1},
                                                                              {EVL_STDIO_FD, 0},
                                                                              {EVL_STDIO_INHERIT, 0},
                                                                              {EVL_STDIO_CLOSED, 0},
                                                                              {EVL_STDIO_CLOSED, 0},
                                                                              {EVL_STDIO_FD, 2}});
        ASSERT_EQ(::dup2(saved, 2), 2);
        ::close(0), ::close(1), ::close(zero), ::close(one), ::close(two), ::close(saved);
        a.w.close();
        b.w.close();
        c.w.close();
        EXPECT_EQ(t.read_all(b.r), "out\n");
        EXPECT_EQ(t.read_all(c.r), "err\nfive\n");
        EXPECT_EQ(t.end_of(process), 0);
    });
}

// More numbers in the child than there are open in the parent: what evloop itself uses is out of the way. And
// a number that is at its place already survives.
TEST(Process, ManyNumbers) {
    Scene t;
    Pipe pipe;
    Spawn spawn = Spawn::shell("echo hi >/proc/self/fd/" + std::to_string(pipe.w));
    spawn.stdio.assign(200, {EVL_STDIO_CLOSED, 0});
    spawn.stdio[2] = kNull;
    spawn.stdio[static_cast<size_t>(pipe.w)] = {EVL_STDIO_FD, pipe.w};
    evl_process *process = t.start(spawn);
    EXPECT_EQ(t.end_of(process), 0);
    pipe.w.close();
    EXPECT_EQ(t.read_all(pipe.r), "hi\n");
    spawn.file = "/no/such/file";
    spawn.stdio.assign(200, {EVL_STDIO_CLOSED, 0});
    EXPECT_EQ(t.refused(spawn), EVL_ENOENT);
}

// With 0, 1 and 2 closed in the parent, whatever is opened for the child lands there.
TEST(Process, TheParentMayHaveNoStdio) {
    in_child([] {
        Scene t;
        ::close(0), ::close(1);
        int saved = ::fcntl(2, F_DUPFD_CLOEXEC, 40);
        ::close(2);
        std::string text = t.output("read x; echo [$x]; echo no >&2");
        Spawn spawn = Spawn::shell("true", {{EVL_STDIO_INHERIT, 0}});
        int32_t rc = t.refused(spawn);
        ASSERT_EQ(::dup2(saved, 2), 2);
        EXPECT_EQ(text, "[]\n");
        EXPECT_EQ(rc, EVL_EBADF);
    });
}

TEST(Process, FdsThatNobodyTookAreClosedWithIt) {
    Scene t;
    evl_process *process = t.shell("cat", {kTo, kFrom});
    int in = evl_process_stdio(process, 0);
    EXPECT_GE(in, 0);
    EXPECT_EQ(evl_process_stdio(process, 0), in) << "looking is not taking";
    t.w.io(in, EVL_WRITE, [&](int64_t rc) { t.w.note(rc == EVL_ECLOSED ? "closed" : "writable"); });
    EXPECT_EQ(evl_close(process), 0);
    EXPECT_EQ(::fcntl(in, F_GETFD), -1);
    while (t.w.log() != "closed")
        t.w.once();
    no_child_left(t.w);
}

// --- groups -----------------------------------------------------------------------------------------------

TEST(Process, Groups) {
    Scene t;
    evl_process *leader = t.shell("sleep 1000 & echo ready; wait", {kNull, kFrom}, EVL_PROCESS_GROUP);
    int pid = evl_process_pid(leader);
    EXPECT_EQ(::getpgid(pid), pid);
    EXPECT_NE(::getsid(pid), pid);
    Spawn spawn = Spawn::shell("exec sleep 1000", {}, EVL_PROCESS_GROUP);
    spawn.group = pid;
    evl_process *member = t.start(spawn);
    EXPECT_EQ(::getpgid(evl_process_pid(member)), pid);
    EXPECT_EQ(evl_process_kill_group(member, SIGTERM), EVL_EINVAL) << "it leads none";
    Fd out(evl_process_take_fd(leader, 1));
    evl_io *io = t.w.io(out, EVL_READ, [&] { t.w.note("ready"); }, EVL_IO_ONESHOT);
    while (t.w.log() != "ready")
        t.w.once();
    EXPECT_EQ(evl_close(io), 0);
    EXPECT_EQ(evl_process_kill_group(leader, SIGKILL), 0);
    EXPECT_EQ(t.read_all(out), "ready\n") << "the grandchild had it open too, and is gone";
    t.w.run();
    EXPECT_EQ(t.ends, (std::vector<int64_t>{128 + SIGKILL, 128 + SIGKILL}));
    EXPECT_EQ(evl_process_kill_group(leader, SIGKILL), 0) << "its number is its own until it is closed";
    EXPECT_EQ(evl_close(leader), 0);
    EXPECT_EQ(evl_close(member), 0);
    evl_process *session = t.shell("exec sleep 1000", {}, EVL_PROCESS_SESSION);
    EXPECT_EQ(::getsid(evl_process_pid(session)), evl_process_pid(session));
    EXPECT_EQ(evl_process_kill_group(session, SIGTERM), 0);
    t.w.run();
    EXPECT_EQ(evl_close(session), 0);
}

// A shell that ends and leaves one behind in its group, which holds its pipe open.
struct LeftBehind {
    explicit LeftBehind(Scene &scene, uint32_t flags = 0) : t(scene) {
        leader = t.shell("sleep 1000 & echo ready; exit 3", {kNull, kFrom}, EVL_PROCESS_GROUP | flags);
        out = Fd(evl_process_take_fd(leader, 1));
        pid = evl_process_pid(leader);
        t.w.run();
        EXPECT_EQ(t.ends, std::vector<int64_t>{3});
    }
    Scene &t;
    evl_process *leader;
    Fd out;
    int pid;
};

TEST(Process, ThoseThatALeaderLeftBehindAreReached) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        LeftBehind left(t);
        EXPECT_EQ(evl_process_kill(left.leader, SIGKILL), EVL_ESRCH) << "the child itself has ended";
        EXPECT_EQ(evl_process_kill_group(left.leader, 0), 0);
        EXPECT_EQ(evl_process_kill_group(left.leader, SIGKILL), 0);
        EXPECT_EQ(t.read_all(left.out), "ready\n") << "it had the pipe open, and is gone";
        EXPECT_EQ(evl_close(left.leader), 0);
        no_child_left(t.w);
    }
}

TEST(Process, ClosingKillsThoseThatALeaderLeftBehind) {
    for (bool destroy : {false, true}) {
        Scene t;
        LeftBehind left(t, EVL_PROCESS_KILL);
        EXPECT_EQ(destroy ? t.w.destroy() : evl_close(left.leader), 0);
        std::string all;
        char bytes[64];
        EXPECT_EQ(::fcntl(left.out, F_SETFL, 0), 0);
        for (ssize_t n; (n = ::read(left.out, bytes, sizeof bytes)) > 0;)
            all.append(bytes, static_cast<size_t>(n));
        EXPECT_EQ(all, "ready\n");
        EXPECT_EQ(::waitpid(left.pid, nullptr, WNOHANG), -1) << "its status was taken";
    }
}

// In a forked child the group is the parent's.
TEST(Process, AForkedChildReachesNoneOfThem) {
    Scene t;
    LeftBehind left(t, EVL_PROCESS_KILL);
    in_child([&] {
        EXPECT_EQ(evl_loop_fork(t.w.loop), 0);
        EXPECT_EQ(evl_process_kill_group(left.leader, SIGKILL), EVL_ESRCH);
        EXPECT_EQ(evl_process_exit_code(left.leader), 3);
        EXPECT_EQ(evl_close(left.leader), 0);
        EXPECT_EQ(t.w.destroy(), 0);
    });
    EXPECT_EQ(evl_process_kill_group(left.leader, 0), 0);
    in_child([&] { EXPECT_EQ(t.w.destroy(), 0); });
    EXPECT_EQ(evl_process_kill_group(left.leader, 0), 0);
    EXPECT_EQ(evl_close(left.leader), 0);
    EXPECT_EQ(t.read_all(left.out), "ready\n");
}

// Another part of the program takes the status: the number may be another's.
TEST(Process, ALeaderThatIsReapedElsewhereStandsForNoGroup) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        evl_process *leader = t.shell("exit 3", {}, EVL_PROCESS_GROUP);
        t.w.run();
        EXPECT_EQ(::waitpid(evl_process_pid(leader), nullptr, 0), evl_process_pid(leader));
        EXPECT_EQ(evl_process_kill_group(leader, SIGKILL), EVL_ESRCH);
        EXPECT_EQ(evl_process_exit_code(leader), 3);
        EXPECT_EQ(evl_close(leader), 0);
        no_child_left(t.w);
    }
}

TEST(Process, UserAndGroup) {
    Scene t;
    Spawn spawn = Spawn::shell("id -u; id -g; id -G", {kNull, kFrom}, EVL_PROCESS_UID | EVL_PROCESS_GID);
    spawn.uid = 65534;
    spawn.gid = 65533;
    if (::geteuid() == 0)
        EXPECT_EQ(t.output(spawn), "65534\n65533\n65533\n");
    else
        EXPECT_EQ(t.refused(spawn), EVL_EPERM);
}

// --- closing ----------------------------------------------------------------------------------------------

bool is_there(int pid) { return ::kill(pid, 0) == 0; }

// A closed handle's child lives on, and is no zombie when it ends.
TEST(Process, ClosingDoesNotKillAndLeavesNoZombie) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        evl_process *process = t.shell("cat; exit 1", {kTo});
        int pid = evl_process_pid(process);
        uint64_t id = evl_id(process);
        Fd in(evl_process_take_fd(process, 0));
        evl_op *waiter = t.w.op([&](int64_t rc) { t.w.note(evl_err_name(static_cast<int32_t>(rc))); });
        ASSERT_EQ(evl_process_wait(process, waiter), 0);
        EXPECT_EQ(evl_close(process), 0);
        EXPECT_EQ(evl_lookup(t.w.loop, id), nullptr);
        EXPECT_EQ(t.w.run(), EVL_RUN_DONE) << "it keeps nothing alive";
        EXPECT_EQ(t.w.log(), "EVL_ECLOSED");
        EXPECT_TRUE(is_there(pid));
        in.close();
        until([&] {
            t.w.nowait();
            return !is_there(pid); // a zombie would be
        });
        EXPECT_TRUE(t.ends.empty());
        EXPECT_EQ(t.w.close(), 0);
    }
}

TEST(Process, ClosingKillsIfAsked) {
    for (uint32_t group : {0u, static_cast<uint32_t>(EVL_PROCESS_GROUP)}) {
        Scene t;
        evl_process *process =
            t.shell(group ? "sleep 1000 & wait" : "exec sleep 1000", {}, EVL_PROCESS_KILL | group);
        int pid = evl_process_pid(process);
        EXPECT_EQ(evl_close(process), 0);
        until([&] {
            t.w.nowait();
            return !is_there(pid);
        });
        // One that has ended is let be.
        process = t.shell("exit 0", {}, EVL_PROCESS_KILL);
        EXPECT_EQ(t.end_of(process), 0);
    }
}

TEST(Process, ClosedInItsOwnCallback) {
    Scene t;
    evl_process *process = nullptr;
    Spawn spawn = Spawn::shell("exit 4");
    ASSERT_EQ(spawn.start(t.w.loop, World::done(), t.w.arg([&](int64_t status) {
        EXPECT_EQ(status, 4);
        EXPECT_EQ(evl_close(process), 0);
        t.w.note("closed");
    }),
                          &process),
              0);
    t.w.run();
    EXPECT_EQ(t.w.log(), "closed");
    EXPECT_EQ(t.w.close(), 0);
}

// Due already, and closed before the callback ran: nothing is heard.
TEST(Process, ClosedWhenItsEndIsDue) {
    Scene t;
    evl_process *process = t.shell("exit 4");
    evl_op *waiter = t.w.op([&](int64_t status) { // told before the handle
        EXPECT_EQ(status, 4);
        EXPECT_EQ(evl_close(process), 0);
    });
    ASSERT_EQ(evl_process_wait(process, waiter), 0);
    t.w.run();
    EXPECT_TRUE(t.ends.empty());
}

// The loop goes, the child stays; whichever loop has to do with children next takes its status.
TEST(Process, Contract_12_TheLoopMayGoFirst) {
    for (Way way : ways())
        for (bool kill : {false, true}) {
            SCOPED_TRACE(name_of(way));
            Only only(way);
            int pid;
            Fd in;
            {
                Scene t;
                evl_process *process = t.shell("cat", {kTo}, kill ? EVL_PROCESS_KILL : 0);
                pid = evl_process_pid(process);
                in = Fd(evl_process_take_fd(process, 0));
                ASSERT_EQ(evl_process_wait(process, t.w.op([] { ADD_FAILURE() << "silent"; })), 0);
                EXPECT_EQ(t.w.close(), EVL_EBUSY);
                EXPECT_EQ(t.w.destroy(), 0);
            }
            siginfo_t info{};
            if (!kill) {
                EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT), 0);
                EXPECT_EQ(info.si_pid, 0) << "it runs";
            }
            in.close();
            bool ended = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0;
            EXPECT_TRUE(ended || (kill && errno == ECHILD)); // killed in time for the loop that went
            Scene other;
            evl_process *next = other.shell("true");
            EXPECT_EQ(other.end_of(next), 0);
            EXPECT_FALSE(is_there(pid)) << "no zombie";
        }
}

TEST(Process, ALoopThatIsClosedLeavesNoZombieEither) {
    int pid;
    Fd in;
    {
        Scene t;
        evl_process *process = t.shell("cat", {kTo});
        pid = evl_process_pid(process);
        in = Fd(evl_process_take_fd(process, 0));
        EXPECT_EQ(evl_close(process), 0);
        EXPECT_EQ(t.w.close(), 0);
    }
    in.close();
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
    {
        Scene other;
        evl_process *next = other.shell("cat", {kTo});
        EXPECT_FALSE(is_there(pid)) << "starting one looks after it";
        EXPECT_EQ(other.end_of((Fd(evl_process_take_fd(next, 0)).close(), next)), 0);
    }
}

// --- the loop's rules -------------------------------------------------------------------------------------

TEST(Process, Contract_18_AChildKeepsTheLoopAliveUnlessTold) {
    Scene t;
    evl_process *process = t.shell("cat", {kTo});
    EXPECT_EQ(evl_loop_alive(t.w.loop), 1);
    EXPECT_EQ(evl_keep_alive(process, 0), 0);
    EXPECT_EQ(evl_loop_alive(t.w.loop), 0);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_keep_alive(process, 1), 0);
    evl_blocker blocker{};
    EXPECT_EQ(evl_loop_blockers(t.w.loop, &blocker, 1), 1);
    EXPECT_EQ(blocker.kind, EVL_KIND_PROCESS);
    EXPECT_EQ(blocker.id, evl_id(process));
    char dump[1024];
    EXPECT_GT(evl_loop_dump(t.w.loop, dump, sizeof dump), 0);
    EXPECT_NE(std::string(dump).find("process id="), std::string::npos) << dump;
    EXPECT_NE(std::string(dump).find("pid=" + std::to_string(evl_process_pid(process))), std::string::npos);
    Fd(evl_process_take_fd(process, 0)).close();
    EXPECT_EQ(t.end_of(process), 0);
}

// No time passes at once while a child could still come in.
TEST(Process, AVirtualClockWaitsForIt) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        World w;
        Spawn spawn = Spawn::shell("sleep 0.05");
        evl_process *process = nullptr;
        w.timer_in(3600 * sec, w.says("an hour"));
        ASSERT_EQ(spawn.start(w.loop, World::done(), w.arg(w.says("ended")), &process), 0);
        w.run();
        EXPECT_EQ(w.log(), "ended an hour");
        EXPECT_EQ(evl_close(process), 0);
        w.clear();
        // Nor does a closed one count.
        ASSERT_EQ(Spawn::shell("cat", {kTo}).start(w.loop, World::done(), w.arg([] {}), &process), 0);
        Fd in(evl_process_take_fd(process, 0));
        EXPECT_EQ(evl_close(process), 0);
        w.timer_in(3600 * sec, w.says("an hour"));
        w.run();
        EXPECT_EQ(w.log(), "an hour");
        in.close();
        no_child_left(w);
    }
}

TEST(Process, AManualClockDoesNotDeadlockOnIt) {
    Scene t(EVL_CLOCK_MANUAL);
    evl_process *process = t.shell("exit 2");
    EXPECT_EQ(t.end_of(process), 2);
}

// In a forked child the processes are its parent's: closing touches memory only, and a repaired loop is told
// that nobody knows.
TEST(Process, Contract_11_AChildOfOursKnowsNothing) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        evl_process *process = t.shell("cat; exit 6", {kTo}, EVL_PROCESS_KILL);
        evl_process *closed = t.shell("cat; exit 6", {kTo}, EVL_PROCESS_KILL);
        in_child([&] {
            evl_process *none = nullptr;
            EXPECT_EQ(Spawn::shell("true").start(t.w.loop, World::done(), t.w.arg([] {}), &none), EVL_EFORK);
            EXPECT_EQ(evl_process_kill(process, SIGKILL), EVL_EFORK);
            int in = evl_process_stdio(closed, 0);
            EXPECT_EQ(evl_close(closed), 0);
            EXPECT_GE(::fcntl(in, F_GETFD), 0) << "memory only";
            std::vector<Fd> others; // have the numbers of what is not inherited
            for (int i = 0; i < 8; i++)
                others.emplace_back(::fcntl(in, F_DUPFD_CLOEXEC, 3));
            ASSERT_EQ(evl_loop_fork(t.w.loop), 0);
            t.w.run();
            for (const Fd &fd : others)
                EXPECT_GE(::fcntl(fd, F_GETFD), 0) << "somebody else's";
            others.clear();
            EXPECT_EQ(t.ends, std::vector<int64_t>{EVL_ECHILD});
            EXPECT_EQ(evl_process_exit_code(process), EVL_ECHILD);
            EXPECT_EQ(evl_process_signal(process), EVL_ECHILD);
            EXPECT_EQ(evl_process_kill(process, SIGKILL), EVL_ESRCH);
            t.ends.clear();
            evl_process *own = t.shell("exit 9");
            EXPECT_EQ(t.end_of(own), 9) << "and may have its own";
            EXPECT_EQ(evl_close(process), 0);
            EXPECT_EQ(t.w.close(), 0);
        });
        in_child([&] { EXPECT_EQ(t.w.destroy(), 0); });
        for (evl_process *p : {process, closed}) {
            EXPECT_EQ(evl_process_kill(p, 0), 0);
            Fd(evl_process_take_fd(p, 0)).close();
        }
        t.w.run();
        EXPECT_EQ(t.ends, (std::vector<int64_t>{6, 6})) << "the parent is untouched";
        EXPECT_EQ(evl_close(process), 0);
        EXPECT_EQ(evl_close(closed), 0);
    }
}

TEST(Process, Contract_13_OutOfMemoryStartsNothing) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        int failures = 0;
        for (uint64_t nth = 1;; nth++) {
            ASSERT_LT(nth, 100u);
            Scene t;
            Spawn spawn = Spawn::shell("exit 1", {kTo, kFrom});
            evl_process *process = nullptr;
            t.w.memory.fail(nth);
            int32_t rc = spawn.start(t.w.loop, World::done(),
                                     t.w.arg([&](int64_t s) { t.ends.push_back(s); }), &process);
            bool failed = t.w.memory.failed();
            t.w.memory.fail(0);
            if (rc == 0) {
                EXPECT_FALSE(failed);
                EXPECT_EQ(t.end_of(process), 1);
                break;
            }
            failures++;
            EXPECT_EQ(rc, EVL_ENOMEM);
            EXPECT_EQ(process, nullptr);
            EXPECT_EQ(evl_loop_walk(t.w.loop, nullptr, 0), 0);
            EXPECT_EQ(t.w.close(), 0);
        }
        EXPECT_GT(failures, 3);
    }
}

// --- somebody else takes the status -----------------------------------------------------------------------

TEST(Process, AProgramThatIgnoresChildrenIsToldThatNobodyKnows) {
    for (Way way : ways()) {
        if (way == Way::signal)
            continue; // its own handler takes the place of the ignoring
        SCOPED_TRACE(name_of(way));
        Only only(way);
        struct sigaction ignore{}, before{};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGCHLD, &ignore, &before);
        Scene t;
        evl_process *process = t.shell("exit 3");
        t.w.run();
        ::sigaction(SIGCHLD, &before, nullptr);
        EXPECT_EQ(t.ends, std::vector<int64_t>{EVL_ECHILD});
        EXPECT_EQ(evl_close(process), 0);
    }
}

// --- as asyncio -------------------------------------------------------------------------------------------

// A child reaped elsewhere is told as such: asyncio answers 255 and warns.
TEST(Process, Asyncio_148_AChildReapedElsewhere) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        evl_process *process = t.shell("exit 3");
        EXPECT_EQ(::waitpid(evl_process_pid(process), nullptr, 0), evl_process_pid(process));
        t.w.run();
        EXPECT_EQ(t.ends, std::vector<int64_t>{EVL_ECHILD});
        EXPECT_EQ(evl_close(process), 0);
    }
}

// The program's own children are not ours to wait for.
TEST(Process, Asyncio_148_OtherChildrenAreLetBe) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        pid_t other = ::fork();
        if (other == 0)
            ::_exit(42);
        evl_process *process = t.shell("sleep 0.02; exit 3");
        EXPECT_EQ(t.end_of(process), 3);
        int status = 0;
        EXPECT_EQ(::waitpid(other, &status, 0), other);
        EXPECT_EQ(WEXITSTATUS(status), 42);
    }
}

// Its end is told though a grandchild holds the pipe open.
TEST(Process, Asyncio_149_TheEndDoesNotWaitForThePipes) {
    for (Way way : ways()) {
        SCOPED_TRACE(name_of(way));
        Only only(way);
        Scene t;
        Pipe gate; // holds the grandchild
        ::fcntl(gate.r, F_SETFL, 0);
        evl_process *process = t.shell("read x <&3 & exit 3", {kNull, kFrom, kNull, {EVL_STDIO_FD, gate.r}});
        gate.r.close();
        Fd out(evl_process_take_fd(process, 1));
        evl_op *waiter = t.w.op([&](int64_t status) {
            char byte;
            EXPECT_EQ(status, 3);
            EXPECT_EQ(::read(out, &byte, 1), -1) << "no end of file yet";
            EXPECT_EQ(errno, EAGAIN);
            t.w.note("ended");
        });
        ASSERT_EQ(evl_process_wait(process, waiter), 0);
        EXPECT_EQ(t.end_of(process), 3);
        EXPECT_EQ(t.w.log(), "ended");
        gate.w.close();
        EXPECT_EQ(t.read_all(out), "");
    }
}

// What the child wrote before it ended can still be read after its end was told.
TEST(Process, Asyncio_149_WhatWasWrittenStays) {
    Scene t;
    evl_process *process = t.shell("echo last words", {kNull, kFrom});
    t.w.run();
    EXPECT_EQ(t.ends, std::vector<int64_t>{0});
    Fd out(evl_process_take_fd(process, 1));
    EXPECT_EQ(t.read_all(out), "last words\n");
    EXPECT_EQ(evl_close(process), 0);
}

// asyncio kills a running child when its transport is closed, and not one that has ended; here that is a
// flag.
TEST(Process, Asyncio_150_ClosingKillsARunningChildIfAsked) {
    Scene t;
    evl_process *process = t.shell("echo $$; exec sleep 1000", {kNull, kFrom}, EVL_PROCESS_KILL);
    Fd out(evl_process_take_fd(process, 1));
    EXPECT_EQ(evl_close(process), 0);
    (void)t.read_all(out); // ends with the child
    process = t.shell("exit 0", {}, EVL_PROCESS_KILL);
    EXPECT_EQ(t.end_of(process), 0);
    no_child_left(t.w);
}

// Between its end and our hearing of it a signal goes nowhere, without an error; after that, with one.
TEST(Process, Asyncio_150_SignallingADeadChild) {
    Scene t;
    evl_process *process = t.shell("exit 0");
    siginfo_t info{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(evl_process_pid(process)), &info, WEXITED | WNOWAIT), 0);
    EXPECT_EQ(evl_process_kill(process, SIGTERM), 0);
    t.w.run();
    EXPECT_EQ(t.ends, std::vector<int64_t>{0});
    EXPECT_EQ(evl_process_kill(process, SIGTERM), EVL_ESRCH);
    EXPECT_EQ(evl_close(process), 0);
}

} // namespace
