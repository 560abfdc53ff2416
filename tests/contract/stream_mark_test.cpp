// stream_mark_test.cpp - push mode that waits for so many bytes, reading by hand in push mode, the fd and its
// options.
#include "transports.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

using namespace streams;

namespace {

using Results = std::vector<int64_t>;

// What is pushed, in either sink, is taken unless `keep`.
struct Pushes {
    Pushes(World &world, evl_stream *stream) : s(stream) {
        EXPECT_EQ(evl_stream_on_data(s, World::done(), world.arg([this](int64_t n) { take(n); })), 0);
    }
    Pushes(const Pushes &) = delete;
    void take(int64_t n) {
        results.push_back(n);
        if (then) {
            then(n);
        } else if (n > 0) {
            text += peek(s);
            EXPECT_EQ(evl_stream_consume(s, peek(s).size()), 0);
        }
    }
    evl_stream *s;
    Results results;
    std::string text;
    std::function<void(int64_t)> then;
};

// --- the mark ----------------------------------------------------------------------------------------------

TEST(StreamMark, NotBeforeSoManyBytes) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushes p(w, link.s);
        EXPECT_EQ(evl_stream_set_read_mark(link.s, 10), 0);
        for (std::string part : {"012", "345", "678"}) {
            link.say(part);
            passes(w);
        }
        EXPECT_TRUE(p.results.empty());
        link.say("9abc");
        pump(w, [&] { return !p.results.empty(); });
        EXPECT_EQ(p.results, Results{13});
        EXPECT_EQ(p.text, "0123456789abc");
        link.say("0123456789");
        pump(w, [&] { return p.results.size() == 2; });
        EXPECT_EQ(p.results.back(), 10) << "the mark stays";
        EXPECT_EQ(evl_stream_set_read_mark(link.s, 0), 0);
        link.say("x");
        pump(w, [&] { return p.results.size() == 3; });
        EXPECT_EQ(p.results.back(), 1);
    }
}

