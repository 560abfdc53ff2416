// fork_net_test.cpp - in a repaired child: its parent's streams, servers, sockets and connects, and that the
// parent does not notice what the child does with them.
#include "servers.hpp"
#include "udp.hpp"

#include <algorithm>
#include <cstdlib>
#include <sys/stat.h>

using namespace servers;

namespace {

// For a socket's path.
struct Directory {
    Directory() { EXPECT_NE(::mkdtemp(name.data()), nullptr); }
    Directory(const Directory &) = delete;
    ~Directory() {
        ::unlink((name + "/socket").c_str());
        EXPECT_EQ(::rmdir(name.c_str()), 0);
    }
    std::string name = "/tmp/evloop-fork-XXXXXX";
};

bool is_nonblocking(int fd) { return (::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }

void repair(World &w) { EXPECT_EQ(evl_loop_fork(w.loop), 0); }

// What a child does that ends its copy of a stream.
const struct {
    const char *name;
    void (*end)(World &, evl_stream *);
} ends[] = {
    {"close",
     [](World &w, evl_stream *s) {
         repair(w);
         EXPECT_EQ(evl_close(s), 0);
         passes(w);
     }},
    {"abort",
     [](World &w, evl_stream *s) {
         repair(w);
         EXPECT_EQ(evl_stream_abort(s), 0);
         passes(w);
     }},
    {"destroy",
     [](World &w, evl_stream *) {
         repair(w);
         EXPECT_EQ(w.destroy(), 0);
     }},
    {"close without repair", [](World &, evl_stream *s) { EXPECT_EQ(evl_close(s), 0); }},
    {"destroy without repair", [](World &w, evl_stream *) { EXPECT_EQ(w.destroy(), 0); }},
};

// More than the kernel takes, so that some of it is queued. The length of what it took.
size_t overfill(const Link &link, const std::string &text) {
    EXPECT_EQ(write(link.s, text), static_cast<int64_t>(text.size()));
    EXPECT_GT(evl_stream_queued(link.s), 0);
    return static_cast<size_t>(info(link.s).bytes_out);
}

TEST(ForkNet, TheParentsConnectionDoesNotNoticeTheEndOfTheChilds) {
    for (auto &way : ends)
        for (Kind kind : kinds)
            for (bool queued : {false, true}) {
                SCOPED_TRACE(std::string(way.name) + (queued ? ", with bytes queued" : ""));
                World w;
                Link link(w, kind);
                int fd = info(link.s).fd;
                std::string text = queued ? pattern(4 << 20) : "hello";
                if (queued)
                    overfill(link, text);
                else
                    write(link.s, text);
                in_child([&] { way.end(w, link.s); });
                linger reset{};
                socklen_t len = sizeof reset;
                EXPECT_EQ(::getsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, &len), 0);
                EXPECT_EQ(reset.l_onoff, 0);
                EXPECT_TRUE(is_nonblocking(fd));
                std::string all;
                pump(w, [&] { return (all += got(link.peer)).size() >= text.size(); });
                EXPECT_TRUE(all == text) << all.size();
                EXPECT_FALSE(at_end(link.peer));
                EXPECT_EQ(write(link.s, "more"), 4);
                pump(w, [&] { return got(link.peer) == "more"; });
            }
}

TEST(ForkNet, AStreamThatLingersIsTheParentsAlone) {
    World w;
    Link link(w, Kind::local);
    std::string text = pattern(1 << 20);
    size_t taken = overfill(link, text);
    EXPECT_EQ(evl_close(link.s), 0);
    in_child([&] {
        repair(w);
        EXPECT_EQ(evl_loop_walk(w.loop, nullptr, 0), 0);
        EXPECT_EQ(evl_loop_alive(w.loop), 0);
        EXPECT_EQ(got(link.peer).size(), taken); // now there would be room
        passes(w);
        EXPECT_EQ(got(link.peer), "");
        EXPECT_EQ(w.close(), 0);
        EXPECT_EQ(w.memory.bytes(), 0u);
    });
    std::string rest;
    pump(w, [&] { return (rest += got(link.peer)).size() >= text.size() - taken; });
    EXPECT_TRUE(rest == text.substr(taken));
    pump(w, [&] { return at_end(link.peer); });
}

// Everything that waits for the queue, or for what is in it.
TEST(ForkNet, WhatIsQueuedIsTheParentsToSend) {
    World w;
    Link link(w, Kind::local), from(w, Kind::local);
    std::string text = pattern(1 << 20);
    int released = 0;
    size_t taken = overfill(link, text);
    EXPECT_EQ(
        evl_stream_write_ref(link.s, "ref", 3, [](void *arg) { ++*static_cast<int *>(arg); }, &released), 3);
    Fd file = regular_file();
    put(file, "file");
    Wait drained(w), flushed(w), sent(w), spliced(w), shut(w);
    EXPECT_EQ(evl_stream_drain(link.s, drained.op), 0);
    EXPECT_EQ(evl_stream_flush(link.s, flushed.op), 0);
    EXPECT_EQ(evl_stream_sendfile(link.s, sent.op, file, 0, 0), 0);
    EXPECT_EQ(evl_stream_splice(from.s, spliced.op, link.s), 0);
    EXPECT_EQ(evl_stream_shutdown(link.s, shut.op), 0);
    passes(w);
    in_child([&] {
        repair(w);
        EXPECT_EQ(evl_stream_queued(link.s), 0);
        EXPECT_EQ(evl_stream_flush(link.s, w.op([](int64_t n) { EXPECT_EQ(n, 0); })), 0);
        EXPECT_EQ(write(link.s, "x"), EVL_EPIPE); // for the parent has said that it ends
        EXPECT_EQ(got(link.peer).size(), taken);
        passes(w);
        for (const Wait *op : {&drained, &flushed, &sent, &spliced, &shut})
            EXPECT_EQ(op->result, EVL_EFORK);
        EXPECT_EQ(released, 1);
        EXPECT_EQ(got(link.peer), "");
        EXPECT_FALSE(at_end(link.peer));
        EXPECT_EQ(w.destroy(), 0);
    });
    std::string rest;
    pump(w, [&] {
        rest += got(link.peer);
        return drained.done() && flushed.done() && sent.done() && released == 1;
    });
    link.peer.close();
    EXPECT_EQ(evl_op_close(spliced.op), 0);
    EXPECT_TRUE(rest.starts_with(text.substr(taken) + "ref"));
    EXPECT_EQ(drained.result, 0);
    EXPECT_EQ(flushed.result, 0);
    EXPECT_EQ(sent.result, 4);
}

// The pipe of a splice is one for both: what one of them put into it, the other would take out.
TEST(ForkNet, ASpliceGoesOnInTheParentAlone) {
    for (bool ready : {false, true}) {
        World w;
        Link from(w, Kind::local), to(w, Kind::local);
        Wait spliced(w);
        std::string text = pattern(1 << 20), out;
        size_t at = 0;
        auto feed = [&] {
            ssize_t n = ::write(from.peer, text.data() + at, text.size() - at);
            at += n > 0 ? static_cast<size_t>(n) : 0;
        };
        EXPECT_EQ(evl_stream_splice(from.s, spliced.op, to.s), 0);
        for (int i = 0; i < 5; i++) {
            feed();
            w.nowait();
        }
        if (!ready)
            passes(w, 20);
        in_child([&] {
            repair(w);
            passes(w);
            EXPECT_EQ(spliced.result, EVL_EFORK);
            EXPECT_EQ(w.destroy(), 0);
        });
        pump(w, [&] {
            if (at < text.size())
                feed();
            return (out += got(to.peer)).size() >= text.size();
        });
        EXPECT_TRUE(out == text);
        from.peer.close();
        pump(w, [&] { return spliced.done(); });
        EXPECT_EQ(spliced.result, static_cast<int64_t>(text.size()));
    }
}

TEST(ForkNet, WhatTheChildDoesOnPurposeIsDone) {
    World w;
    Link link(w);
    Read r(w);
    in_child([&] {
        repair(w);
        link.say("hello");
        EXPECT_EQ(r.some(link.s), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "hello");
        EXPECT_EQ(write(link.s, "from the child"), 14);
        EXPECT_EQ(evl_stream_write_eof(link.s), 0);
        EXPECT_EQ(w.destroy(), 0);
    });
    EXPECT_EQ(got(link.peer), "from the child");
    EXPECT_TRUE(at_end(link.peer));
}

// One process for each connection: the child makes the stream its own.
TEST(ForkNet, AChildTakesAConnectionOver) {
    for (Kind kind : kinds) {
        World w({.clock = EVL_CLOCK_REAL});
        Link link(w, kind);
        std::string text = pattern(4 << 20);
        Child child([&] {
            repair(w);
            link.peer.close();
            int fd = evl_stream_detach(link.s, nullptr, 0, nullptr);
            ASSERT_GE(fd, 0);
            EXPECT_TRUE(is_nonblocking(fd)) << "the parent's may still be in use";
            evl_stream *mine = nullptr;
            EXPECT_EQ(evl_stream_open(w.loop, fd, 0, &mine), 0);
            EXPECT_EQ(write(mine, text), static_cast<int64_t>(text.size()));
            EXPECT_EQ(evl_close(mine), 0);
            EXPECT_EQ(w.run(), EVL_RUN_DONE) << "it lingers as every other";
            EXPECT_EQ(w.destroy(), 0);
        });
        Fd fd(evl_stream_detach(link.s, nullptr, 0, nullptr));
        fd.close();
        std::string all;
        until([&] { return (all += got(link.peer)).size() >= text.size() && at_end(link.peer); });
        EXPECT_TRUE(all == text);
        link.peer.close();
    }
}

// A transport that refused bytes has to get the same ones again.
struct Stuck {
    explicit Stuck(World &w) {
        Pair pair;
        fd = give(pair.a);
        peer = std::move(pair.b);
        EXPECT_EQ(evl_stream_open_on(w.loop, fd, &table, this, &s), 0);
    }
    static Stuck *of(void *self) { return static_cast<Stuck *>(self); }
    evl_transport table = {sizeof(evl_transport),
                           [](void *, void *, size_t) -> int64_t { return EVL_EAGAIN; },
                           [](void *self, const evl_buf *, int32_t) -> int64_t {
                               of(self)->calls++;
                               return EVL_EAGAIN;
                           },
                           [](void *) -> uint32_t { return 0; },
                           [](void *) { return 0; },
                           [](void *self, int32_t abort) {
                               of(self)->aborted = abort;
                               ::close(of(self)->fd);
                           },
                           nullptr};
    int fd, calls = 0, aborted = -1;
    Fd peer;
    evl_stream *s = nullptr;
};

TEST(ForkNet, ATransportInAWriteIsNotWrittenTo) {
    World w;
    Stuck stuck(w), idle(w);
    EXPECT_EQ(write(stuck.s, "refused"), 7);
    in_child([&] {
        repair(w);
        int calls = stuck.calls;
        EXPECT_EQ(write(stuck.s, "more"), EVL_EFORK);
        EXPECT_EQ(stuck.calls, calls);
        EXPECT_EQ(write(idle.s, "more"), 4);
        EXPECT_EQ(idle.calls, 1);
        EXPECT_EQ(evl_close(stuck.s), 0);
        EXPECT_EQ(evl_close(idle.s), 0);
        EXPECT_EQ(stuck.aborted, 1);
        EXPECT_EQ(idle.aborted, 1);
        EXPECT_EQ(w.destroy(), 0);
    });
    EXPECT_EQ(evl_stream_queued(stuck.s), 7);
    EXPECT_EQ(evl_stream_abort(stuck.s), 0);
}

TEST(ForkNet, TheParentsPathStays) {
    Directory directory;
    std::string path = directory.name + "/socket";
    for (bool repaired : {true, false})
        for (int way = 0; way < 3; way++) {
            World w;
            evl_server *server = nullptr;
            EXPECT_EQ(evl_server_listen_unix(w.loop, path.c_str(), nullptr, &server), 0);
            in_child([&] {
                if (repaired)
                    repair(w);
                if (way == 0) {
                    EXPECT_EQ(evl_close(server), 0);
                }
                if (way == 1 && repaired) {
                    EXPECT_EQ(evl_server_stop(server), 0);
                }
                EXPECT_EQ(w.destroy(), 0);
                EXPECT_EQ(w.memory.bytes(), 0u);
            });
            struct stat st;
            EXPECT_EQ(::lstat(path.c_str(), &st), 0);
            EXPECT_EQ(evl_close(server), 0);
            EXPECT_NE(::lstat(path.c_str(), &st), 0) << "and it is the parent's to remove";
        }
}

TEST(ForkNet, EitherProcessAccepts) {
    World w;
    Server server(w);
    server.take();
    in_child([&] {
        repair(w);
        Fd peer = server.connect();
        pump(w, [&] { return server.streams.size() == 1; });
        EXPECT_EQ(w.destroy(), 0);
    });
    Fd peer = server.connect();
    pump(w, [&] { return server.streams.size() == 1; });
}

// Accepted, but there was no memory to make a stream of it.
TEST(ForkNet, AConnectionThatIsKeptForTheNextAcceptIsTheParents) {
    World w;
    evl_server_options options = with();
    options.at_fd_limit = EVL_ACCEPT_REPORT;
    Server server(w, &options);
    Accept failed(w), next(w);
    EXPECT_EQ(failed.start(server.s), 0);
    passes(w);
    Fd peer = server.connect();
    w.memory.fail(1, 1000);
    pump(w, [&] { return failed.done(); });
    w.memory.fail(0);
    EXPECT_EQ(failed.result, EVL_ENOMEM);
    in_child([&] {
        repair(w);
        evl_stream *stream = nullptr;
        EXPECT_EQ(evl_server_accept(server.s, &stream), EVL_EAGAIN);
        EXPECT_EQ(w.destroy(), 0);
    });
    EXPECT_EQ(next.start(server.s), 0);
    pump(w, [&] { return next.done(); });
    EXPECT_EQ(next.result, 0);
    EXPECT_EQ(write(next.stream, "hello"), 5);
    EXPECT_EQ(got(peer), "hello");
}

TEST(ForkNet, QueuedDatagramsAreTheParentsToSend) {
    World w;
    udp::Unix u(w);
    int n = u.fill();
    Wait flushed(w);
    EXPECT_EQ(evl_udp_flush(u.u, flushed.op), 0);
    passes(w);
    in_child([&] {
        repair(w);
        EXPECT_EQ(evl_udp_queued(u.u), 0);
        passes(w);
        EXPECT_EQ(flushed.result, EVL_EFORK);
        EXPECT_EQ(evl_close(u.u), 0);
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_EQ(w.memory.bytes(), 0u);
    });
    for (int i = 0; i < n; i++) {
        std::string text = "-";
        pump(w, [&] { return (text = u.receive()) != "-"; });
        EXPECT_EQ(text, std::to_string(i));
    }
    pump(w, [&] { return flushed.done(); });
    EXPECT_EQ(u.receive(), "-");
}

TEST(ForkNet, ASocketOfTheProgramsStaysNonBlocking) {
    World w;
    Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    evl_udp *u = nullptr;
    EXPECT_EQ(evl_udp_open_fd(w.loop, fd, EVL_UDP_KEEP_FD, &u), 0);
    for (bool close : {false, true}) {
        in_child([&] {
            repair(w);
            if (close) {
                EXPECT_EQ(evl_close(u), 0);
            }
            EXPECT_EQ(w.destroy(), 0);
        });
        EXPECT_TRUE(is_nonblocking(fd));
    }
    EXPECT_EQ(evl_close(u), 0);
    EXPECT_FALSE(is_nonblocking(fd));
}

TEST(ForkNet, AConnectInFlightIsTheParents) {
    World w;
    Directory directory;
    std::string path = directory.name + "/socket";
    evl_server *server = nullptr;
    evl_server_options options = with();
    options.backlog = 1;
    EXPECT_EQ(evl_server_listen_unix(w.loop, path.c_str(), &options, &server), 0);
    std::vector<std::unique_ptr<Wait>> all;
    std::vector<evl_stream *> made(4);
    for (auto &stream : made) { // some are connected, and not delivered; the backlog is full for the others
        all.push_back(std::make_unique<Wait>(w));
        EXPECT_EQ(evl_connect_unix(w.loop, all.back()->op, path.c_str(), &stream), 0);
    }
    in_child([&] {
        repair(w);
        passes(w);
        for (size_t i = 0; i < all.size(); i++) {
            EXPECT_EQ(all[i]->result, EVL_EFORK) << i;
            EXPECT_EQ(made[i], nullptr);
        }
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_EQ(w.memory.bytes(), 0u);
    });
    Server accepting(w, server);
    accepting.take();
    pump(w, [&] { return std::all_of(all.begin(), all.end(), [](auto &op) { return op->done(); }); });
    for (auto &op : all)
        EXPECT_EQ(op->result, 0);
}

} // namespace
