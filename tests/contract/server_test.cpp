// server_test.cpp - listening: addresses, ports, paths, inherited sockets.
#include "servers.hpp"

#include <sys/stat.h>

using namespace servers;

namespace {

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    EXPECT_EQ(::getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

// A directory that goes with the test.
struct Folder {
    Folder() {
        char name[] = "/tmp/evloop-server-XXXXXX";
        EXPECT_NE(::mkdtemp(name), nullptr);
        path = name;
    }
    ~Folder() { EXPECT_EQ(::rmdir(path.c_str()), 0) << "something is left in it"; }
    std::string operator/(const char *name) const { return path + "/" + name; }
    std::string path;
};

bool exists(const std::string &path) {
    struct stat st;
    return ::lstat(path.c_str(), &st) == 0;
}

SocketAddress unix_address(const std::string &path) { return SocketAddress(path.c_str(), 0); }

// A Unix socket that listens or, closed, has left its path behind.
Fd unix_listener(const std::string &path) {
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    SocketAddress address = unix_address(path);
    EXPECT_EQ(::bind(fd, address.get(), address.length), 0);
    EXPECT_EQ(::listen(fd, 5), 0);
    return fd;
}

evl_server *listen_unix(World &w, const std::string &path, const evl_server_options *options = nullptr) {
    evl_server *server = nullptr;
    EXPECT_EQ(evl_server_listen_unix(w.loop, path.c_str(), options, &server), 0);
    return server;
}

// --- addresses and ports ----------------------------------------------------------------------------------

TEST(Server, LocalhostIsTwoSocketsWithOnePort) {
    World w;
    for (const char *service : {"0", "", static_cast<const char *>(nullptr)}) {
        evl_server *server = nullptr;
        ASSERT_EQ(evl_server_listen(w.loop, "localhost", service, nullptr, &server), 0);
        ASSERT_EQ(evl_server_sockets(server), 2);
        SocketAddress first(server, 0), second(server, 1);
        EXPECT_EQ(first.host(), "127.0.0.1");
        EXPECT_EQ(second.host(), "::1");
        EXPECT_NE(first.port(), 0);
        EXPECT_EQ(first.port(), second.port());
        Server taker(w, server);
        taker.take();
        Fd a = taker.connect(0), b = taker.connect(1);
        taker.take(2);
        EXPECT_EQ(evl_server_connections(server), 2);
        for (evl_stream *s : taker.streams)
            EXPECT_EQ(evl_close(s), 0);
        EXPECT_EQ(evl_close(server), 0);
        EXPECT_EQ(evl_server_sockets(server), EVL_ESTALE);
    }
}

TEST(Server, AllAddressesOfTheMachine) {
    World w;
    for (const char *host : {"", static_cast<const char *>(nullptr)}) {
        evl_server *server = nullptr;
        ASSERT_EQ(evl_server_listen(w.loop, host, "0", nullptr, &server), 0);
        ASSERT_EQ(evl_server_sockets(server), 2);
        EXPECT_EQ(SocketAddress(server, 0).host(), "0.0.0.0");
        EXPECT_EQ(SocketAddress(server, 1).host(), "::");
        EXPECT_EQ(option(evl_server_fd(server, 1), IPPROTO_IPV6, IPV6_V6ONLY), 1);
        EXPECT_EQ(evl_close(server), 0);
    }
}

TEST(Server, TheSocketsAreSetUp) {
    World w;
    Server server(w, nullptr, "::1");
    int fd = evl_server_fd(server.s, 0);
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_REUSEADDR), 1);
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_REUSEPORT), 0);
    EXPECT_EQ(option(fd, IPPROTO_IPV6, IPV6_V6ONLY), 1);
    EXPECT_EQ(option(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
    server.take();
    Fd peer = server.connect();
    server.take(1);
    int taken = info(server.streams[0]).fd;
    EXPECT_EQ(option(taken, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(::fcntl(taken, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    EXPECT_EQ(::fcntl(taken, F_GETFD), FD_CLOEXEC);
}

TEST(Server, TheBacklogIsWhatWasAsked) {
    World w;
    static int (*real)(int, int);
    static int asked;
    real = evl_sys.listen;
    evl_sys.listen = [](int fd, int backlog) {
        asked = backlog;
        return real(fd, backlog);
    };
    evl_server_options options = with();
    Server usual(w, &options);
    EXPECT_EQ(asked, 511);
    options.backlog = 7;
    Server small(w, &options);
    EXPECT_EQ(asked, 7);
    evl_sys.listen = real;
}

TEST(Server, ATakenPortIsTakenUnlessItIsReused) {
    World w;
    evl_server_options reuse = with(EVL_SERVER_REUSE_PORT);
    Server plain(w), shared(w, &reuse);
    std::string taken = std::to_string(SocketAddress(plain.s).port());
    evl_server *other = nullptr;
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", taken.c_str(), nullptr, &other), EVL_EADDRINUSE);
    EXPECT_EQ(evl_server_listen(w.loop, "localhost", taken.c_str(), nullptr, &other), EVL_EADDRINUSE);
    EXPECT_EQ(other, nullptr);
    EXPECT_EQ(evl_close(plain.s), 0);
    EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", taken.c_str(), nullptr, &other), 0) << "at once again";
    std::string port = std::to_string(SocketAddress(shared.s).port());
    World second;
    ASSERT_EQ(evl_server_listen(second.loop, "127.0.0.1", port.c_str(), &reuse, &other), 0);
    EXPECT_EQ(SocketAddress(other).port(), SocketAddress(shared.s).port());
}

TEST(Server, BadInput) {
    World w;
    evl_server *server = nullptr;
    auto listen = [&](const char *host, const char *service, const evl_server_options *o = nullptr) {
        return evl_server_listen(w.loop, host, service, o, &server);
    };
    EXPECT_EQ(evl_server_listen(nullptr, "::1", "0", nullptr, &server), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen(w.loop, "::1", "0", nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(listen("example.org", "0"), EVL_EAI_NONAME);
    EXPECT_EQ(listen("1.2.3", "0"), EVL_EAI_NONAME);
    for (const char *service : {"http", "-1", "65536", "1x", " 1", "99999999999999999999999"})
        EXPECT_EQ(listen("127.0.0.1", service), EVL_EAI_SERVICE) << service;
    EXPECT_EQ(listen("192.0.2.1", "0"), EVL_EADDRNOTAVAIL);
    evl_server_options o = with();
    o.struct_size = 3;
    EXPECT_EQ(listen("::1", "0", &o), EVL_EINVAL);
    o = with(8);
    EXPECT_EQ(listen("::1", "0", &o), EVL_EINVAL);
    o = with();
    o.backlog = -1;
    EXPECT_EQ(listen("::1", "0", &o), EVL_EINVAL);
    o = with();
    o.at_fd_limit = 3;
    EXPECT_EQ(listen("::1", "0", &o), EVL_EINVAL);
    sockaddr other{};
    other.sa_family = AF_APPLETALK;
    EXPECT_EQ(evl_server_listen_on(w.loop, &other, sizeof other, nullptr, &server), EVL_EAFNOSUPPORT);
    EXPECT_EQ(evl_server_listen_on(w.loop, &other, 1, nullptr, &server), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen_on(w.loop, &other, 4096, nullptr, &server), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen_on(w.loop, nullptr, 16, nullptr, &server), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen_any(w.loop, nullptr, nullptr, &server), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen_unix(w.loop, "", nullptr, &server), EVL_EINVAL);
    EXPECT_EQ(evl_server_listen_unix(w.loop, nullptr, nullptr, &server), EVL_EINVAL);
    std::string longer = "/" + std::string(200, 'x');
    EXPECT_EQ(evl_server_listen_unix(w.loop, longer.c_str(), nullptr, &server), EVL_ENAMETOOLONG);
    EXPECT_EQ(evl_server_listen_unix(w.loop, "/no/such/folder/s", nullptr, &server), EVL_ENOENT);
    EXPECT_EQ(server, nullptr);
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
}

TEST(Server, BadInputOfWhatAServerDoes) {
    World w;
    Server server(w);
    evl_stream *s = nullptr;
    Accept accept(w);
    evl_timer *timer = w.timer([] {});
    EXPECT_EQ(evl_server_accept(server.s, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_server_accept(nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_server_accept(timer, &s), EVL_EINVAL);
    EXPECT_EQ(evl_server_accept_op(server.s, nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_server_accept_op(server.s, accept.op, nullptr), EVL_EINVAL);
    EXPECT_EQ(accept.start(server.s), 0);
    EXPECT_EQ(accept.start(server.s), EVL_EBUSY);
    EXPECT_EQ(evl_server_on_idle(server.s, accept.op), EVL_EBUSY);
    EXPECT_EQ(evl_server_on_idle(server.s, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_server_stop(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_server_stop(timer), EVL_EINVAL);
    EXPECT_EQ(evl_server_fd(nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_server_fd(server.s, 1), EVL_EINVAL);
    EXPECT_EQ(evl_server_fd(server.s, -1), EVL_EINVAL);
    EXPECT_EQ(evl_server_local(server.s, 0, nullptr, 5), EVL_EINVAL);
    EXPECT_EQ(evl_server_local(server.s, 1, nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_server_local(server.s, 0, nullptr, 0), static_cast<int>(sizeof(sockaddr_in)));
}

// An address that this machine has not is left out, unless none is left.
TEST(Server, AnAbsentFamilyIsLeftOut) {
    World w;
    static int (*real)(int, int, int);
    real = evl_sys.socket;
    evl_sys.socket = [](int domain, int type, int protocol) {
        if (domain != AF_INET6)
            return real(domain, type, protocol);
        errno = EAFNOSUPPORT;
        return -1;
    };
    evl_server *server = nullptr, *none = nullptr;
    EXPECT_EQ(evl_server_listen(w.loop, "localhost", "0", nullptr, &server), 0);
    EXPECT_EQ(evl_server_sockets(server), 1);
    EXPECT_EQ(evl_server_listen(w.loop, "::1", "0", nullptr, &none), EVL_EADDRNOTAVAIL);
    evl_sys.socket = real;
}

// The port that the kernel chose for the first may be somebody else's on the second.
TEST(Server, AClashOfPortsIsTriedAgain) {
    World w;
    Sys sys;
    sys.fail(Call::bind, EADDRINUSE, 1, 1);
    Server server(w, nullptr, "localhost");
    EXPECT_EQ(evl_server_sockets(server.s), 2);
    EXPECT_EQ(sys.calls(Call::bind), 4u);
    sys.fail(Call::bind, EADDRINUSE, 0, 1000);
    evl_server *none = nullptr;
    EXPECT_EQ(evl_server_listen(w.loop, "localhost", "0", nullptr, &none), EVL_EADDRINUSE);
    EXPECT_EQ(none, nullptr);
    sys.fail(Call::bind, EADDRINUSE, 0, 0);
}

TEST(Server, AListOfAddresses) {
    World w{{.clock = EVL_CLOCK_REAL}};
    evl_addresses *list = nullptr;
    ASSERT_EQ(evl_getaddrinfo(w.loop, w.op([] {}), nullptr, "0", 0, &list), 0);
    w.run();
    ASSERT_EQ(evl_addresses_count(list), 2);
    evl_server *server = nullptr;
    EXPECT_EQ(evl_server_listen_any(w.loop, list, nullptr, &server), 0);
    EXPECT_EQ(evl_server_sockets(server), 2);
    EXPECT_EQ(SocketAddress(server, 0).port(), SocketAddress(server, 1).port());
    evl_addresses_free(list);
}

// What a resolver says twice is one socket.
TEST(Server, AnAddressThatIsListedTwice) {
    static addrinfo rows[3];
    static sockaddr_in addresses[3];
    Sys sys; // puts the table back
    for (size_t i = 0; i < 3; i++) {
        addresses[i].sin_family = AF_INET;
        addresses[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK + (i == 2));
        rows[i].ai_family = AF_INET;
        rows[i].ai_addr = reinterpret_cast<sockaddr *>(&addresses[i]);
        rows[i].ai_addrlen = sizeof addresses[i];
        rows[i].ai_next = i < 2 ? &rows[i + 1] : nullptr;
    }
    evl_sys.getaddrinfo = [](const char *, const char *, const addrinfo *, addrinfo **out) {
        *out = rows;
        return 0;
    };
    evl_sys.freeaddrinfo = [](addrinfo *) { return 0; };
    World w{{.clock = EVL_CLOCK_REAL}};
    evl_addresses *list = nullptr;
    ASSERT_EQ(evl_getaddrinfo(w.loop, w.op([] {}), "h", "0", 0, &list), 0);
    w.run();
    ASSERT_EQ(evl_addresses_count(list), 3);
    evl_server *server = nullptr;
    EXPECT_EQ(evl_server_listen_any(w.loop, list, nullptr, &server), 0);
    EXPECT_EQ(evl_server_sockets(server), 2);
    EXPECT_EQ(SocketAddress(server, 1).host(), "127.0.0.2");
    evl_addresses_free(list);
}

// A relative path names something else once the program is in another directory.
TEST(Server, ARelativePathIsRemovedFromElsewhere) {
    Folder folder;
    char before[4096];
    ASSERT_NE(::getcwd(before, sizeof before), nullptr);
    World w;
    ASSERT_EQ(::chdir(folder.path.c_str()), 0);
    evl_server *server = listen_unix(w, "./s");
    ASSERT_EQ(::chdir(before), 0);
    EXPECT_TRUE(exists(folder / "s"));
    EXPECT_EQ(evl_close(server), 0);
    EXPECT_FALSE(exists(folder / "s"));
}

TEST(Server, Contract_13_OutOfMemoryLeavesNothing) {
    Folder folder;
    std::string path = folder / "s";
    for (uint64_t nth = 1;; nth++) {
        World w;
        evl_server *two = nullptr, *local = nullptr;
        w.memory.fail(nth);
        int32_t rc = evl_server_listen(w.loop, "localhost", "0", nullptr, &two);
        int32_t rc2 = rc == 0 ? evl_server_listen_unix(w.loop, path.c_str(), nullptr, &local) : 0;
        if (!w.memory.failed()) {
            EXPECT_EQ(rc2, 0);
            EXPECT_GT(nth, 3u);
            break;
        }
        w.memory.fail(0);
        EXPECT_EQ(rc == 0 ? rc2 : rc, EVL_ENOMEM) << nth;
        EXPECT_FALSE(exists(path)) << nth;
        EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), rc == 0 ? 1 : 0) << nth;
    }
}

// --- paths ------------------------------------------------------------------------------------------------

TEST(Server, AUnixPathIsThereAndGoesWithTheServer) {
    Folder folder;
    std::string path = folder / "s";
    for (bool stop : {true, false}) {
        World w;
        Server server(w, listen_unix(w, path));
        EXPECT_TRUE(exists(path));
        server.take();
        Fd peer = server.connect();
        server.take(1);
        EXPECT_EQ(info(server.streams[0]).family, AF_UNIX);
        EXPECT_EQ(stop ? evl_server_stop(server.s) : evl_close(server.s), 0);
        EXPECT_FALSE(exists(path));
    }
    {
        World w;
        listen_unix(w, path);
    }
    EXPECT_FALSE(exists(path)) << "destroyed with the loop";
}

TEST(Server, APathMayBeKept) {
    World w;
    Folder folder;
    std::string path = folder / "s";
    evl_server_options keep = with(EVL_SERVER_KEEP_PATH);
    EXPECT_EQ(evl_close(listen_unix(w, path, &keep)), 0);
    EXPECT_TRUE(exists(path));
    EXPECT_EQ(evl_close(listen_unix(w, path)), 0) << "it is stale";
    EXPECT_FALSE(exists(path));
}

TEST(Server, OnlyAStalePathIsReplaced) {
    World w;
    Folder folder;
    std::string path = folder / "s";
    Fd alive = unix_listener(path);
    evl_server *server = nullptr;
    EXPECT_EQ(evl_server_listen_unix(w.loop, path.c_str(), nullptr, &server), EVL_EADDRINUSE);
    EXPECT_TRUE(exists(path));
    EXPECT_LT(::accept4(alive, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK), 0) << "nobody has called";
    alive.close();
    EXPECT_EQ(evl_close(listen_unix(w, path)), 0);
    for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
        Fd bound(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
        SocketAddress address = unix_address(path);
        ASSERT_EQ(::bind(bound, address.get(), address.length), 0);
        EXPECT_EQ(evl_server_listen_unix(w.loop, path.c_str(), nullptr, &server), EVL_EADDRINUSE)
            << "somebody is about to listen, or is of another kind";
        bound.close();
        EXPECT_EQ(evl_close(listen_unix(w, path)), 0);
    }
    Fd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    EXPECT_EQ(evl_server_listen_unix(w.loop, path.c_str(), nullptr, &server), EVL_EADDRINUSE);
    EXPECT_EQ(::unlink(path.c_str()), 0) << "a file is nobody's socket";
    std::string link = folder / "link";
    ASSERT_EQ(::symlink("/nowhere", link.c_str()), 0);
    EXPECT_EQ(evl_server_listen_unix(w.loop, link.c_str(), nullptr, &server), EVL_EADDRINUSE);
    EXPECT_EQ(::unlink(link.c_str()), 0);
}

TEST(Server, APathThatIsSomebodyElsesByNowStays) {
    World w;
    Folder folder;
    std::string path = folder / "s";
    evl_server *server = listen_unix(w, path);
    ASSERT_EQ(::unlink(path.c_str()), 0);
    Fd other = unix_listener(path);
    EXPECT_EQ(evl_close(server), 0);
    EXPECT_TRUE(exists(path));
    EXPECT_EQ(::unlink(path.c_str()), 0);
    server = listen_unix(w, path);
    ASSERT_EQ(::unlink(path.c_str()), 0);
    EXPECT_EQ(evl_close(server), 0) << "gone already";
}

// It has no final 0, in the call and in the kernel's answer.
TEST(Server, APathThatFillsItsField) {
    World w;
    Folder folder;
    sockaddr_un full{};
    full.sun_family = AF_UNIX;
    std::string path = folder / "";
    path.append(sizeof full.sun_path - path.size(), 'x');
    std::memcpy(full.sun_path, path.data(), path.size());
    evl_server *server = nullptr;
    ASSERT_EQ(evl_server_listen_on(w.loop, &full, sizeof full, nullptr, &server), 0);
    EXPECT_TRUE(exists(path));
    EXPECT_EQ(evl_close(server), 0);
    EXPECT_FALSE(exists(path));
}

TEST(Server, AFailureAfterBindingLeavesNoPath) {
    World w;
    Folder folder;
    Sys sys;
    std::string path = folder / "s";
    evl_server *server = nullptr;
    sys.fail(Call::listen, EINVAL);
    EXPECT_EQ(evl_server_listen_unix(w.loop, path.c_str(), nullptr, &server), EVL_EINVAL);
    EXPECT_FALSE(exists(path));
}

TEST(Server, AnAbstractName) {
    World w;
    std::string name = "@evloop-test-" + std::to_string(::getpid());
    Server server(w, listen_unix(w, name));
    server.take();
    Fd peer = server.connect();
    server.take(1);
    evl_server *other = nullptr;
    EXPECT_EQ(evl_server_listen_unix(w.loop, name.c_str(), nullptr, &other), EVL_EADDRINUSE);
}

// --- sockets of others ------------------------------------------------------------------------------------

Fd inet_listener() {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    SocketAddress any("127.0.0.1", 0);
    EXPECT_EQ(::bind(fd, any.get(), any.length), 0);
    EXPECT_EQ(::listen(fd, 5), 0);
    return fd;
}

TEST(Server, InheritedSockets) {
    World w;
    Folder folder;
    std::string path = folder / "s";
    Fd inet = inet_listener(), local = unix_listener(path);
    evl_fd fds[] = {give(inet), give(local)};
    evl_server *made = nullptr;
    ASSERT_EQ(evl_server_listen_fds(w.loop, fds, 2, nullptr, &made), 0);
    EXPECT_EQ(evl_server_sockets(made), 2);
    EXPECT_EQ(evl_server_fd(made, 0), fds[0]);
    EXPECT_EQ(evl_server_fd(made, 1), fds[1]);
    Server server(w, made);
    server.take();
    Fd a = server.connect(0), b = server.connect(1);
    server.take(2);
    EXPECT_EQ(evl_close(made), 0);
    EXPECT_EQ(::fcntl(fds[0], F_GETFD), -1) << "they are the server's";
    EXPECT_TRUE(exists(path)) << "and the path is not";
    EXPECT_EQ(::unlink(path.c_str()), 0);
}

TEST(Server, WhatCannotBeInheritedStaysTheCallers) {
    World w;
    evl_server *server = nullptr;
    Fd listener = inet_listener(), bound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    Fd packets(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    sockaddr_un unnamed{};
    unnamed.sun_family = AF_UNIX;
    EXPECT_EQ(::bind(packets, reinterpret_cast<sockaddr *>(&unnamed), sizeof(sa_family_t)), 0);
    EXPECT_EQ(::listen(packets, 1), 0);
    Pipe pipe;
    auto adopt = [&](int a, int b) {
        evl_fd fds[] = {a, b};
        return evl_server_listen_fds(w.loop, fds, 2, nullptr, &server);
    };
    EXPECT_EQ(adopt(listener, bound), EVL_EINVAL);
    EXPECT_EQ(adopt(listener, pipe.r), EVL_ENOTSOCK);
    EXPECT_EQ(adopt(listener, 9999), EVL_EBADF);
    EXPECT_EQ(adopt(listener, listener), EVL_EEXIST);
    EXPECT_EQ(adopt(listener, packets), EVL_EINVAL) << "no streams come of it";
    EXPECT_EQ(evl_server_listen_fds(w.loop, nullptr, 1, nullptr, &server), EVL_EINVAL);
    evl_fd one = listener;
    EXPECT_EQ(evl_server_listen_fds(w.loop, &one, 0, nullptr, &server), EVL_EINVAL);
    EXPECT_EQ(server, nullptr);
    EXPECT_EQ(::fcntl(listener, F_GETFL) & O_NONBLOCK, 0) << "as it was";
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
    one = give(listener);
    ASSERT_EQ(evl_server_listen_fds(w.loop, &one, 1, nullptr, &server), 0);
    EXPECT_EQ(evl_server_stop(server), 0);
}

} // namespace