// A message whose length is known is waited for, however much longer than a read it is.
TEST(StreamMark, MoreThanARead) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushes p(w, link.s);
        std::string text = pattern(700'000);
        EXPECT_EQ(evl_stream_set_read_mark(link.s, 700'000), 0);
        size_t sent = 0;
        pump(w, [&] {
            ssize_t n = ::send(link.peer, text.data() + sent, text.size() - sent, MSG_DONTWAIT);
            sent += n > 0 ? static_cast<size_t>(n) : 0;
            return !p.results.empty();
        });
        EXPECT_EQ(p.results, Results{700'000});
        EXPECT_TRUE(p.text == text);
    }
}

TEST(StreamMark, TheEndDoesNotWait) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushes p(w, link.s);
        std::string left;
        p.then = [&](int64_t) { left = peek(link.s); };
        EXPECT_EQ(evl_stream_set_read_mark(link.s, 10), 0);
        link.say("half");
        passes(w);
        link.peer.close();
        pump(w, [&] { return !p.results.empty(); });
        passes(w);
        EXPECT_EQ(p.results, Results{0});
        EXPECT_EQ(left, "half");
    }
}

TEST(StreamMark, LoweredItPushesWhatIsThere) {
    World w;
    Link link(w);
    Pushes p(w, link.s);
    EXPECT_EQ(evl_stream_set_read_mark(link.s, 10), 0);
    link.say("01234");
    pump(w, [&] { return info(link.s).unread == 5; });
    EXPECT_EQ(evl_stream_set_read_mark(link.s, 6), 0);
    passes(w);
    EXPECT_TRUE(p.results.empty());
    EXPECT_EQ(evl_stream_set_read_mark(link.s, 5), 0);
    passes(w);
    EXPECT_EQ(p.results, Results{5});
}

// Paused and resumed, and read by an operation meanwhile.
TEST(StreamMark, PausedItMayBeRead) {
    World w;
    Link link(w);
    Read read(w);
    Pushes p(w, link.s);
    EXPECT_EQ(evl_stream_set_read_mark(link.s, 10), 0);
    link.say("01234");
    pump(w, [&] { return info(link.s).unread == 5; });
    EXPECT_EQ(evl_stream_pause(link.s), 0);
    EXPECT_EQ(read.exactly(link.s, 3), 0);
    pump(w, [&] { return read.done(); });
    EXPECT_EQ(read.text(), "012");
    EXPECT_EQ(evl_stream_resume(link.s), 0);
    link.say("567");
    passes(w);
    EXPECT_TRUE(p.results.empty()) << "five are there";
    link.say("89abc");
    pump(w, [&] { return !p.results.empty(); });
    EXPECT_EQ(p.results, Results{10});
    EXPECT_EQ(p.text, "3456789abc");
}

// The callback learns the length from the head of a message, and is called when all of it is there.
TEST(StreamMark, FramesOfAKnownLength) {
    World w;
    Link link(w);
    Pushes p(w, link.s);
    std::vector<std::string> frames;
    p.then = [&](int64_t) {
        std::string all = peek(link.s);
        size_t need = 1, before = all.size();
        while (!all.empty() && all.size() >= (need = 1 + static_cast<size_t>(all[0]))) {
            frames.push_back(all.substr(1, need - 1));
            all.erase(0, need);
            need = 1;
        }
        EXPECT_EQ(evl_stream_set_read_mark(link.s, static_cast<uint32_t>(need)), 0);
        if (records()) { // whose bytes stay until they are consumed
            EXPECT_EQ(evl_stream_consume(link.s, before - all.size()), 0);
        } else {
            EXPECT_EQ(evl_stream_unread(link.s, all.data(), all.size()), 0);
        }
    };
    std::string sent = "\x05"
                       "hello\x03"
                       "you\x07"
                       "and you";
    for (char c : sent) {
        link.say(std::string(1, c));
        passes(w, 2);
    }
    passes(w);
    EXPECT_EQ(frames, (std::vector<std::string>{"hello", "you", "and you"}));
    EXPECT_EQ(p.results.size(), 6U) << "of each the head and the whole";
}

TEST(StreamMark, OverATransport) {
    World w;
    Own own(w);
    own.on_want = [] { return static_cast<uint32_t>(EVL_READ); };
    EXPECT_NE(own.open(), nullptr);
    Pushes p(w, own.s);
    EXPECT_EQ(evl_stream_set_read_mark(own.s, 6), 0);
    put(own.peer, "0123");
    passes(w);
    EXPECT_TRUE(p.results.empty());
    put(own.peer, "4567");
    pump(w, [&] { return !p.results.empty(); });
    EXPECT_EQ(p.text, "01234567");
}

TEST(StreamMark, WithoutMemory) {
    World w;
    Link link(w);
    Pushes p(w, link.s);
    for (uint64_t nth = 1;; nth++) {
        w.memory.fail(nth);
        int32_t rc = evl_stream_set_read_mark(link.s, 100'000);
        bool failed = w.memory.failed();
        w.memory.fail(0);
        EXPECT_EQ(rc, failed ? EVL_ENOMEM : 0);
        if (!failed)
            break;
    }
    std::string text = pattern(100'000);
    size_t sent = 0;
    auto send = [&] {
        ssize_t n = ::send(link.peer, text.data() + sent, text.size() - sent, MSG_DONTWAIT);
        sent += n > 0 ? static_cast<size_t>(n) : 0;
    };
    w.memory.fail(1, UINT64_MAX / 2);
    pump(w, [&] {
        send();
        return !p.results.empty();
    });
    w.memory.fail(0);
    EXPECT_EQ(p.results, Results{EVL_ENOMEM});
    EXPECT_EQ(evl_stream_resume(link.s), 0);
    pump(w, [&] {
        send();
        return p.results.size() == 2;
    });
    EXPECT_TRUE(p.text == text);
}

// --- reading by hand ---------------------------------------------------------------------------------------

// In the callback it takes what the callback was called with, and then what has come since.
TEST(StreamMark, TryReadInTheCallback) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushes p(w, link.s);
        std::vector<std::string> taken;
        int64_t last = 0;
        p.then = [&](int64_t n) {
            if (n <= 0)
                return;
            if (taken.empty())
                link.say("more");
            char buf[4];
            while ((last = evl_stream_try_read(link.s, buf, sizeof buf)) > 0)
                taken.emplace_back(buf, static_cast<size_t>(last));
            EXPECT_EQ(peek(link.s), "");
        };
        link.say("hello!");
        pump(w, [&] { return !p.results.empty(); });
        passes(w);
        EXPECT_EQ(taken, (std::vector<std::string>{"hell", "o!", "more"}));
        EXPECT_EQ(last, EVL_EAGAIN);
        EXPECT_EQ(p.results, Results{6}) << "what was taken is not pushed";
        link.say("again");
        pump(w, [&] { return p.results.size() == 2; });
        EXPECT_EQ(p.results.back(), 5);
        link.peer.close();
        pump(w, [&] { return p.results.size() == 3; });
        EXPECT_EQ(p.results.back(), 0);
    }
}

// Outside of it what it takes is not pushed; the rest is, and the end too although it was seen already.
TEST(StreamMark, TryReadOutsideOfTheCallback) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushes p(w, link.s);
        char buf[4];
        passes(w);
        EXPECT_EQ(evl_stream_try_read(link.s, buf, sizeof buf), EVL_EAGAIN);
        link.say("hello!");
        EXPECT_EQ(evl_stream_try_read(link.s, buf, sizeof buf), 4);
        pump(w, [&] { return !p.results.empty(); });
        EXPECT_EQ(p.text, "o!");
        EXPECT_EQ(evl_stream_unread(link.s, "back", 4), 0);
        EXPECT_EQ(evl_stream_try_read(link.s, buf, sizeof buf), 4) << "what was put back is first";
        passes(w);
        EXPECT_EQ(p.results.size(), 1U);
        link.peer.close();
        until([&] { return evl_stream_try_read(link.s, buf, sizeof buf) != EVL_EAGAIN; });
        EXPECT_EQ(evl_stream_try_read(link.s, buf, sizeof buf), 0);
        pump(w, [&] { return p.results.size() == 2; });
        passes(w);
        EXPECT_EQ(p.results.back(), 0);
        EXPECT_EQ(p.results.size(), 2U) << "once";
    }
}

