// asyncio_server_test.cpp - servers and connections as asyncio makes them; the numbers are those of
// docs/asyncio.md.
#include "servers.hpp"

#include <sys/stat.h>

using namespace servers;

namespace {

evl_server *localhost(World &w) {
    evl_server *server = nullptr;
    EXPECT_EQ(evl_server_listen(w.loop, "localhost", "0", nullptr, &server), 0);
    return server;
}

TEST(Asyncio, Asyncio_113_ByCallbackEachAStreamWithoutDelay) {
    World w;
    Server server(w);
    std::vector<Fd> peers = server.connect_all(5);
    server.take();
    EXPECT_EQ(w.nowait(), EVL_RUN_ALIVE);
    server.take(5);
    EXPECT_EQ(evl_server_connections(server.s), 5);
    for (evl_stream *s : server.streams) {
        int on = 0;
        socklen_t len = sizeof on;
        EXPECT_EQ(::getsockopt(info(s).fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
        EXPECT_EQ(on, 1);
    }
    EXPECT_EQ(write(server.streams[2], "you"), 3);
    for (size_t i = 0; i < peers.size(); i++)
        EXPECT_EQ(got(peers[i]), i == 2 ? "you" : "") << "each has its own, in order";
    EXPECT_EQ(evl_close(server.streams[0]), 0);
    EXPECT_EQ(evl_server_connections(server.s), 4);
}

TEST(Asyncio, Asyncio_140_StartingTwiceIsNoError) {
    World w;
    Server server(w);
    server.take();
    server.take();
    Fd peer = server.connect();
    server.take(1);
    EXPECT_EQ(server.takes.size(), 1u);
}

TEST(Asyncio, Asyncio_140_AStoppedServerHasNoSockets) {
    World w;
    Server server(w, localhost(w));
    SocketAddress first(server.s, 0), second(server.s, 1);
    EXPECT_EQ(evl_server_sockets(server.s), 2);
    EXPECT_EQ(evl_server_stop(server.s), 0);
    EXPECT_EQ(evl_server_stop(server.s), 0);
    EXPECT_EQ(evl_server_sockets(server.s), 0);
    EXPECT_EQ(evl_server_fd(server.s, 0), EVL_EINVAL);
    for (const SocketAddress &address : {first, second}) {
        EXPECT_EQ(client(address), -1);
        EXPECT_EQ(errno, ECONNREFUSED);
    }
}

TEST(Asyncio, Asyncio_141_StoppingClosesTheListenersOnly) {
    for (bool close : {false, true}) {
        World w;
        Server server(w);
        server.take();
        Fd peer = server.connect();
        server.take(1);
        EXPECT_EQ(close ? evl_close(server.s) : evl_server_stop(server.s), 0);
        passes(w);
        EXPECT_EQ(write(server.streams[0], "still"), 5);
        EXPECT_EQ(got(peer), "still");
        Read read(w);
        EXPECT_EQ(read.some(server.streams[0]), 0);
        put(peer, "here");
        pump(w, [&] { return read.done(); });
        EXPECT_EQ(read.text(), "here");
    }
}

TEST(Asyncio, Asyncio_142_IdleIsStoppedAndWithoutConnectionsInEitherOrder) {
    for (bool stop_first : {false, true}) {
        World w;
        Server server(w);
        server.take();
        Fd peer = server.connect();
        server.take(1);
        Wait idle(w);
        EXPECT_EQ(evl_server_on_idle(server.s, idle.op), 0);
        auto leave = [&] { EXPECT_EQ(evl_stream_abort(server.streams[0]), 0); };
        auto stop = [&] { EXPECT_EQ(evl_server_stop(server.s), 0); };
        stop_first ? stop() : leave();
        passes(w);
        EXPECT_FALSE(idle.done()) << stop_first;
        stop_first ? leave() : stop();
        EXPECT_FALSE(idle.done()) << "never inline";
        passes(w, 2);
        EXPECT_EQ(idle.result, 0);
        Wait again(w);
        EXPECT_EQ(evl_server_on_idle(server.s, again.op), 0) << "and it stays idle";
        passes(w, 2);
        EXPECT_EQ(again.result, 0);
    }
}

TEST(Asyncio, Asyncio_142_ClientsAreClosedOrAborted) {
    for (bool abort : {false, true}) {
        World w;
        Server server(w);
        server.take();
        std::vector<Fd> peers = server.connect_all(3);
        server.take(3);
        for (evl_stream *s : server.streams)
            EXPECT_EQ(write(s, "bye"), 3);
        Wait idle(w);
        EXPECT_EQ(evl_server_on_idle(server.s, idle.op), 0);
        EXPECT_EQ(evl_server_stop(server.s), 0);
        EXPECT_EQ(abort ? evl_server_abort_clients(server.s) : evl_server_close_clients(server.s), 3);
        EXPECT_EQ(abort ? evl_server_abort_clients(server.s) : evl_server_close_clients(server.s), 0);
        passes(w);
        EXPECT_EQ(idle.done(), abort) << "who is closed lingers until the peer is through";
        for (Fd &peer : peers) {
            char bye[3];
            EXPECT_EQ(::read(peer, bye, 3), 3);
            EXPECT_TRUE(at_end(peer));
            EXPECT_EQ(errno, abort ? ECONNRESET : 0);
            peer.close();
        }
        pump(w, [&] { return idle.done(); });
        EXPECT_EQ(idle.result, 0);
    }
}

// There is no serve_forever: a server that was started keeps the loop going until it is stopped.
TEST(Asyncio, Asyncio_143_AStartedServerKeepsTheLoopGoing) {
    World w;
    Server server(w);
    EXPECT_EQ(w.nowait(), EVL_RUN_DONE) << "not started";
    server.take();
    EXPECT_EQ(w.nowait(), EVL_RUN_ALIVE);
    Fd peer = server.connect();
    server.take(1);
    w.timer_in(sec, [&] { EXPECT_EQ(evl_server_stop(server.s), 0); });
    int64_t start = evl_time(w.loop);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_time(w.loop) - start, sec);
    EXPECT_EQ(evl_server_connections(server.s), 1) << "who is connected stays so";
}

TEST(Asyncio, Asyncio_144_ASocketForEachAddress) {
    World w;
    evl_server *server = nullptr;
    ASSERT_EQ(evl_server_listen(w.loop, nullptr, "0", nullptr, &server), 0);
    ASSERT_EQ(evl_server_sockets(server), 2);
    for (int32_t n : {0, 1}) {
        int reuse = 0, only = 0;
        socklen_t length = sizeof reuse;
        EXPECT_EQ(::getsockopt(evl_server_fd(server, n), SOL_SOCKET, SO_REUSEADDR, &reuse, &length), 0);
        EXPECT_EQ(reuse, 1);
        int level = n == 1 ? IPPROTO_IPV6 : SOL_SOCKET, name = n == 1 ? IPV6_V6ONLY : SO_BROADCAST;
        EXPECT_EQ(::getsockopt(evl_server_fd(server, n), level, name, &only, &length), 0);
        EXPECT_EQ(only, n);
    }
}

TEST(Asyncio, Asyncio_144_AnAddressThatIsNotHereIsSkippedAndAnyOtherFailureClosesAll) {
    World w;
    Sys sys;
    sys.fail(Call::bind, EADDRNOTAVAIL);
    evl_server *server = localhost(w);
    EXPECT_EQ(evl_server_sockets(server), 1);
    EXPECT_EQ(SocketAddress(server).host(), "::1");
    EXPECT_EQ(evl_close(server), 0);
    int before = open_fds();
    for (int error : {EACCES, EINVAL, EADDRINUSE}) {
        sys.fail(Call::bind, error, 1, 100);
        server = nullptr;
        std::string port = error == EADDRINUSE ? "1" : "0";
        if (error == EADDRINUSE)
            sys.fail(Call::bind, error, 0, 100);
        EXPECT_EQ(evl_server_listen(w.loop, "localhost", port.c_str(), nullptr, &server), -error);
        EXPECT_EQ(server, nullptr);
        EXPECT_EQ(open_fds(), before);
    }
}

TEST(Asyncio, Asyncio_145_AStaleUnixPathIsReplacedAndOnlyOursIsRemoved) {
    World w;
    std::string path = "/tmp/evloop-asyncio-145-" + std::to_string(::getpid());
    auto exists = [&] {
        struct stat st;
        return ::lstat(path.c_str(), &st) == 0;
    };
    auto listen = [&] {
        evl_server *server = nullptr;
        EXPECT_EQ(evl_server_listen_unix(w.loop, path.c_str(), nullptr, &server), 0);
        return server;
    };
    SocketAddress address(path.c_str(), 0);
    {
        Fd stale(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        ASSERT_EQ(::bind(stale, address.get(), address.length), 0);
    }
    evl_server *server = listen();
    EXPECT_GE(client(address), 0);
    EXPECT_EQ(evl_close(server), 0);
    EXPECT_FALSE(exists());
    server = listen();
    ASSERT_EQ(::unlink(path.c_str()), 0);
    Fd other(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(other, address.get(), address.length), 0);
    EXPECT_EQ(evl_close(server), 0);
    EXPECT_TRUE(exists()) << "it is somebody else's by now";
    EXPECT_EQ(::unlink(path.c_str()), 0);
}

// Has the port, so that nobody else does, and does not listen. -1: somebody has it.
Fd silent(const char *host, uint16_t port) {
    SocketAddress at(host, port);
    Fd fd(::socket(at.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::bind(fd, at.get(), at.length) == 0 ? std::move(fd) : Fd();
}

// The addresses of the loopback: ::1 first, and the server has only the other.
TEST(Asyncio, Asyncio_146_AddressesAreTriedInTurn) {
    World w{{.clock = EVL_CLOCK_REAL}};
    Fd nobody;
    evl_server *here = nullptr;
    while (nobody < 0) { // until the port is nobody else's on ::1
        EXPECT_EQ(evl_close(here), 0);
        ASSERT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", nullptr, &here), 0);
        nobody = silent("::1", static_cast<uint16_t>(SocketAddress(here).port()));
    }
    Server server(w, here);
    server.take();
    std::string port = std::to_string(SocketAddress(server.s).port());
    evl_stream *s = nullptr;
    Wait made(w);
    int32_t errors[2] = {1, 1};
    evl_connect_options options{};
    options.struct_size = sizeof options;
    options.errors = errors;
    options.errors_cap = 2;
    ASSERT_EQ(evl_connect(w.loop, made.op, nullptr, port.c_str(), &options, &s), 0);
    pump(w, [&] { return made.done(); });
    EXPECT_EQ(made.result, 0);
    EXPECT_EQ(errors[0], EVL_ECONNREFUSED);
    EXPECT_EQ(errors[1], 0);
    EXPECT_EQ(info(s).family, AF_INET);
    server.take(1);
}

TEST(Asyncio, Asyncio_146_WhenNoneAnswersEachErrorIsThere) {
    World w{{.clock = EVL_CLOCK_REAL}};
    Sys sys;
    Fd nobody = silent("127.0.0.1", 0);
    SocketAddress there;
    there.length = sizeof there.bytes;
    ASSERT_EQ(::getsockname(nobody, reinterpret_cast<sockaddr *>(&there.bytes), &there.length), 0);
    std::string port = std::to_string(there.port());
    evl_stream *s = nullptr;
    Wait made(w);
    int32_t errors[2] = {1, 1};
    evl_connect_options options{};
    options.struct_size = sizeof options;
    options.errors = errors;
    options.errors_cap = 2;
    sys.fail(Call::connect, ENETUNREACH);
    ASSERT_EQ(evl_connect(w.loop, made.op, "", port.c_str(), &options, &s), 0);
    pump(w, [&] { return made.done(); });
    EXPECT_EQ(made.result, EVL_ENETUNREACH) << "the first one's";
    EXPECT_EQ(errors[0], EVL_ENETUNREACH);
    EXPECT_EQ(errors[1], EVL_ECONNREFUSED);
    EXPECT_EQ(s, nullptr);
}

} // namespace
