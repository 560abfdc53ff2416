// stream_scenario.cpp - what the walks play with streams.
#include "step.hpp"
#include "world.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace faults {
namespace {

constexpr int64_t kMuch = 200'000; // more than the kernel takes, once its buffers are small

int fd_of(const evl_stream *s) {
    evl_stream_info info{};
    info.struct_size = sizeof info;
    return evl_stream_get_info(s, &info) == 0 ? info.fd : -1;
}

Ends open_both(Stage &s, int near, int far, uint32_t flags) {
    Ends ends;
    s.attempt([&] { return evl_stream_open(s.loop, near, flags, &ends.near); });
    s.attempt([&] { return evl_stream_open(s.loop, far, flags, &ends.far); });
    return ends;
}

// A file of 8 bytes.
void send_file(Stage &s, const Ends &ends) {
    support::Fd file = support::regular_file();
    EXPECT_EQ(::pwrite(file, "the file", 8, 0), 8);
    Step sent(s), read(s);
    char buf[16] = {};
    if (!sent.run([&](evl_op *op) { return evl_stream_sendfile(ends.near, op, file, 0, 0); }) ||
        sent.result != 8)
        return;
    if (read.run([&](evl_op *op) { return evl_stream_read_exactly(ends.far, op, buf, 8); }))
        s.expect(std::string(buf) == "the file", "a file comes");
}

// More than fits goes out as it is read.
void send_much(Stage &s, const Ends &ends) {
    std::string much(kMuch, 'm'), room(65536, '\0');
    Step flushed(s);
    int64_t taken = evl_stream_write(ends.near, much.data(), much.size()), seen = 0;
    if (taken < 0)
        s.tell(taken);
    bool waits = flushed.start([&](evl_op *op) { return evl_stream_flush(ends.near, op); });
    for (bool more = true; more && seen < taken;) { // without memory for the rest it takes a part
        Step read(s);
        more = read.run([&](evl_op *op) {
            return evl_stream_read(ends.far, op, room.data(), room.size());
        }) && read.result > 0;
        seen += more ? read.result : 0;
    }
    s.expect(seen == taken && (!waits || flushed.wait()), "all that was taken comes");
}

void make_small(const Ends &ends) {
    int size = 16384;
    for (auto [stream, option] : {std::pair(ends.near, SO_SNDBUF), std::pair(ends.far, SO_RCVBUF)})
        if (fd_of(stream) >= 0) {
            EXPECT_EQ(::setsockopt(fd_of(stream), SOL_SOCKET, option, &size, sizeof size), 0);
        }
}

struct Pushed {
    Stage &stage;
    evl_stream *stream;
    std::string text;
    bool ended = false;
    static void push(void *arg, int64_t n) {
        auto *self = static_cast<Pushed *>(arg);
        const void *data = nullptr;
        if (n > 0 && evl_stream_peek(self->stream, &data) == n)
            self->text.append(static_cast<const char *>(data), static_cast<size_t>(n));
        self->ended |= n <= 0;
        if (n < 0)
            self->stage.tell(n);
    }
};

// The far end has pushed what the near one says last, and hears of its end; and the near one of the far
// one's.
void part(Stage &s, Ends &ends) {
    Pushed pushed{s, ends.far, "", false};
    Step shut(s);
    if (s.attempt([&] { return evl_stream_on_data(ends.far, Pushed::push, &pushed); }) != 0)
        return end(ends);
    int64_t n = evl_stream_write(ends.near, "good-bye", 8);
    if (n < 0)
        s.tell(n);
    s.attempt([&] { return evl_stream_write_eof(ends.near); });
    s.run_until([&] { return pushed.ended; });
    s.expect(pushed.text == "good-bye" && pushed.ended, "the last words are heard, and the end");
    bool waits = shut.start([&](evl_op *op) { return evl_stream_shutdown(ends.near, op); });
    EXPECT_EQ(evl_close(std::exchange(ends.far, nullptr)), 0);
    if (waits && shut.wait() && shut.result == 0) {
        EXPECT_EQ(evl_stream_queued(ends.near), 0) << "it is over, and something is left";
    }
    EXPECT_EQ(evl_close(std::exchange(ends.near, nullptr)), 0);
}

void converse(Stage &s, Ends &ends) {
    if (ends.both() && talk(s, ends.near, ends.far, "hello") && talk(s, ends.far, ends.near, "answer")) {
        send_file(s, ends);
        make_small(ends);
        send_much(s, ends);
        part(s, ends);
    }
    end(ends);
}

} // namespace

// All that streams do, over TCP.
void connections(Stage &s) {
    evl_server *server = nullptr;
    if (!s.make() ||
        s.attempt([&] { return evl_server_listen(s.loop, "127.0.0.1", "0", nullptr, &server); }) != 0)
        return;
    Address address = local_of(s, server);
    if (address.length > 0) {
        Ends ends = meet(s, server, [&](evl_op *op, evl_stream **out) {
            return evl_connect_to(s.loop, op, address.bytes, address.length, nullptr, out);
        });
        for (evl_stream *stream : {ends.near, ends.far})
            if (stream)
                s.attempt([&] { return evl_stream_set_option(stream, EVL_STREAM_OPT_KEEPALIVE, 60); });
        converse(s, ends);
    }
    EXPECT_EQ(evl_close(server), 0);
}

void unix_connections(Stage &s) {
    std::string path = "/tmp/evloop-walk-" + std::to_string(::getpid());
    evl_server *server = nullptr;
    if (!s.make() ||
        s.attempt([&] { return evl_server_listen_unix(s.loop, path.c_str(), nullptr, &server); }) != 0)
        return;
    Ends ends = meet(s, server, [&](evl_op *op, evl_stream **out) {
        return evl_connect_unix(s.loop, op, path.c_str(), out);
    });
    converse(s, ends);
    EXPECT_EQ(evl_close(server), 0);
    ::unlink(path.c_str());
}

