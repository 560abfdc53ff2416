// load_test.cpp - ten thousand connections, peers that never read, and the fd limit, from other processes.
#include "peers.hpp"
#include "scale.hpp"
#include "world.hpp"

#include <memory>
#include <netinet/in.h>
#include <sys/resource.h>
#include <unordered_set>

using namespace support;

namespace {

constexpr size_t kHigh = 65536;

// The echo server: data is pushed, and who does not read is not read. Records are fetched one at a time, for
// one that has been fetched is not taken back by a pause or a close.
class Echo {
  public:
    explicit Echo(World &world) : world_(world) {
        EXPECT_EQ(evl_server_listen(world.loop, "127.0.0.1", nullptr, nullptr, &server), 0);
        EXPECT_EQ(
            evl_server_on_connection(server, World::done(), world.arg([this](int64_t n) { accept(n); })), 0);
    }

    uint16_t port() const {
        sockaddr_in address{};
        EXPECT_GT(evl_server_local(server, 0, &address, sizeof address), 0);
        return ntohs(address.sin_port);
    }

    evl_server *server = nullptr;
    std::unordered_set<struct Connection *> live;
    uint64_t ended = 0, failed = 0;

  private:
    void accept(int64_t n);
    World &world_;
};

struct Connection {
    World &world;
    Echo &echo;
    evl_stream *stream;
    evl_op drained;

    Connection(World &w, Echo &e, evl_stream *s) : world(w), echo(e), stream(s) {
        EXPECT_EQ(evl_op_init(&drained, World::done(), w.arg([this](int64_t n) { resume(n); }), 0), 0);
        EXPECT_EQ(evl_stream_on_data(s, World::done(), w.arg([this](int64_t n) { data(n); })), 0);
        e.live.insert(this);
    }

    void close(bool failed) {
        ++(failed ? echo.failed : echo.ended);
        evl_op_close(&drained);
        evl_close(stream);
        echo.live.erase(this);
        delete this;
    }

    void data(int64_t n) {
        const void *bytes = nullptr;
        if (n <= 0) {
            if (evl_stream_queued(stream) > 0) { // some read so slowly that the usual time is not enough
                EXPECT_EQ(evl_stream_set_linger(stream, 60 * sec), 0);
            }
            close(n < 0);
            return;
        }
        if (evl_stream_peek(stream, &bytes) < n ||
            evl_stream_write(stream, bytes, static_cast<size_t>(n)) != n) {
            close(true);
            return;
        }
        if (records()) {
            EXPECT_EQ(evl_stream_consume(stream, static_cast<size_t>(n)), 0);
        }
        if (evl_stream_queued(stream) > static_cast<int64_t>(kHigh)) {
            EXPECT_EQ(evl_stream_pause(stream), 0);
            EXPECT_EQ(evl_stream_drain(stream, &drained), 0);
        }
    }