// --- the fd ------------------------------------------------------------------------------------------------

TEST(StreamMark, TheFd) {
    World w;
    Link link(w);
    int fd = evl_stream_fd(link.s);
    EXPECT_EQ(fd, info(link.s).fd);
    EXPECT_EQ(evl_stream_fd(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_fd_closing(w.loop, fd), 1);
    passes(w);
    EXPECT_EQ(evl_stream_fd(link.s), EVL_EBADF);
    ::close(fd);
}

TEST(StreamMark, OptionsAsTheKernelHasThem) {
    World w;
    Link tcp(w), local(w, Kind::local);
    for (Link *link : {&tcp, &local})
        for (auto [option, name] : {std::pair<int32_t, int>{EVL_STREAM_OPT_SEND_BUFFER, SO_SNDBUF},
                                    std::pair<int32_t, int>{EVL_STREAM_OPT_RECEIVE_BUFFER, SO_RCVBUF}}) {
            EXPECT_EQ(evl_stream_set_option(link->s, option, 32768), 0);
            int value = 0;
            socklen_t length = sizeof value;
            EXPECT_EQ(::getsockopt(evl_stream_fd(link->s), SOL_SOCKET, name, &value, &length), 0);
            EXPECT_EQ(evl_stream_get_option(link->s, option), value);
            EXPECT_GE(value, 32768);
            EXPECT_EQ(evl_stream_set_option(link->s, option, 0), EVL_EINVAL);
            EXPECT_EQ(evl_stream_set_option(link->s, option, -1), EVL_EINVAL);
        }
    for (int32_t on : {1, 0}) {
        EXPECT_EQ(evl_stream_set_option(tcp.s, EVL_STREAM_OPT_NODELAY, on), 0);
        EXPECT_EQ(evl_stream_get_option(tcp.s, EVL_STREAM_OPT_NODELAY), on);
    }
    for (int32_t seconds : {60, 0}) {
        EXPECT_EQ(evl_stream_set_option(tcp.s, EVL_STREAM_OPT_KEEPALIVE, seconds), 0);
        EXPECT_EQ(evl_stream_get_option(tcp.s, EVL_STREAM_OPT_KEEPALIVE), seconds);
    }
    EXPECT_EQ(evl_stream_get_option(local.s, EVL_STREAM_OPT_NODELAY), EVL_ENOTSUP);
    for (int32_t none : {0, EVL_STREAM_OPT_RECEIVE_BUFFER + 1}) {
        EXPECT_EQ(evl_stream_get_option(tcp.s, none), EVL_EINVAL);
        EXPECT_EQ(evl_stream_set_option(tcp.s, none, 1), EVL_EINVAL);
    }
    Pipe pipe;
    evl_stream *s = open(w, pipe.r);
    EXPECT_EQ(evl_stream_get_option(s, EVL_STREAM_OPT_SEND_BUFFER), EVL_ENOTSUP);
    EXPECT_EQ(evl_stream_set_option(s, EVL_STREAM_OPT_SEND_BUFFER, 4096), EVL_ENOTSUP);
    EXPECT_EQ(evl_stream_get_option(nullptr, EVL_STREAM_OPT_NODELAY), EVL_EINVAL);
}

} // namespace
