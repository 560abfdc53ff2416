// server_life_test.cpp - servers: listening, accepting in three ways, limits, and every order of ending.
#include "streams.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

using namespace streams;

namespace {

// Options of which one field is set.
template <class T, class V>
evl_server_options with(T evl_server_options::*field, V value) {
    evl_server_options o{};
    o.*field = static_cast<T>(value);
    return o;
}

struct Served {
    explicit Served(World &world, evl_server_options o = {}, const char *host = "127.0.0.1") : w(world) {
        o.struct_size = sizeof o;
        EXPECT_EQ(evl_server_listen(w.loop, host, "0", &o, &server), 0);
    }
    int port(int32_t n = 0) const {
        sockaddr_in6 address{};
        EXPECT_GT(evl_server_local(server, n, &address, sizeof address), 0);
        return ntohs(address.sin6_port); // in the same place for both families
    }
    Fd client() const {
        Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        in.sin_port = htons(static_cast<uint16_t>(port()));
        EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr *>(&in), sizeof in), 0);
        EXPECT_EQ(::fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        return fd;
    }
    std::vector<Fd> clients(int n) const {
        std::vector<Fd> all;
        for (int i = 0; i < n; i++)
            all.push_back(client());
        return all;
    }
    // Accepts whatever comes.
    void serve() {
        EXPECT_EQ(evl_server_on_connection(server, World::done(), w.arg([this](int64_t n) { take(n); })), 0);
    }
    void take(int64_t n) {
        calls++;
        if (n != 1) {
            last = n;
            return;
        }
        evl_stream *s = nullptr;
        while ((last = evl_server_accept(server, &s)) == 0)
            streams.push_back(s);
    }
    World &w;
    evl_server *server = nullptr;
    std::vector<evl_stream *> streams;
    int calls = 0;
    int64_t last = pending;
};

