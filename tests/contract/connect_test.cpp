// connect_test.cpp - making connections, to servers that are there.
#include "servers.hpp"

using namespace servers;

namespace {

// A server that takes what comes, and a connect.
struct Scene {
    Scene() { server.take(); }
    int32_t start(evl_op *op) { return evl_connect_to(w.loop, op, &to.bytes, to.length, nullptr, &stream); }
    // Both ends, and that they talk.
    void talk() {
        pump(w, [&] { return made.done(); });
        ASSERT_EQ(made.result, 0);
        server.take(1);
        Read read(w);
        EXPECT_EQ(write(stream, "hello"), 5);
        EXPECT_EQ(read.some(server.streams[0]), 0);
        pump(w, [&] { return read.done(); });
        EXPECT_EQ(read.text(), "hello");
    }
    World w;
    Server server{w};
    SocketAddress to{server.s};
    Wait made{w};
    evl_stream *stream = nullptr;
};

TEST(Connect, ToAnAddress) {
    Scene t;
    EXPECT_EQ(t.start(t.made.op), 0);
    EXPECT_FALSE(t.made.done());
    EXPECT_EQ(t.stream, nullptr);
    t.talk();
    int on = 0;
    socklen_t length = sizeof on;
    EXPECT_EQ(::getsockopt(info(t.stream).fd, IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
    EXPECT_EQ(on, 1);
}

TEST(Connect, ToALiteral) {
    Scene t;
    std::string port = std::to_string(t.to.port());
    EXPECT_EQ(evl_connect(t.w.loop, t.made.op, "127.0.0.1", port.c_str(), nullptr, &t.stream), 0);
    t.talk();
    EXPECT_EQ(evl_connect(t.w.loop, t.made.op, "127.0.0.1", "65536", nullptr, &t.stream), EVL_EAI_SERVICE);
    EXPECT_EQ(evl_op_active(t.made.op), 0);
}

TEST(Connect, FromALocalAddress) {
    Scene t;
    SocketAddress local("127.0.0.2", 0);
    evl_connect_options options{};
    options.struct_size = sizeof options;
    options.local = &local.bytes;
    options.local_length = local.length;
    EXPECT_EQ(evl_connect_to(t.w.loop, t.made.op, &t.to.bytes, t.to.length, &options, &t.stream), 0);
    t.talk();
    SocketAddress seen;
    int32_t length = evl_stream_peer(t.server.streams[0], &seen.bytes, sizeof seen.bytes);
    ASSERT_GT(length, 0);
    seen.length = static_cast<socklen_t>(length);
    EXPECT_EQ(seen.host(), "127.0.0.2");
}

TEST(Connect, ToAUnixSocket) {
    std::string path = "/tmp/evloop-connect-" + std::to_string(::getpid());
    for (const std::string &name : {path, "@" + path}) {
        World w;
        evl_server *made = nullptr;
        ASSERT_EQ(evl_server_listen_unix(w.loop, name.c_str(), nullptr, &made), 0);
        Server server(w, made);
        server.take();
        Wait op(w);
        evl_stream *s = nullptr;
        EXPECT_EQ(evl_connect_unix(w.loop, op.op, name.c_str(), &s), 0);
        EXPECT_FALSE(op.done()) << "never inline";
        server.take(1);
        pump(w, [&] { return op.done(); });
        EXPECT_EQ(op.result, 0);
        EXPECT_EQ(info(s).family, AF_UNIX);
        EXPECT_EQ(evl_stream_set_option(s, EVL_STREAM_OPT_NODELAY, 1), EVL_ENOTSUP);
    }
}

TEST(Connect, AFutureOfAConnection) {
    Scene t;
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(t.w.loop, &future), 0);
    EXPECT_EQ(t.start(evl_future_op(future)), 0);
    pump(t.w, [&] { return evl_future_state(future) != EVL_FUTURE_PENDING; });
    EXPECT_NE(t.stream, nullptr);
    evl_future_unref(future);
}

TEST(Connect, ABusyOperation) {
    Scene t;
    EXPECT_EQ(t.start(t.made.op), 0);
    EXPECT_EQ(t.start(t.made.op), EVL_EBUSY);
    t.talk();
}

TEST(Connect, EverySystemCallThatFails) {
    struct {
        Call call;
        int error;
        int64_t result;
    } rows[] = {
        {Call::socket, EMFILE, EVL_EMFILE},       {Call::connect, ECONNREFUSED, EVL_ECONNREFUSED},
        {Call::connect, EAGAIN, EVL_EAGAIN},      {Call::connect, EACCES, EVL_EACCES},
        {Call::getsockopt, ENOBUFS, EVL_ENOBUFS}, {Call::setsockopt, EINVAL, 0},
    };
    for (const auto &row : rows) {
        Scene t;
        Sys sys;
        sys.fail(row.call, row.error, 0, 1);
        EXPECT_EQ(t.start(t.made.op), 0);
        pump(t.w, [&] { return t.made.done(); });
        EXPECT_EQ(t.made.result, row.result) << row.error;
        EXPECT_EQ(t.stream != nullptr, row.result == 0);
        EXPECT_EQ(evl_loop_blockers(t.w.loop, nullptr, 0) > 0, true) << "the server";
    }
}

TEST(Connect, Contract_13_OutOfMemoryIsACode) {
    for (uint64_t nth = 1;; nth++) {
        ASSERT_LT(nth, 50u);
        World w, other; // the server's memory is its own
        Server server(other);
        SocketAddress to(server.s);
        Wait made(w);
        evl_stream *s = nullptr;
        w.memory.fail(nth);
        int32_t rc = evl_connect_to(w.loop, made.op, &to.bytes, to.length, nullptr, &s);
        if (rc == 0)
            pump(w, [&] { return made.done(); });
        bool failed = w.memory.failed();
        w.memory.fail(0);
        if (!failed) {
            EXPECT_EQ(rc, 0);
            EXPECT_EQ(made.result, 0);
            EXPECT_GT(nth, 2u);
            break;
        }
        EXPECT_EQ(rc == 0 ? made.result : rc, EVL_ENOMEM) << nth;
        EXPECT_EQ(s, nullptr);
        EXPECT_EQ(evl_op_active(made.op), 0);
        made.result = pending;
        ASSERT_EQ(evl_connect_to(w.loop, made.op, &to.bytes, to.length, nullptr, &s), 0);
        pump(w, [&] { return made.done(); });
        EXPECT_EQ(made.result, 0) << "and then it works";
    }
}

TEST(Connect, Contract_11_InAForkedChild) {
    Scene t;
    EXPECT_EQ(t.start(t.made.op), 0);
    in_child([&] {
        Wait other(t.w);
        EXPECT_EQ(t.start(other.op), EVL_EFORK);
        EXPECT_EQ(evl_op_close(t.made.op), 0);
        EXPECT_EQ(t.w.destroy(), 0);
    });
    t.talk();
}

// A kqueue that is emulated may have taken the error before it is asked for.
TEST(Connect, AFailureWhoseReasonIsTakenIsAFailure) {
    static evl_sys_table real;
    real = evl_sys;
    evl_sys.getsockopt = [](int fd, int level, int name, void *value, socklen_t *len) {
        int rc = real.getsockopt(fd, level, name, value, len);
        if (level == SOL_SOCKET && name == SO_ERROR)
            *static_cast<int *>(value) = 0;
        return rc;
    };
    {
        World w;
        Wait made(w);
        evl_stream *stream = nullptr;
        Server gone(w);
        SocketAddress nobody(gone.s);
        evl_close(gone.s);
        EXPECT_EQ(evl_connect_to(w.loop, made.op, &nobody.bytes, nobody.length, nullptr, &stream), 0);
        pump(w, [&] { return made.done(); });
        if (w.caps() & EVL_CAP_HUP) { // select does not say that there is an error
            EXPECT_EQ(made.result, EVL_ECONNABORTED);
            EXPECT_EQ(stream, nullptr);
        }
    }
    evl_sys.getsockopt = real.getsockopt;
}

} // namespace
