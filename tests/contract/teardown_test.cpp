// teardown_test.cpp - the loop is destroyed with every kind of handle in every state, and under everything
// that may be a hundred thousand links long, on a small stack.
#include "servers.hpp"

#include <csignal>
#include <sys/wait.h>

using namespace streams;

namespace {

// --- every kind of handle, in every state
// -------------------------------------------------------------------

// A handle that is active, and something that makes it report.
class Subject {
  public:
    explicit Subject(World &world) : w(world) {}
    Subject(const Subject &) = delete;
    virtual ~Subject() = default;
    virtual evl_handle *make(void *arg) = 0; // not active yet, where there is such a state
    virtual void activate() {}
    virtual void fire() = 0; // active, and told of in the next pass
    virtual bool reports() { return true; }

  protected:
    World &w;
    evl_handle *h = nullptr;
};

struct Io : Subject {
    using Subject::Subject;
    evl_handle *make(void *arg) override {
        EXPECT_EQ(evl_io_new(w.loop, pipe.r, 0, 0, World::done(), arg, &h), 0);
        return h;
    }
    void activate() override { EXPECT_EQ(evl_io_set(h, EVL_READ), 0); }
    void fire() override { pipe.w.put(); }
    Pipe pipe;
};

struct Timer : Subject {
    using Subject::Subject;
    evl_handle *make(void *arg) override {
        EXPECT_EQ(evl_timer_new(w.loop, World::done(), arg, &h), 0);
        return h;
    }
    void activate() override { EXPECT_EQ(evl_timer_start_in(h, sec, sec), 0); }
    void fire() override { evl_clock_advance(w.loop, sec); }
};

struct Wall : Subject {
    using Subject::Subject;
    evl_handle *make(void *arg) override {
        EXPECT_EQ(evl_wall_new(w.loop, World::done(), arg, &h), 0);
        return h;
    }
    void activate() override { EXPECT_EQ(evl_wall_start_at(h, evl_wall_time(w.loop) + sec, sec), 0); }
    void fire() override { evl_clock_advance(w.loop, sec); }
};

struct Signal : Subject {
    using Subject::Subject;
    evl_handle *make(void *arg) override {
        EXPECT_EQ(evl_signal_new(w.loop, SIGUSR1, World::done(), arg, &h), 0);
        return h;
    }
    void fire() override { ::raise(SIGUSR1); }
};

struct Hook : Subject {
    using Subject::Subject;
    evl_handle *make(void *arg) override {
        EXPECT_EQ(evl_hook_new(w.loop, EVL_HOOK_BEFORE_POLL, World::always, arg, &h), 0);
        return h;
    }
    void fire() override {}
    bool reports() override { return false; }
};

struct Pushed : Subject {
    using Subject::Subject;
    evl_handle *make(void *arg) override {
        Pair pair;
        peer = std::move(pair.b);
        h = open(w, pair.a);
        EXPECT_EQ(evl_set_arg(h, own = arg), 0);
        return h;
    }
    void activate() override { EXPECT_EQ(evl_stream_on_data(h, World::done(), own), 0); }
    void fire() override { put(peer, "x"); }
    Fd peer;
    void *own = nullptr;
};

// Something is queued that the other end does not take.
struct Stuffed : Pushed {
    using Pushed::Pushed;
    void activate() override {
        Pushed::activate();
        EXPECT_EQ(write(h, std::string(1 << 20, 'x')), 1 << 20);
        EXPECT_GT(evl_stream_queued(h), 0);
    }
};

struct Serving : Subject {
    using Subject::Subject;
    evl_handle *make(void *arg) override {
        EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", nullptr, &h), 0);
        EXPECT_EQ(evl_set_arg(h, own = arg), 0);
        return h;
    }
    void activate() override { EXPECT_EQ(evl_server_on_connection(h, World::done(), own), 0); }
    void fire() override { client = servers::client(servers::SocketAddress(h)); }
    void *own = nullptr;
    Fd client;
};

struct Udp : Subject {
    using Subject::Subject;
    evl_handle *make(void *arg) override {
        servers::SocketAddress any("127.0.0.1", 0);
        EXPECT_EQ(evl_udp_open(w.loop, any.get(), any.length, 0, &h), 0);
        EXPECT_EQ(evl_set_arg(h, own = arg), 0);
        return h;
    }
    void activate() override { EXPECT_EQ(evl_udp_on_data(h, World::done(), own), 0); }
    void fire() override {
        servers::SocketAddress to;
        to.length = static_cast<socklen_t>(evl_udp_local(h, &to.bytes, sizeof to.bytes));
        Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        EXPECT_EQ(::sendto(fd, "x", 1, 0, to.get(), to.length), 1);
    }
    void *own = nullptr;
};

struct Process : Subject {
    using Subject::Subject;
    ~Process() override {
        input.close();
        ::waitpid(pid, nullptr, 0); // unless the loop has
    }
    evl_handle *make(void *arg) override {
        const evl_stdio pipe{EVL_STDIO_PIPE_TO, 0};
        evl_process_options options{};
        options.struct_size = sizeof options;
        options.file = "cat";
        options.stdio = &pipe;
        options.stdio_count = 1;
        EXPECT_EQ(evl_process_spawn(w.loop, &options, World::done(), arg, &h), 0);
        pid = evl_process_pid(h);
        input = Fd(evl_process_take_fd(h, 0));
        return h;
    }
    void fire() override {
        input.close();
        siginfo_t info{};
        EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
    }
    Fd input;
    pid_t pid = 0;
};

struct Path : Subject {
    using Subject::Subject;
    ~Path() override { ::unlink(name); }
    evl_handle *make(void *arg) override {
        file = Fd(::mkstemp(name));
        EXPECT_EQ(evl_path_new(w.loop, name, World::done(), arg, &h), 0);
        return h;
    }
    void fire() override { file.put(); }
    char name[32] = "/tmp/evloop-teardown-XXXXXX";
    Fd file;
};

template <class S>
std::unique_ptr<Subject> make(World &w) {
    return std::make_unique<S>(w);
}
struct Kind {
    const char *name;
    std::unique_ptr<Subject> (*make)(World &);
};
constexpr Kind handle_kinds[] = {
    {"io", make<Io>},     {"timer", make<Timer>},     {"wall", make<Wall>},       {"signal", make<Signal>},
    {"hook", make<Hook>}, {"stream", make<Pushed>},   {"stuffed", make<Stuffed>}, {"server", make<Serving>},
    {"udp", make<Udp>},   {"process", make<Process>}, {"path", make<Path>}};

struct Scene {
    explicit Scene(const Kind &kind) : subject(kind.make(w)) {
        h = subject->make(w.arg(
            [this] {
                reports++;
                w.note("report");
                if (inside)
                    inside();
            },
            [this] {
                EXPECT_EQ(h_gone, true) << "not before the end";
                drops++;
            }));
        EXPECT_EQ(evl_set_drop(h, World::drop), 0);
        EXPECT_EQ(evl_set_name(h, "subject"), 0);
    }
    void destroy() {
        h_gone = true;
        evl_loop *loop = evl_loop_ref(w.loop);
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_EQ(evl_close(h), 0) << "closing is no error as long as there is a reference";
        EXPECT_EQ(evl_call_soon(loop, World::always, nullptr), EVL_ECLOSED);
        evl_loop_unref(loop);
    }
    // At the head of the pass in which it reports.
    void when_due(const std::function<void()> &act) {
        subject->activate();
        w.nowait(); // known to the kernel
        reports = 0;
        w.clear();
        w.call([this, act] {
            w.note("act");
            act();
        });
        subject->fire();
        w.nowait();
    }
    World w{{.clock = EVL_CLOCK_MANUAL, .poll_interval = 1}};
    std::unique_ptr<Subject> subject;
    evl_handle *h = nullptr;
    bool h_gone = false;
    int reports = 0, drops = 0;
    std::function<void()> inside;
};

void every(const std::function<void(Scene &)> &body) {
    for (const Kind &kind : handle_kinds) {
        SCOPED_TRACE(kind.name);
        Scene scene(kind);
        body(scene);
        EXPECT_EQ(scene.drops, 1) << "exactly once";
    }
}

// The control: that `when_due` finds it due.
TEST(Teardown, NotYet) {
    every([](Scene &t) {
        t.when_due([] {});
        if (t.subject->reports()) {
            EXPECT_EQ(t.w.log(), "act report");
        }
        t.destroy();
    });
}

TEST(Teardown, Idle) {
    every([](Scene &t) { t.destroy(); });
}

TEST(Teardown, Active) {
    every([](Scene &t) {
        t.subject->activate();
        t.destroy();
    });
}

TEST(Teardown, ActiveAndKnownToTheKernel) {
    every([](Scene &t) {
        t.subject->activate();
        t.w.nowait();
        t.destroy();
    });
}

TEST(Teardown, Fired) {
    every([](Scene &t) {
        t.subject->activate();
        t.w.nowait();
        t.subject->fire();
        t.destroy();
    });
}

TEST(Teardown, Due) {
    every([](Scene &t) {
        t.when_due([&t] { t.destroy(); });
        if (t.subject->reports()) {
            EXPECT_EQ(t.w.log(), "act");
        }
    });
}

TEST(Teardown, ClosedWhenItWasDue) {
    every([](Scene &t) {
        t.when_due([&t] {
            t.h_gone = true;
            EXPECT_EQ(evl_close(t.h), 0);
            EXPECT_EQ(t.drops, 0) << "never inside the call";
            EXPECT_EQ(t.w.destroy(), 0);
        });
        if (t.subject->reports()) {
            EXPECT_EQ(t.w.log(), "act");
        }
    });
}

TEST(Teardown, Closed) {
    every([](Scene &t) {
        t.subject->activate();
        t.w.nowait();
        t.h_gone = true;
        EXPECT_EQ(evl_close(t.h), 0);
        EXPECT_EQ(t.w.destroy(), 0);
    });
}

TEST(Teardown, InItsOwnCallback) {
    every([](Scene &t) {
        t.subject->activate();
        t.w.nowait();
        t.inside = [&t] {
            t.inside = {};
            t.destroy();
            EXPECT_EQ(t.drops, records() && t.subject->reports() ? 1 : 0)
                << "a callback's argument is in use";
        };
        if (!t.subject->reports()) {
            if (records())
                t.w.call_inside([] {}); // hooks run only in a run
            t.w.nowait();
        } else {
            t.subject->fire();
            t.w.nowait();
        }
        EXPECT_EQ(t.w.loop, nullptr);
    });
}

TEST(Teardown, ClosedInItsOwnCallback) {
    every([](Scene &t) {
        t.subject->activate();
        t.w.nowait();
        t.inside = [&t] {
            t.inside = {};
            t.h_gone = true;
            EXPECT_EQ(evl_close(t.h), 0);
            EXPECT_EQ(t.w.destroy(), 0);
        };
        if (!t.subject->reports() && records())
            t.w.call_inside([] {});
        if (t.subject->reports())
            t.subject->fire();
        t.w.nowait();
        EXPECT_EQ(t.w.loop, nullptr);
    });
}

// What it ought to do is done by nobody then: the fd is closed, and the rest is lost.
TEST(Teardown, Lingering) {
    for (streams::Kind kind : kinds) {
        World w;
        Link link(w, kind);
        EXPECT_EQ(write(link.s, std::string(4 << 20, 'x')), 4 << 20);
        EXPECT_GT(evl_stream_queued(link.s), 0);
        EXPECT_EQ(evl_close(link.s), 0);
        w.nowait();
        EXPECT_FALSE(at_end(link.peer));
        EXPECT_EQ(w.destroy(), 0);
        got(link.peer);
        EXPECT_TRUE(at_end(link.peer));
    }
}

} // namespace