TEST(ServerListen, BadInput) {
    World w;
    evl_server *s = nullptr;
    evl_server_options o{};
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", &o, &s), EVL_EINVAL) << "struct_size 0";
    o.struct_size = sizeof o;
    o.flags = 0x100;
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", &o, &s), EVL_EINVAL);
    o.flags = 0;
    o.backlog = -1;
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", &o, &s), EVL_EINVAL);
    o.backlog = 0;
    o.at_fd_limit = 9;
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", &o, &s), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen(nullptr, "127.0.0.1", "0", nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen(w.loop, "example.org", "0", nullptr, &s), EVL_EAI_NONAME);
    for (const char *service : {"x", "65536", "-1", "1x", " 1"})
        EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", service, nullptr, &s), EVL_EAI_SERVICE) << service;
    EXPECT_EQ(evl_server_listen(w.loop, "192.0.2.1", "0", nullptr, &s), EVL_EADDRNOTAVAIL);
    EXPECT_EQ(evl_server_listen_any(w.loop, nullptr, nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen_on(w.loop, nullptr, 16, nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen_unix(w.loop, std::string(300, 'x').c_str(), nullptr, &s), EVL_ENAMETOOLONG);
    EXPECT_EQ(evl_server_listen_unix(w.loop, "/no/such/directory/s", nullptr, &s), EVL_ENOENT);
    EXPECT_EQ(evl_server_listen_fds(w.loop, nullptr, 1, nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_server_accept(nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_server_stop(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_server_fd(nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(s, nullptr);
    EXPECT_EQ(w.close(), 0);
}

TEST(ServerListen, LocalhostHasASocketForEachFamilyOnOnePort) {
    World w;
    Served served(w, {}, "localhost");
    int32_t n = evl_server_sockets(served.server);
    ASSERT_GE(n, 1);
    for (int32_t i = 1; i < n; i++) {
        EXPECT_EQ(served.port(i), served.port(0));
        int only = 0;
        socklen_t len = sizeof only;
        EXPECT_EQ(::getsockopt(evl_server_fd(served.server, i), IPPROTO_IPV6, IPV6_V6ONLY, &only, &len), 0);
        EXPECT_EQ(only, 1);
    }
    EXPECT_EQ(evl_server_fd(served.server, n), EVL_EINVAL);
    EXPECT_EQ(evl_server_fd(served.server, -1), EVL_EINVAL);
    served.serve();
    Fd four = served.client();
    pump(w, [&] { return served.streams.size() == 1; });
    if (n == 2) {
        Fd six(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_addr = in6addr_loopback;
        in.sin6_port = htons(static_cast<uint16_t>(served.port()));
        EXPECT_EQ(::connect(six, reinterpret_cast<sockaddr *>(&in), sizeof in), 0);
        pump(w, [&] { return served.streams.size() == 2; });
        EXPECT_EQ(info(served.streams[1]).family, AF_INET6);
    }
    EXPECT_EQ(evl_close(served.server), 0);
    EXPECT_EQ(evl_server_sockets(served.server), EVL_ESTALE);
}

TEST(ServerListen, APortThatIsTakenAndSharedOnes) {
    World w;
    Served served(w);
    std::string port = std::to_string(served.port());
    evl_server *second = nullptr;
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", port.c_str(), nullptr, &second), EVL_EADDRINUSE);
    EXPECT_EQ(evl_server_listen(w.loop, "localhost", port.c_str(), nullptr, &second), EVL_EADDRINUSE)
        << "all of them or none";
    evl_close(served.server);
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", port.c_str(), nullptr, &second), 0) << "at once again";
    evl_close(second);
    Served shared(w, with(&evl_server_options::flags, EVL_SERVER_REUSE_PORT));
    evl_server_options o{};
    o.struct_size = sizeof o;
    o.flags = EVL_SERVER_REUSE_PORT;
    port = std::to_string(shared.port());
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", port.c_str(), &o, &second), 0);
}

TEST(ServerAccept, Asyncio_113_ByCallbackEachAStreamWithoutDelay) {
    World w;
    Served served(w);
    std::vector<Fd> clients = served.clients(5);
    passes(w);
    EXPECT_EQ(served.calls, 0) << "nobody has asked yet";
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    served.serve();
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    pump(w, [&] { return served.streams.size() == 5; });
    EXPECT_EQ(served.last, EVL_EAGAIN);
    EXPECT_EQ(evl_server_connections(served.server), 5);
    for (evl_stream *s : served.streams) {
        int on = 0;
        socklen_t len = sizeof on;
        EXPECT_EQ(::getsockopt(info(s).fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
        EXPECT_EQ(on, 1);
        EXPECT_EQ(::fcntl(info(s).fd, F_GETFD), FD_CLOEXEC);
        EXPECT_NE(::fcntl(info(s).fd, F_GETFL) & O_NONBLOCK, 0);
    }
    write(served.streams[2], "you");
    std::string all;
    for (Fd &fd : clients)
        all += got(fd);
    EXPECT_EQ(all, "you");
    evl_close(served.streams[0]);
    EXPECT_EQ(evl_server_connections(served.server), 4);
    evl_close(served.server);
    Read r(w);
    EXPECT_EQ(r.some(served.streams[1]), 0) << "the connections live on";
}

TEST(ServerAccept, Asyncio_040_AtMostThirtyTwoInAPass) {
    World w;
    Served served(w);
    std::vector<Fd> clients = served.clients(70);
    served.serve();
    std::vector<size_t> seen;
    pump(w, [&] {
        if (seen.empty() || seen.back() != served.streams.size())
            seen.push_back(served.streams.size());
        return served.streams.size() == 70;
    });
    EXPECT_EQ(seen, (std::vector<size_t>{0, 32, 64, 70}));
}

TEST(ServerAccept, ByOperationsInOrder) {
    World w;
    Served served(w);
    evl_stream *s[4] = {};
    Wait a(w), b(w), c(w), d(w);
    Wait *ops[] = {&a, &b, &c, &d};
    for (int i = 0; i < 4; i++)
        EXPECT_EQ(evl_server_accept_op(served.server, ops[i]->op, &s[i]), 0);
    EXPECT_EQ(evl_server_accept_op(served.server, a.op, &s[0]), EVL_EBUSY);
    Wait bad(w);
    EXPECT_EQ(evl_server_accept_op(served.server, bad.op, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    passes(w);
    EXPECT_FALSE(a.done());
    EXPECT_EQ(evl_op_cancel(b.op), 1);
    EXPECT_EQ(evl_op_deadline(d.op, evl_time(w.loop) + sec), 0);
    std::vector<Fd> clients = served.clients(2);
    pump(w, [&] { return a.done() && c.done(); });
    EXPECT_EQ(a.result, 0);
    EXPECT_EQ(b.result, EVL_ECANCELED);
    EXPECT_EQ(c.result, 0);
    EXPECT_EQ(s[1], nullptr);
    EXPECT_NE(s[2], nullptr);
    while (!d.done())
        w.once();
    EXPECT_EQ(d.result, EVL_ETIMEDOUT);
    Fd late = served.client();
    EXPECT_EQ(evl_server_accept_op(served.server, b.op, &s[1]), 0);
    b.result = pending;
    pump(w, [&] { return b.done(); });
    EXPECT_EQ(b.result, 0) << "what came for nobody waits";
}

TEST(Contract_05, ACancelledAcceptHasTakenNothing) {
    World w;
    Served served(w);
    evl_stream *s = nullptr;
    Wait a(w), b(w);
    Fd client = served.client();
    EXPECT_EQ(evl_server_accept_op(served.server, a.op, &s), 0);
    w.call([&] { evl_op_cancel(a.op); });
    passes(w);
    if (a.result == EVL_ECANCELED) {
        EXPECT_EQ(s, nullptr);
        EXPECT_EQ(evl_server_accept_op(served.server, b.op, &s), 0);
        pump(w, [&] { return b.done(); });
    }
    EXPECT_NE(s, nullptr);
    EXPECT_EQ(evl_server_connections(served.server), 1);
}

TEST(ServerAccept, TheConnectionLimit) {
    for (bool by_op : {false, true}) {
        World w;
        Served served(w, with(&evl_server_options::max_connections, 2));
        std::vector<Fd> clients = served.clients(4);
        evl_stream *s[4] = {};
        Wait a(w), b(w), c(w);
        if (by_op) {
            Wait *ops[] = {&a, &b, &c};
            for (int i = 0; i < 3; i++)
                EXPECT_EQ(evl_server_accept_op(served.server, ops[i]->op, &s[i]), 0);
            pump(w, [&] { return a.done() && b.done(); });
            passes(w);
            EXPECT_FALSE(c.done());
            evl_close(s[0]);
            pump(w, [&] { return c.done(); });
        } else {
            served.serve();
            pump(w, [&] { return served.streams.size() == 2; });
            passes(w);
            int calls = served.calls;
            passes(w);
            EXPECT_EQ(served.calls, calls) << "no spin";
            EXPECT_EQ(served.streams.size(), 2u);
            evl_close(served.streams[0]);
            pump(w, [&] { return served.streams.size() == 3; });
        }
        EXPECT_EQ(evl_server_connections(served.server), 2);
    }
}

TEST(ServerAccept, PauseAndResume) {
    World w;
    Served served(w);
    served.serve();
    EXPECT_EQ(evl_server_pause(served.server), 0);
    EXPECT_EQ(evl_server_pause(served.server), 0);
    std::vector<Fd> clients = served.clients(3);
    passes(w);
    EXPECT_EQ(served.calls, 0);
    evl_stream *s = nullptr;
    EXPECT_EQ(evl_server_accept(served.server, &s), EVL_EAGAIN);
    EXPECT_EQ(evl_server_resume(served.server), 0);
    pump(w, [&] { return served.streams.size() == 3; });
}

// --- at the fd limit --------------------------------------------------------------------------------------

TEST(Contract_15, ItMayReport) {
    for (int err : {EMFILE, ENFILE, ENOMEM, ENOBUFS}) {
        World w;
        Sys sys;
        Served served(w, with(&evl_server_options::at_fd_limit, EVL_ACCEPT_REPORT));
        Fd client = served.client();
        evl_stream *s = nullptr;
        Wait op(w);
        sys.fail(Call::accept, err);
        EXPECT_EQ(evl_server_accept_op(served.server, op.op, &s), 0);
        pump(w, [&] { return op.done(); });
        EXPECT_EQ(op.result, -err);
        op.result = pending;
        EXPECT_EQ(evl_server_accept_op(served.server, op.op, &s), 0);
        pump(w, [&] { return op.done(); });
        EXPECT_EQ(op.result, 0) << "the connection is still there";
        evl_close(served.server);
        evl_close(s);
    }
}

TEST(Contract_15, ItMayShed) {
    World w;
    Sys sys;
    Served served(w, with(&evl_server_options::at_fd_limit, EVL_ACCEPT_SHED));
    served.serve();
    passes(w);
    Fd client = served.client();
    sys.fail(Call::accept, EMFILE);
    pump(w, [&] { return at_end(client); });
    EXPECT_EQ(served.streams.size(), 0u);
    Fd next = served.client();
    pump(w, [&] { return served.streams.size() == 1; });
    evl_close(served.server);
    evl_close(served.streams[0]);
}

TEST(ServerAccept, OneThatFailedWhileItWaitedIsPassedOver) {
    for (int err : {ECONNABORTED, EINTR, EPROTO}) {
        World w;
        Sys sys;
        Served served(w);
        served.serve();
        sys.fail(Call::accept, err);
        Fd client = served.client();
        pump(w, [&] { return served.streams.size() == 1; });
        EXPECT_EQ(sys.calls(Call::accept), 3u) << err;
        evl_close(served.server);
        evl_close(served.streams[0]);
    }
}

TEST(ServerAccept, OutOfMemoryLosesNoConnection) {
    for (int32_t policy : {EVL_ACCEPT_PAUSE, EVL_ACCEPT_SHED, EVL_ACCEPT_REPORT}) {
        World w;
        Served served(w, with(&evl_server_options::at_fd_limit, policy));
        Fd client = served.client();
        served.serve();
        // The first stream of a loop needs memory.
        w.memory.fail(1, 3);
        pump(w, [&] { return w.memory.failed(); });
        w.memory.fail(0);
        while (served.streams.empty())
            w.once();
        put(client, "kept");
        Read r(w);
        EXPECT_EQ(r.some(served.streams[0]), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "kept");
    }
}

// --- ending -----------------------------------------------------------------------------------------------

TEST(ServerStop, EndsTheListenersOnly) {
    World w;
    Served served(w);
    evl_stream *s = nullptr;
    Wait waiting(w), late(w);
    served.serve();
    Fd client = served.client();
    pump(w, [&] { return served.streams.size() == 1; });
    EXPECT_EQ(evl_server_accept_op(served.server, waiting.op, &s), 0);
    EXPECT_EQ(evl_server_stop(served.server), 0);
    EXPECT_EQ(evl_server_stop(served.server), 0) << "twice";
    EXPECT_FALSE(waiting.done());
    passes(w);
    EXPECT_EQ(waiting.result, EVL_ECLOSED);
    EXPECT_EQ(evl_server_sockets(served.server), 0);
    EXPECT_EQ(evl_server_accept(served.server, &s), EVL_ECLOSED);
    EXPECT_EQ(evl_server_accept_op(served.server, late.op, &s), EVL_ECLOSED);
    EXPECT_EQ(evl_server_on_connection(served.server, nullptr, nullptr), EVL_ECLOSED);
    EXPECT_EQ(evl_server_connections(served.server), 1);
    EXPECT_EQ(write(served.streams[0], "alive"), 5);
    EXPECT_EQ(got(client), "alive");
    EXPECT_EQ(evl_server_abort_clients(served.server), 1);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

TEST(ServerIdle, InAnyOrder) {
    for (int order = 0; order < 6; order++) {
        World w;
        Served served(w);
        Wait idle(w);
        served.serve();
        Fd client = served.client();
        pump(w, [&] { return served.streams.size() == 1; });
        write(served.streams[0], "so that it lingers");
        EXPECT_EQ(evl_server_on_idle(served.server, idle.op), 0);
        int32_t (*steps[])(evl_server *) = {evl_server_stop, evl_server_close_clients};
        passes(w);
        EXPECT_FALSE(idle.done());
        if (order < 2) {
            EXPECT_EQ(steps[order % 2](served.server), order % 2);
            passes(w);
            EXPECT_FALSE(idle.done()) << order;
            EXPECT_EQ(steps[1 - order % 2](served.server), 1 - order % 2);
            passes(w);
            EXPECT_FALSE(idle.done()) << "lingering";
            EXPECT_EQ(evl_server_connections(served.server), 1);
            client.close();
            pump(w, [&] { return idle.done(); });
            EXPECT_EQ(idle.result, 0);
        } else if (order == 2) {
            EXPECT_EQ(evl_server_abort_clients(served.server), 1);
            passes(w);
            EXPECT_FALSE(idle.done()) << "it still listens";
            EXPECT_EQ(evl_server_stop(served.server), 0);
            EXPECT_FALSE(idle.done());
            passes(w);
            EXPECT_EQ(idle.result, 0);
        } else if (order == 3) {
            EXPECT_EQ(evl_close(served.server), 0);
            passes(w);
            EXPECT_EQ(idle.result, EVL_ECLOSED);
            EXPECT_EQ(evl_close(served.streams[0]), 0);
        } else if (order == 4) {
            EXPECT_EQ(evl_server_close_clients(served.server), 1);
            EXPECT_EQ(evl_server_close_clients(served.server), 0) << "they are lingering";
            EXPECT_EQ(evl_close(served.server), 0);
            client.close();
            passes(w);
            EXPECT_EQ(idle.result, EVL_ECLOSED);
        } else {
            EXPECT_EQ(w.destroy(), 0);
            EXPECT_FALSE(idle.done());
        }
    }
}

TEST(ServerIdle, AtOnceWhenItIs) {
    World w;
    Served served(w);
    Wait idle(w), sync(w, EVL_OP_SYNC);
    evl_server_stop(served.server);
    EXPECT_EQ(evl_server_on_idle(served.server, idle.op), 0);
    passes(w);
    EXPECT_EQ(idle.result, 0);
    EXPECT_EQ(evl_server_on_idle(served.server, sync.op), 1);
}

TEST(ServerEnd, ClosedInItsCallback) {
    World w;
    Served served(w, {}, "localhost");
    int calls = 0;
    EXPECT_EQ(evl_server_on_connection(served.server, World::done(), w.arg([&](int64_t) {
                  calls++;
                  EXPECT_EQ(evl_close(served.server), 0);
              })),
              0);
    Fd client = served.client();
    pump(w, [&] { return calls == 1; });
    passes(w);
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(at_end(client));
    EXPECT_EQ(w.close(), 0);
}

TEST(ServerEnd, ForkedChild) {
    World w;
    Served served(w);
    served.serve();
    passes(w);
    in_child([&] {
        evl_stream *s = nullptr;
        EXPECT_EQ(evl_server_accept(served.server, &s), EVL_EFORK);
        EXPECT_EQ(evl_close(served.server), 0);
        EXPECT_EQ(w.destroy(), 0);
    });
    Fd client = served.client();
    pump(w, [&] { return served.streams.size() == 1; });
}

// --- Unix paths -------------------------------------------------------------------------------------------

struct Path {
    std::string text = "/tmp/evloop-server-" + std::to_string(::getpid());
    Path() { ::unlink(text.c_str()); }
    ~Path() { ::unlink(text.c_str()); }
    bool exists() const {
        struct stat st;
        return ::lstat(text.c_str(), &st) == 0;
    }
    operator const char *() const { return text.c_str(); }
};

TEST(ServerUnix, AcceptsAndRemovesItsPath) {
    World w;
    Path path;
    evl_server *server = nullptr, *second = nullptr;
    ASSERT_EQ(evl_server_listen_unix(w.loop, path, nullptr, &server), 0);
    EXPECT_TRUE(path.exists());
    evl_stream *mine = nullptr, *theirs = nullptr;
    Wait accepted(w), connected(w);
    EXPECT_EQ(evl_server_accept_op(server, accepted.op, &theirs), 0);
    EXPECT_EQ(evl_connect_unix(w.loop, connected.op, path, &mine), 0);
    pump(w, [&] { return accepted.done() && connected.done(); });
    EXPECT_EQ(accepted.result, 0);
    EXPECT_EQ(connected.result, 0);
    Read r(w);
    EXPECT_EQ(r.some(theirs), 0);
    write(mine, "hello");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "hello");
    EXPECT_EQ(evl_server_listen_unix(w.loop, path, nullptr, &second), EVL_EADDRINUSE) << "it is listening";
    evl_stream_abort(mine);
    evl_close(server);
    EXPECT_FALSE(path.exists());
}

TEST(ServerUnix, AStalePathIsReplacedAndOthersAreNot) {
    World w;
    Path path;
    evl_server *server = nullptr;
    {
        Fd old(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::strcpy(address.sun_path, path);
        ASSERT_EQ(::bind(old, reinterpret_cast<sockaddr *>(&address), sizeof address), 0);
        ASSERT_EQ(::listen(old, 1), 0);
    }
    EXPECT_TRUE(path.exists());
    EXPECT_EQ(evl_server_listen_unix(w.loop, path, nullptr, &server), 0) << "nobody listens on it";
    evl_close(server);
    Fd file(::open(path, O_CREAT | O_CLOEXEC, 0600));
    EXPECT_EQ(evl_server_listen_unix(w.loop, path, nullptr, &server), EVL_EADDRINUSE) << "no socket";
    EXPECT_TRUE(path.exists());
}

TEST(ServerUnix, OnlyOursIsRemoved) {
    World w;
    Path path;
    evl_server *server = nullptr, *other = nullptr, *kept = nullptr;
    ASSERT_EQ(evl_server_listen_unix(w.loop, path, nullptr, &server), 0);
    ::unlink(path);
    ASSERT_EQ(evl_server_listen_unix(w.loop, path, nullptr, &other), 0);
    evl_close(server);
    EXPECT_TRUE(path.exists()) << "the other's";
    in_child([&] { evl_close(other); });
    EXPECT_TRUE(path.exists()) << "a forked child leaves it";
    evl_close(other);
    EXPECT_FALSE(path.exists());
    evl_server_options o{};
    o.struct_size = sizeof o;
    o.flags = EVL_SERVER_KEEP_PATH;
    ASSERT_EQ(evl_server_listen_unix(w.loop, path, &o, &kept), 0);
    evl_close(kept);
    EXPECT_TRUE(path.exists());
}

TEST(ServerFds, InheritedSockets) {
    World w;
    evl_server *server = nullptr;
    Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), bound;
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr *>(&in), sizeof in), 0);
    Pipe pipe;
    int fds[2] = {listener, pipe.r};
    EXPECT_EQ(evl_server_listen_fds(w.loop, fds, 1, nullptr, &server), EVL_EINVAL) << "does not listen";
    ASSERT_EQ(::listen(listener, 5), 0);
    EXPECT_EQ(evl_server_listen_fds(w.loop, fds, 2, nullptr, &server), EVL_ENOTSOCK);
    EXPECT_EQ(::fcntl(listener, F_GETFD), FD_CLOEXEC) << "still the caller's";
    int bad = 9999;
    EXPECT_EQ(evl_server_listen_fds(w.loop, &bad, 1, nullptr, &server), EVL_EBADF);
    int twice[2] = {listener, listener};
    EXPECT_EQ(evl_server_listen_fds(w.loop, twice, 2, nullptr, &server), EVL_EEXIST);
    int mine = give(listener);
    ASSERT_EQ(evl_server_listen_fds(w.loop, &mine, 1, nullptr, &server), 0);
    EXPECT_EQ(evl_server_fd(server, 0), mine);
    Served served(w);
    evl_close(served.server);
    served.server = server;
    served.serve();
    Fd client = served.client();
    pump(w, [&] { return served.streams.size() == 1; });
}

TEST(ServerFd, EvlFdClosing) {
    World w;
    Served served(w);
    evl_stream *s = nullptr;
    Wait op(w);
    served.serve();
    EXPECT_EQ(evl_server_accept_op(served.server, op.op, &s), 0);
    int fd = evl_server_fd(served.server, 0);
    EXPECT_GE(evl_fd_closing(w.loop, fd), 0);
    Fd mine(fd);
    passes(w);
    EXPECT_EQ(op.result, EVL_ECLOSED);
    EXPECT_EQ(served.last, EVL_ECLOSED) << "nothing will come any more";
    EXPECT_EQ(evl_server_accept(served.server, &s), EVL_ECLOSED);
    EXPECT_EQ(served.calls, 1);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

} // namespace