    void resume(int64_t rc) {
        if (rc != 0 || evl_stream_resume(stream) != 0)
            close(true);
    }
};

void Echo::accept(int64_t n) {
    evl_stream *stream = nullptr;
    EXPECT_EQ(n, 1);
    while (evl_server_accept(server, &stream) == 0)
        new Connection(world_, *this, stream);
}

// The other process and this one wait for each other, a byte each.
struct Steps {
    Pipe from, to;
    void say(char step) const { EXPECT_EQ(::write(from.w, &step, 1), 1); }
    void hear() const {
        char step;
        ssize_t n;
        while ((n = ::read(to.r, &step, 1)) < 0)
            ::usleep(1000);
        EXPECT_EQ(n, 1);
    }
    void go() const { EXPECT_EQ(::write(to.w, "g", 1), 1); }
};

// Runs the loop until the other process has said something.
void serve_until_told(World &w, const Steps &steps) {
    evl_io *io = w.io(steps.from.r, EVL_READ, [&](int64_t) {
        char step;
        EXPECT_EQ(::read(steps.from.r, &step, 1), 1);
        w.stop(0);
    });
    EXPECT_EQ(w.run(), 0);
    EXPECT_EQ(evl_close(io), 0);
}

// The whole program on the default backend, and less where everything is slow, or everything is asked about
// each time.
bool in_full(const World &w) { return w.on("epoll") && !records(); }

int connections(const World &w) {
    return static_cast<int>(scaled(in_full(w) && !slow() ? 10000 : in_full(w) ? 8000 : 800));
}

double seconds(const World &w) {
    const char *asked = std::getenv("EVLOOP_LOAD_SECONDS");
    return !in_full(w) ? 1.5 : asked ? std::atof(asked) : 5;
}

void be_peers(uint16_t port, int count, double for_seconds, uint64_t with_seed, const Steps &steps) {
    load::Peers peers(port, count, with_seed);
    peers.connect_all();
    steps.say('c');
    steps.hear();
    peers.play(for_seconds);
    peers.settle();
    steps.say('i');
    steps.hear();
    peers.end();
    const load::Report &r = peers.report();
    EXPECT_EQ(r.wrong, 0u);
    EXPECT_GT(r.bytes, static_cast<uint64_t>(count) * 10);
    EXPECT_GT(r.resets, 0u);
    EXPECT_GT(r.halves, 0u);
    std::printf("%llu connections, %llu bytes, %llu resets, %llu half-closes\n",
                static_cast<unsigned long long>(r.connections), static_cast<unsigned long long>(r.bytes),
                static_cast<unsigned long long>(r.resets), static_cast<unsigned long long>(r.halves));
    std::fflush(stdout);
    steps.say('e');
}

TEST(Load, TenThousandConnectionsLoseNothing) {
    World w({.clock = EVL_CLOCK_REAL});
    Echo echo(w);
    Steps steps;
    int count = connections(w);
    double time = seconds(w);
    uint64_t chance = seed();
    size_t empty = w.memory.bytes();
    uint16_t port = echo.port();
    int small = 16384; // inherited by what is accepted, so that queues form
    EXPECT_EQ(::setsockopt(evl_server_fd(echo.server, 0), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    Child child([&] { be_peers(port, count, time, chance, steps); });

    serve_until_told(w, steps);
    EXPECT_EQ(echo.live.size(), static_cast<size_t>(count));
    size_t idle = w.memory.bytes();
    size_t lent = records() ? 0 : 65536; // once, for all
    size_t each = (idle - empty - lent) / static_cast<size_t>(count);
    std::printf("%zu bytes for each idle connection\n", each);
    if (count >= 5000) {
        EXPECT_LE(each, 210u); // a table of fds that grew by doubling is in it
    }

    size_t most = idle;
    evl_timer *sample = w.timer_in(100 * ms, [&] { most = std::max(most, w.memory.bytes()); }, 100 * ms);
    steps.go();
    serve_until_told(w, steps);
    EXPECT_EQ(evl_close(sample), 0);
    EXPECT_EQ(echo.live.size(), static_cast<size_t>(count));
    size_t after = w.memory.bytes();
    std::printf("bytes: %zu without, %zu idle, %zu at most, %zu idle again\n", empty, idle, most, after);
    // What may stay is what pools keep, as many as a poll reports: 256 blocks of 16 KiB and small pieces; the
    // buffer that is lent, which closed streams discard into; and slots of connections that came while others
    // were still going.
    EXPECT_LT(after, idle + 256 * 16384 + 2 * 65536 + idle / 8);

    steps.go();
    serve_until_told(w, steps);
    for (int i = 0; i < 10000 && !echo.live.empty(); i++)
        w.once();
    EXPECT_TRUE(echo.live.empty());
    EXPECT_EQ(evl_server_connections(echo.server), 0);
    EXPECT_GT(echo.ended, 0u);
    EXPECT_GT(echo.failed, 0u); // by the resets
    EXPECT_EQ(evl_close(echo.server), 0);
    EXPECT_EQ(w.close(), 0); // nothing is left open on the loop
}

int dial(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
    return fd;
}

// Writes until nothing has been taken for a while.
size_t stuff(int fd) {
    static const char zeros[65536] = {};
    size_t sent = 0;
    for (int still = 0; still < 50;) {
        ssize_t n = ::send(fd, zeros, sizeof zeros, MSG_DONTWAIT | MSG_NOSIGNAL);
        still = n > 0 ? 0 : still + 1;
        sent += n > 0 ? static_cast<size_t>(n) : 0;
        if (n < 0)
            ::usleep(5000);
    }
    return sent;
}

TEST(Load, PeersThatNeverReadCostTheHighMark) {
    World w({.clock = EVL_CLOCK_REAL});
    Echo echo(w);
    Steps steps;
    constexpr int kPeers = 4;
    Child child([&] {
        std::vector<Fd> fds;
        for (int i = 0; i < kPeers; i++)
            fds.emplace_back(dial(echo.port()));
        steps.say('c');
        steps.hear();
        size_t sent = 0;
        for (const Fd &fd : fds)
            sent += stuff(fd);
        EXPECT_GT(sent, kPeers * kHigh);
        steps.say('s');
        steps.hear();
        for (const Fd &fd : fds) {
            ::shutdown(fd, SHUT_WR);
            char buf[65536];
            for (ssize_t n; (n = ::recv(fd, buf, sizeof buf, 0)) > 0; sent -= static_cast<size_t>(n))
                continue;
        }
        EXPECT_EQ(sent, 0u); // and all of it comes when it is read after all
        steps.say('e');
    });
    serve_until_told(w, steps);
    size_t before = w.memory.bytes();
    steps.go();
    serve_until_told(w, steps);
    for (const Connection *c : echo.live) {
        // One read more than the mark; what is queued was copied to blocks, which are not all full.
        EXPECT_LE(evl_stream_queued(c->stream), static_cast<int64_t>(kHigh + 65536));
        EXPECT_GT(evl_stream_queued(c->stream), 0);
    }
    EXPECT_LT(w.memory.bytes(), before + (kPeers + 1) * 4 * 65536);
    uint64_t passes = w.metrics().passes;
    evl_timer *timer = w.timer_in(200 * ms, [&] { w.stop(0); });
    EXPECT_EQ(w.run(), 0);
    EXPECT_LT(w.metrics().passes - passes, 20u); // nobody spins meanwhile
    EXPECT_EQ(evl_close(timer), 0);
    steps.go();
    serve_until_told(w, steps);
    for (int i = 0; i < 1000 && !echo.live.empty(); i++)
        w.once();
    EXPECT_EQ(evl_close(echo.server), 0);
}

TEST(Load, WriterThatIgnoresDrainIsStoppedByTheHardLimit) {
    World w({.clock = EVL_CLOCK_REAL});
    Tcp pair;
    evl_stream *stream = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, pair.a, EVL_STREAM_KEEP_FD, &stream), 0);
    ASSERT_EQ(evl_stream_set_marks(stream, 65536, EVL_AUTO, 1 << 20), 0);
    static const char zeros[10000] = {};
    size_t before = w.memory.bytes();
    int64_t rc = 0, written = 0;
    for (int i = 0; i < 100000 && rc >= 0; i++) {
        rc = evl_stream_write(stream, zeros, sizeof zeros);
        written += rc > 0 ? rc : 0;
    }
    EXPECT_EQ(rc, EVL_ENOBUFS);
    EXPECT_LE(evl_stream_queued(stream), 1 << 20);
    EXPECT_LT(w.memory.bytes(), before + (5 << 18));
    int64_t got = 0; // and it may go on when there is room
    evl_op *flushed = w.op([&](int64_t n) {
        EXPECT_EQ(n, 0);
        w.stop(0);
    });
    ASSERT_EQ(evl_stream_flush(stream, flushed), 0);
    evl_io *io = w.io(pair.b, EVL_READ, [&] { got += pair.b.drain(); });
    EXPECT_EQ(w.run(), 0);
    got += pair.b.drain();
    EXPECT_EQ(evl_stream_write(stream, zeros, sizeof zeros), static_cast<int64_t>(sizeof zeros));
    until([&] { return (got += pair.b.drain()) >= written + static_cast<int64_t>(sizeof zeros); });
    EXPECT_EQ(got, written + static_cast<int64_t>(sizeof zeros));
    EXPECT_EQ(evl_close(io), 0);
    EXPECT_EQ(evl_stream_abort(stream), 0);
}

int64_t cpu_ns() {
    timespec ts{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return ts.tv_sec * sec + ts.tv_nsec;
}

// Lets this process have n fds more than it has.
class FdLimit {
  public:
    explicit FdLimit(int more) {
        EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
        rlimit limit = before_;
        Fd highest(::dup(0));
        limit.rlim_cur = static_cast<rlim_t>(highest + more);
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    ~FdLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

  private:
    rlimit before_{};
};

TEST(Load, AtTheFdLimitNobodySpinsAndServiceResumes) {
    World w({.clock = EVL_CLOCK_REAL});
    Echo echo(w);
    Steps steps;
    constexpr int kPeers = 120, kRoom = 50;
    Child child([&] {
        std::vector<Fd> fds;
        for (int i = 0; i < kPeers; i++) {
            fds.emplace_back(dial(echo.port()));
            EXPECT_EQ(::send(fds.back(), "x", 1, MSG_NOSIGNAL), 1);
        }
        steps.say('c');
        steps.hear();
        for (Fd &fd : fds) { // in the order in which they came, each making room for another
            char byte = 0;
            EXPECT_EQ(::recv(fd, &byte, 1, 0), 1);
            EXPECT_EQ(byte, 'x');
            fd.close();
        }
        steps.say('e');
    });
    {
        FdLimit limit(kRoom);
        serve_until_told(w, steps);
        evl_timer *timer = w.timer_in(500 * ms, [&] { w.stop(0); });
        int64_t from = cpu_ns();
        EXPECT_EQ(w.run(), 0);
        EXPECT_LT(cpu_ns() - from, 50 * ms);
        EXPECT_LE(echo.live.size(), static_cast<size_t>(kRoom));
        EXPECT_GE(echo.live.size(), static_cast<size_t>(kRoom) - 10);
        EXPECT_EQ(evl_close(timer), 0);
        steps.go();
        serve_until_told(w, steps);
        for (int i = 0; i < 1000 && !echo.live.empty(); i++)
            w.once();
        EXPECT_EQ(echo.ended + echo.failed, static_cast<uint64_t>(kPeers));
    }
    EXPECT_EQ(evl_close(echo.server), 0);
}

} // namespace
