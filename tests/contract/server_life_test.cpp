// server_life_test.cpp - the end of a server: stopped, closed, idle, in any order, and in a forked child.
#include "servers.hpp"

#include <sys/stat.h>

using namespace servers;

namespace {

TEST(ServerEnd, StoppedItAnswersAndCompletesWithClosed) {
    World w;
    Server server(w);
    Accept waiting(w), late(w);
    server.take();
    Fd peer = server.connect();
    server.take(1);
    EXPECT_EQ(waiting.start(server.s), 0);
    EXPECT_EQ(evl_server_stop(server.s), 0);
    EXPECT_EQ(evl_server_stop(server.s), 0) << "twice";
    EXPECT_FALSE(waiting.done());
    passes(w);
    EXPECT_EQ(waiting.result, EVL_ECLOSED);
    evl_stream *s = nullptr;
    EXPECT_EQ(evl_server_accept(server.s, &s), EVL_ECLOSED);
    EXPECT_EQ(late.start(server.s), EVL_ECLOSED);
    EXPECT_EQ(evl_server_on_connection(server.s, nullptr, nullptr), EVL_ECLOSED);
    EXPECT_EQ(evl_server_connections(server.s), 1);
    EXPECT_EQ(evl_server_abort_clients(server.s), 1);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

// Its sockets are lost instead.
TEST(ServerEnd, WithoutSocketsItAnswersClosed) {
    World w;
    Server server(w);
    Accept accept(w);
    server.take();
    EXPECT_EQ(accept.start(server.s), 0);
    Fd fd(evl_server_fd(server.s, 0));
    EXPECT_GE(evl_fd_closing(w.loop, fd), 0);
    passes(w);
    EXPECT_EQ(accept.result, EVL_ECLOSED);
    EXPECT_EQ(server.errors, std::vector<int64_t>{EVL_ECLOSED}) << "nothing will come any more";
    evl_stream *s = nullptr;
    EXPECT_EQ(evl_server_accept(server.s, &s), EVL_ECLOSED);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
}

// --- idle -------------------------------------------------------------------------------------------------

// A server with one connection that would linger, and somebody who waits until it is idle.
struct Idle {
    Idle() {
        server.take();
        peer = server.connect();
        server.take(1);
        EXPECT_EQ(write(server.streams[0], "so that it lingers"), 18);
        EXPECT_EQ(evl_server_on_idle(server.s, wait.op), 0);
        passes(w);
        EXPECT_FALSE(wait.done());
    }
    World w;
    Server server{w};
    Fd peer;
    Wait wait{w};
};

TEST(ServerIdle, WhenWhoLingersIsGoneToo) {
    for (bool stop_first : {false, true}) {
        Idle t;
        auto stop = [&] { EXPECT_EQ(evl_server_stop(t.server.s), 0); };
        auto leave = [&] { EXPECT_EQ(evl_server_close_clients(t.server.s), 1); };
        stop_first ? stop() : leave();
        passes(t.w);
        EXPECT_FALSE(t.wait.done()) << stop_first;
        stop_first ? leave() : stop();
        passes(t.w);
        EXPECT_FALSE(t.wait.done()) << "lingering";
        EXPECT_EQ(evl_server_connections(t.server.s), 1);
        EXPECT_EQ(evl_server_close_clients(t.server.s), 0) << "they are lingering";
        t.peer.close();
        pump(t.w, [&] { return t.wait.done(); });
        EXPECT_EQ(t.wait.result, 0);
    }
}

TEST(ServerIdle, ClosedBeforeThat) {
    for (bool lingering : {false, true}) {
        Idle t;
        EXPECT_EQ(lingering ? evl_server_close_clients(t.server.s) : 1, 1);
        EXPECT_EQ(evl_close(t.server.s), 0);
        passes(t.w);
        EXPECT_EQ(t.wait.result, EVL_ECLOSED);
        EXPECT_EQ(evl_close(lingering ? nullptr : t.server.streams[0]), 0) << "nobody's now";
    }
}

TEST(ServerIdle, Contract_12_GoneWithItsLoop) {
    Idle t;
    EXPECT_EQ(t.w.destroy(), 0);
    EXPECT_FALSE(t.wait.done());
}

TEST(ServerIdle, AtOnceWhenItIs) {
    World w;
    Server server(w);
    Wait sync(w, EVL_OP_SYNC);
    EXPECT_EQ(evl_server_stop(server.s), 0);
    EXPECT_EQ(evl_server_on_idle(server.s, sync.op), 1);
}

// --- fork -------------------------------------------------------------------------------------------------

TEST(ServerEnd, Contract_11_AChildLeavesItsParentsServersAlone) {
    World w;
    std::string path = "/tmp/evloop-server-" + std::to_string(::getpid());
    evl_server *local = nullptr;
    ASSERT_EQ(evl_server_listen_unix(w.loop, path.c_str(), nullptr, &local), 0);
    Server server(w), at_path(w, local);
    server.take();
    at_path.take();
    passes(w);
    in_child([&] {
        evl_stream *s = nullptr;
        EXPECT_EQ(evl_server_accept(server.s, &s), EVL_EFORK);
        EXPECT_EQ(evl_close(server.s), 0);
        EXPECT_EQ(evl_close(local), 0);
        EXPECT_EQ(w.destroy(), 0);
    });
    Fd peer = server.connect(), other = at_path.connect();
    server.take(1);
    at_path.take(1);
    EXPECT_EQ(evl_close(local), 0);
    struct stat st;
    EXPECT_NE(::lstat(path.c_str(), &st), 0);
}

} // namespace