// A pipe's two ends, a file through them, and more than fits.
void piped(Stage &s) {
    support::Pipe &pipe = s.pipe();
    if (!s.make())
        return;
    Ends ends = open_both(s, pipe.w, pipe.r, EVL_STREAM_KEEP_FD);
    if (ends.both() && talk(s, ends.near, ends.far, "through a pipe")) {
        send_file(s, ends);
        send_much(s, ends);
    }
    end(ends);
}

// An fd goes with a byte, at once or behind much; what was accepted comes.
void pass_fd(Stage &s, const Ends &ends, int fd, size_t before) {
    std::string text(before, 'b'), room(65536, '\0');
    int64_t taken = before > 0 ? evl_stream_write(ends.near, text.data(), before) : 0;
    int64_t sent = taken < 0 ? taken : evl_stream_write_fds(ends.near, "x", 1, &fd, 1);
    if (sent < 0)
        s.tell(sent);
    int64_t seen = 0, all = taken + sent;
    Step flushed(s); // with what sending met
    bool waits = flushed.start([&](evl_op *op) { return evl_stream_flush(ends.near, op); });
    for (bool more = taken >= 0 && sent > 0; more && seen < all;) {
        Step read(s);
        more = read.run([&](evl_op *op) {
            return evl_stream_read(ends.far, op, room.data(), room.size());
        }) && read.result > 0;
        seen += more ? read.result : 0;
    }
    if (seen == all && waits)
        flushed.wait();
    evl_fd came = evl_stream_take_fd(ends.far);
    s.expect(came >= 0 || sent < 0 || seen < all, "the fd comes with its byte");
    if (came >= 0)
        ::close(came);
}

// A socket that was written before it became a stream: how much of it is on its way only the kernel knows.
void written_before(Stage &s, support::Pair &pair) {
    evl_stream *stream = nullptr;
    int fd = ::dup(pair.a);
    EXPECT_EQ(::send(fd, "x", 1, MSG_NOSIGNAL), 1);
    EXPECT_EQ(::shutdown(pair.b, SHUT_WR), 0);
    s.attempt([&] { return evl_stream_open(s.loop, fd, 0, &stream); });
    if (stream)
        EXPECT_EQ(evl_close(stream), 0);
    else
        ::close(fd);
}

// Fds over a pair.
void fds_passed(Stage &s) {
    support::Pair &pair = s.pair();
    support::Pipe &pipe = s.pipe();
    if (!s.make())
        return;
    Ends ends = open_both(s, pair.a, pair.b, EVL_STREAM_KEEP_FD);
    if (ends.both() && s.attempt([&] { return evl_stream_receive_fds(ends.far, 4); }) == 0) {
        pass_fd(s, ends, pipe.r, 0);
        make_small(ends);
        pass_fd(s, ends, pipe.w, kMuch);
    }
    end(ends);
}

// Fds that block, as they were inherited; they are left as they were.
void inherited(Stage &s) {
    support::Pipe &pipe = s.pipe();
    support::Pair &pair = s.pair(), &written = s.pair();
    auto set_blocking = [](int fd) {
        EXPECT_EQ(::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
    };
    for (int fd : {static_cast<int>(pipe.w), static_cast<int>(pipe.r), static_cast<int>(pair.a)})
        set_blocking(fd);
    if (!s.make())
        return;
    Ends of_pipe = open_both(s, pipe.w, pipe.r, EVL_STREAM_KEEP_FD);
    Ends of_pair = open_both(s, pair.a, pair.b, EVL_STREAM_KEEP_FD);
    if (of_pipe.both())
        (void)talk(s, of_pipe.near, of_pipe.far, "through a pipe");
    if (of_pair.both())
        (void)talk(s, of_pair.near, of_pair.far, "through a pair");
    end(of_pipe);
    end(of_pair);
    written_before(s, written);
    bool told_otherwise =
        s.failing == support::Call::get_fd_flags || s.failing == support::Call::set_fd_flags;
    for (int fd : {static_cast<int>(pipe.w), static_cast<int>(pipe.r), static_cast<int>(pair.a)})
        EXPECT_TRUE(told_otherwise || !(::fcntl(fd, F_GETFL) & O_NONBLOCK)) << "it is left as it was";
}

// Through a stream to another one, which is slow.
void spliced(Stage &s) {
    support::Pair &first = s.pair(), &second = s.pair();
    if (!s.make())
        return;
    Ends in = open_both(s, first.a, first.b, EVL_STREAM_KEEP_FD);
    Ends out = open_both(s, second.a, second.b, EVL_STREAM_KEEP_FD);
    Step splice(s);
    if (in.both() && out.both()) // which do not expire here
        for (evl_stream *stream : {in.far, out.near}) {
            s.attempt([&] { return evl_stream_set_read_timeout(stream, INT64_C(3600) * support::sec); });
            s.attempt([&] { return evl_stream_set_write_timeout(stream, INT64_C(3600) * support::sec); });
        }
    if (in.both() && out.both() &&
        splice.start([&](evl_op *op) { return evl_stream_splice(in.far, op, out.near); })) {
        Ends through = {in.near, out.far};
        if (talk(s, through.near, through.far, "through a splice")) {
            make_small(out);
            send_much(s, through);
        }
        s.attempt([&] { return evl_stream_write_eof(in.near); });
        if (splice.wait() && splice.result >= 0) {
            EXPECT_GE(splice.result, 32) << "it counts";
        }
    }
    end(in);
    end(out);
}

} // namespace faults
