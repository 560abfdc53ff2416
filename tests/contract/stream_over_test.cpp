// stream_over_test.cpp - a transport that takes the place of a plain stream, and of what a server counts.
#include "servers.hpp"
#include "transports.hpp"

using namespace servers;

namespace {

// A plain stream on the fd of the transport, and what becomes of it.
struct Over {
    explicit Over(World &world, Kind kind = Kind::local) : w(world), own(world, kind) {
        EXPECT_EQ(evl_stream_open(w.loop, own.fd, 0, &plain), 0);
    }
    // That of a server.
    Over(World &world, evl_stream *accepted) : w(world), own(world), plain(accepted) {
        ::close(own.fd);
        own.fd = evl_stream_fd(plain);
    }
    int32_t replace() { return evl_stream_open_over(plain, &own.table, &own, &own.s); }
    World &w;
    Own own;
    evl_stream *plain = nullptr;
};

TEST(StreamOver, GoesOnWithTheFd) {
    for (Kind kind : kinds) {
        World w;
        Over t(w, kind);
        uint64_t id = evl_id(t.plain);
        EXPECT_EQ(write(t.plain, "plain"), 5);
        EXPECT_EQ(evl_stream_set_linger(t.plain, 3 * sec), 0);
        EXPECT_EQ(t.replace(), 0);
        EXPECT_EQ(evl_lookup(w.loop, id), nullptr);
        EXPECT_EQ(evl_stream_transport(t.own.s, &t.own.table), &t.own);
        EXPECT_EQ(info(t.own.s).linger_ns, 3 * sec);
        EXPECT_EQ(write(t.own.s, "over"), 4);
        EXPECT_EQ(t.own.all(9), "plainover");
        Read read(w);
        EXPECT_EQ(read.some(t.own.s), 0);
        put(t.own.peer, "reply");
        pump(w, [&] { return read.done(); });
        EXPECT_EQ(read.text(), "reply");
    }
}

// In the callback of the plain one, which knows what the transport has to get.
TEST(StreamOver, InTheCallbackOfThePlainOne) {
    World w;
    Over t(w);
    std::string early;
    EXPECT_EQ(evl_stream_on_data(t.plain, World::done(), w.arg([&](int64_t n) {
                  ASSERT_EQ(n, 8);
                  ASSERT_EQ(evl_stream_consume(t.plain, 5), 0);
                  early = peek(t.plain);
                  EXPECT_EQ(t.replace(), 0);
                  EXPECT_EQ(write(t.own.s, "go"), 2);
              })),
              0);
    put(t.own.peer, "begin+++");
    pump(w, [&] { return t.own.s != nullptr; });
    EXPECT_EQ(early, "+++");
    EXPECT_EQ(t.own.all(2), "go");
    Read read(w);
    EXPECT_EQ(read.some(t.own.s), 0);
    put(t.own.peer, "x");
    pump(w, [&] { return read.done(); });
    EXPECT_EQ(read.text(), "x") << "what was not taken is discarded";
}

TEST(StreamOver, TheServerCountsIt) {
    World w;
    evl_server_options options = with();
    options.max_connections = 1;
    Server server(w, &options);
    Wait idle(w);
    std::vector<evl_stream *> came;
    EXPECT_EQ(evl_server_on_connection(server.s, World::done(), w.arg([&](int64_t) {
                  for (evl_stream *s; evl_server_accept(server.s, &s) == 0;)
                      came.push_back(s);
              })),
              0);
    Fd first = server.connect(), second = server.connect();
    pump(w, [&] { return came.size() == 1; });
    {
        Over t(w, came[0]);
        EXPECT_EQ(t.replace(), 0);
        passes(w);
        EXPECT_EQ(evl_server_connections(server.s), 1);
        EXPECT_EQ(came.size(), 1u) << "no more than one is open";
        EXPECT_EQ(evl_stream_abort(t.own.s), 0);
        t.own.leave();
    }
    pump(w, [&] { return came.size() == 2; });
    Over t(w, came[1]);
    EXPECT_EQ(t.replace(), 0);
    EXPECT_EQ(evl_server_on_idle(server.s, idle.op), 0);
    EXPECT_EQ(evl_server_stop(server.s), 0);
    passes(w);
    EXPECT_FALSE(idle.done());
    EXPECT_EQ(evl_server_abort_clients(server.s), 1);
    t.own.leave();
    EXPECT_EQ(t.own.closed, 1);
    pump(w, [&] { return idle.done(); });
    EXPECT_EQ(idle.result, 0);
}

TEST(StreamOver, LivesOnWithoutTheServer) {
    World w;
    Server server(w);
    evl_stream *accepted = nullptr;
    Fd fd = server.connect();
    EXPECT_EQ(evl_server_on_connection(server.s, World::done(), w.arg([&](int64_t) {
                  EXPECT_EQ(evl_server_accept(server.s, &accepted), 0);
              })),
              0);
    pump(w, [&] { return accepted != nullptr; });
    Over t(w, accepted);
    EXPECT_EQ(t.replace(), 0);
    EXPECT_EQ(evl_close(server.s), 0);
    EXPECT_EQ(write(t.own.s, "still"), 5);
    pump(w, [&] { return got(fd) == "still"; });
}

TEST(StreamOver, RefusedThePlainOneIsAsItWas) {
    World w;
    Over t(w);
    evl_stream *out = nullptr;
    Read read(w);
    EXPECT_EQ(evl_stream_open_over(nullptr, &t.own.table, &t.own, &out), EVL_EINVAL);
    EXPECT_EQ(evl_stream_open_over(t.plain, nullptr, &t.own, &out), EVL_EINVAL);
    EXPECT_EQ(evl_stream_open_over(t.plain, &t.own.table, &t.own, nullptr), EVL_EINVAL);
    EXPECT_EQ(read.some(t.plain), 0);
    EXPECT_EQ(t.replace(), EVL_EBUSY);
    EXPECT_EQ(evl_op_cancel(read.op), 1);
    std::string much(1 << 20, 'm');
    EXPECT_EQ(write(t.plain, much), 1 << 20);
    EXPECT_EQ(t.replace(), EVL_EBUSY);
    EXPECT_EQ(t.own.all(much.size()).size(), much.size());
    EXPECT_EQ(t.replace(), 0);
    EXPECT_EQ(evl_stream_open_over(t.own.s, &t.own.table, &t.own, &out), EVL_ENOTSUP);
    EXPECT_EQ(out, nullptr);
}

TEST(StreamOver, WithoutMemoryThePlainOneIsAsItWas) {
    int refused = 0;
    for (uint64_t nth = 1; nth < 20; nth++) {
        World w;
        std::vector<std::unique_ptr<Link>> more; // up to the end of a chunk of 64, so that one more allocates
        Over t(w);
        while (evl_id(more.empty() ? t.plain : more.back()->s) % 64 != 63)
            more.push_back(std::make_unique<Link>(w));
        std::string seen;
        EXPECT_EQ(evl_stream_on_data(t.plain, World::done(), w.arg([&](int64_t n) {
                      if (n <= 0)
                          return;
                      seen += peek(t.plain);
                      EXPECT_EQ(evl_stream_consume(t.plain, peek(t.plain).size()), 0);
                  })),
                  0);
        passes(w, 2);
        w.memory.fail(nth);
        int32_t rc = t.replace();
        w.memory.fail(0);
        if (rc == 0) {
            EXPECT_GT(refused, 0);
            return;
        }
        refused++;
        EXPECT_EQ(rc, EVL_ENOMEM);
        EXPECT_EQ(t.own.s, nullptr);
        EXPECT_EQ(write(t.plain, "out"), 3);
        EXPECT_EQ(t.own.all(3), "out");
        put(t.own.peer, "in");
        pump(w, [&] { return seen == "in"; });
        EXPECT_EQ(t.replace(), 0);
    }
    ADD_FAILURE() << "it allocates without end";
}

} // namespace
