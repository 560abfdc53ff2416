// server_lost_test.cpp - sockets that the kernel will not watch any more, or that are not there any more:
// whoever accepts is told why, and nothing is left behind.
#include "servers.hpp"
#include "sys.hpp"

#include <sys/stat.h>

using namespace servers;
using support::Call;
using support::Sys;

namespace {

// What says no when a socket is to be watched.
Call watching(const World &w) {
#if EVL_HAVE_EPOLL
    if (w.on("epoll"))
        return Call::epoll_ctl;
#else
    (void)w;
#endif
    return Call::fstat;
}

struct Two : Server {
    explicit Two(World &world) : Server(world, nullptr, "localhost") { EXPECT_EQ(evl_server_sockets(s), 2); }
};

TEST(LostSocket, OneOfTwoIsToldByTheOperationThatWaits) {
    World w;
    Sys sys;
    Two server(w);
    Accept accept(w), next(w);
    EXPECT_EQ(accept.start(server.s), 0);
    sys.fail(watching(w), ENOMEM);
    pump(w, [&] { return accept.done(); });
    EXPECT_EQ(accept.result, EVL_ENOMEM);
    EXPECT_EQ(accept.stream, nullptr);
    ASSERT_EQ(evl_server_sockets(server.s), 1);
    EXPECT_EQ(next.start(server.s), 0);
    Fd peer = server.connect();
    pump(w, [&] { return next.done(); });
    EXPECT_EQ(next.result, 0) << "the other one goes on, and it was told once";
}

// The one that was to be told is cancelled before it is.
TEST(LostSocket, OneOfTwoIsToldByTheNextOperation) {
    for (bool waits : {false, true}) {
        World w;
        Sys sys;
        Two server(w);
        Accept next(w);
        int64_t result = 0;
        evl_stream *stream = nullptr;
        evl_op first; // with a function in either sink
        EXPECT_EQ(evl_op_init(
                      &first, [](void *arg, int64_t n) { *static_cast<int64_t *>(arg) = n; }, &result, 0),
                  0);
        EXPECT_EQ(evl_server_accept_op(server.s, &first, &stream), 0);
        if (waits) {
            EXPECT_EQ(next.start(server.s), 0);
        }
        sys.fail(watching(w), ENOMEM);
        evl_record row; // a pass that calls nobody
        EXPECT_EQ(evl_loop_records(w.loop, &row, 1, 0), 1);
        EXPECT_EQ(row.kind, EVL_KIND_CALLBACKS);
        EXPECT_EQ(evl_op_cancel(&first), 1);
        pump(w, [&] { return result != 0; });
        EXPECT_EQ(result, EVL_ECANCELED);
        if (!waits) {
            EXPECT_EQ(next.start(server.s), 0);
        }
        pump(w, [&] { return next.done(); });
        EXPECT_EQ(next.result, EVL_ENOMEM);
    }
}

TEST(LostSocket, OneOfTwoIsToldByTheNextAccept) {
    for (bool paused : {false, true}) {
        World w;
        Sys sys;
        Two server(w);
        server.take();
        sys.fail(watching(w), ENOMEM);
        passes(w);
        EXPECT_EQ(server.errors, std::vector<int64_t>{EVL_ENOMEM});
        if (paused) {
            EXPECT_EQ(evl_server_pause(server.s), 0);
            EXPECT_EQ(evl_server_resume(server.s), 0);
        }
        Fd peer = server.connect();
        server.take(1);
        EXPECT_EQ(server.errors.size(), 1u) << "once";
    }
}

TEST(LostSocket, TheLastOneStopsTheServerAndTakesItsPathAlong) {
    World w;
    Sys sys;
    std::string path = "/tmp/evloop-lost-" + std::to_string(::getpid());
    evl_server *made = nullptr;
    ASSERT_EQ(evl_server_listen_unix(w.loop, path.c_str(), nullptr, &made), 0);
    Server server(w, made);
    server.take();
    sys.fail(watching(w), ENOMEM);
    passes(w);
    EXPECT_EQ(server.errors, std::vector<int64_t>{EVL_ENOMEM});
    EXPECT_EQ(evl_server_sockets(made), 0);
    struct stat st;
    EXPECT_NE(::lstat(path.c_str(), &st), 0) << "nobody listens there";
}

// A number that the program closed under a watcher, a stream or a server is the next connection's.
TEST(LostSocket, ItsNumberIsAConnections) {
    enum { watcher, stream, listener, kinds };
    for (int kind = 0; kind < kinds; kind++) {
        World w;
        Server server(w), other(w);
        Pair pair;
        Read read(w);
        int64_t heard = 0;
        server.take();
        other.take();
        passes(w);
        int number = kind == listener ? evl_server_fd(other.s, 0) : ::fcntl(pair.a, F_DUPFD_CLOEXEC, 0);
        evl_io *io = nullptr;
        evl_stream *s = nullptr;
        if (kind == watcher) {
            EXPECT_EQ(evl_io_new(w.loop, number, EVL_READ, 0, World::done(),
                                 w.arg([&](int64_t result) { heard = result; }), &io),
                      0);
        } else if (kind == stream) {
            ASSERT_EQ(evl_stream_open(w.loop, number, 0, &s), 0);
            EXPECT_EQ(read.some(s), 0);
        }
        passes(w);
        Fd peer = server.connect();
        ::close(number);
        server.take(1);
        passes(w);
        EXPECT_EQ(info(server.streams[0]).fd, number) << kind;
        EXPECT_EQ(kind == watcher ? heard : kind == stream ? read.result : other.errors.at(0), EVL_EBADF);
    }
}

} // namespace
