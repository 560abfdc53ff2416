// stream_push_test.cpp - being pushed: by a callback that is lent the bytes, and by records.
#include "streams.hpp"

using namespace streams;

namespace {

// Gathers what is pushed, in either sink.
struct Pushed {
    explicit Pushed(World &world, evl_stream *stream) : w(world), s(stream) { EXPECT_EQ(start(), 0); }
    Pushed(const Pushed &) = delete;
    int32_t start() {
        return evl_stream_on_data(s, World::done(), w.arg([this](int64_t n) { take(n); }));
    }
    void take(int64_t n) {
        calls++;
        if (n <= 0) {
            ends.push_back(n);
        } else {
            std::string lent = peek(s);
            if (records()) {
                EXPECT_GE(static_cast<int64_t>(lent.size()), n);
                EXPECT_EQ(evl_stream_consume(s, lent.size()), 0);
            } else {
                EXPECT_EQ(static_cast<int64_t>(lent.size()), n);
            }
            text += lent;
        }
        if (then)
            then();
    }
    World &w;
    evl_stream *s;
    std::string text;
    std::vector<int64_t> ends;
    int calls = 0;
    std::function<void()> then;
};

using Ends = std::vector<int64_t>;

TEST(StreamPush, WhateverComesAndTheEndOnce) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushed p(w, link.s);
        passes(w);
        EXPECT_EQ(p.calls, 0);
        link.say("one");
        pump(w, [&] { return p.text == "one"; });
        link.say("two");
        pump(w, [&] { return p.text == "onetwo"; });
        EXPECT_EQ(evl_loop_alive(w.loop), 1);
        link.peer.close();
        pump(w, [&] { return !p.ends.empty(); });
        passes(w);
        EXPECT_EQ(p.ends, Ends{0});
        EXPECT_EQ(evl_loop_alive(w.loop), 0) << "nothing comes any more";
        EXPECT_EQ(peek(link.s), "");
    }
}

// Another stream's callback looks at what it is lent while one that is being shut down is resumed.
TEST(StreamPush, ResumingAStreamThatIsBeingShutDown) {
    World w;
    Link a(w, Kind::local), b(w, Kind::local);
    Wait shut(w);
    Pushed of_b(w, b.s);
    EXPECT_EQ(evl_stream_pause(b.s), 0);
    write(b.s, std::string(1 << 20, 'x')); // so that the shutdown waits
    EXPECT_EQ(evl_stream_shutdown(b.s, shut.op), 0);
    ::shutdown(b.peer, SHUT_WR);
    passes(w);
    std::string lent = pattern(100000);
    EXPECT_EQ(evl_stream_unread(a.s, lent.data(), lent.size()), 0);
    Pushed of_a(w, a.s);
    int32_t rc = 0;
    std::string after;
    of_a.then = [&] {
        rc = evl_stream_resume(b.s);
        after = peek(a.s);
    };
    pump(w, [&] { return of_a.calls > 0; });
    EXPECT_EQ(rc, EVL_EBUSY);
    EXPECT_TRUE(of_a.text == lent);
    EXPECT_TRUE(after == (records() ? "" : lent)) << after.size();
    EXPECT_EQ(of_b.calls, 0);
    EXPECT_EQ(evl_stream_abort(b.s), 0);
}

// What a callback puts back is the stream's, and what it looks at from then on.
TEST(StreamPush, PutBackInsideTheCallback) {
    World w;
    Link link(w, Kind::local);
    std::string first, second, third;
    std::function<void()> inside = [&] {
        first = peek(link.s);
        EXPECT_EQ(evl_stream_consume(link.s, 6), EVL_EINVAL) << "there are not so many";
        EXPECT_EQ(evl_stream_consume(link.s, 2), 0);
        second = peek(link.s);
        EXPECT_EQ(evl_stream_pause(link.s), 0);
        EXPECT_EQ(evl_stream_unread(link.s, "PUTBACK", 7), 0);
        third = peek(link.s);
        EXPECT_EQ(evl_stream_consume(link.s, 3), 0);
    };
    auto call = [](void *arg, int64_t) { (*static_cast<std::function<void()> *>(arg))(); };
    EXPECT_EQ(evl_stream_on_data(link.s, call, &inside), 0);
    link.say("hello");
    pump(w, [&] { return !first.empty(); });
    EXPECT_EQ(first, "hello");
    EXPECT_EQ(second, "llo");
    EXPECT_EQ(third, "PUTBACK");
    EXPECT_EQ(peek(link.s), "BACK") << "what was lent is taken";
    char rest[10];
    EXPECT_EQ(evl_stream_try_read(link.s, rest, sizeof rest), 4);
}

// Pulls records of streams until there are none; what each said.
std::vector<int> stream_records(evl_loop *loop) {
    std::vector<int> results;
    evl_record rows[8];
    for (int i = 0; i < 6; i++) {
        int32_t n = evl_loop_records(loop, rows, 8, 0);
        for (int32_t k = 0; k < n; k++)
            if (rows[k].kind == EVL_KIND_STREAM)
                results.push_back(rows[k].result);
    }
    return results;
}

using Results = std::vector<int>;

TEST(StreamPush, ARecordReportsWhatWasPutBackAlone) {
    World w;
    Link link(w, Kind::local);
    EXPECT_EQ(evl_stream_on_data(link.s, nullptr, nullptr), 0);
    link.say("0123456789");
    EXPECT_EQ(stream_records(w.loop), Results{10});
    EXPECT_EQ(evl_stream_unread(link.s, "xy", 2), 0);
    EXPECT_EQ(stream_records(w.loop), Results{2});
    EXPECT_EQ(peek(link.s), "xy0123456789");
}

// A record that was fetched before the stream was paused may not have been acted on.
TEST(StreamPush, AfterAPauseARecordReportsWhatIsUnread) {
    World w;
    Link link(w, Kind::local);
    EXPECT_EQ(evl_stream_on_data(link.s, nullptr, nullptr), 0);
    link.say("hello");
    EXPECT_EQ(stream_records(w.loop), Results{5});
    EXPECT_EQ(evl_stream_pause(link.s), 0);
    EXPECT_EQ(evl_stream_resume(link.s), 0);
    EXPECT_EQ(stream_records(w.loop), Results{5});
    EXPECT_EQ(evl_stream_resume(link.s), 0) << "it was not paused";
    EXPECT_EQ(stream_records(w.loop), Results{});
    EXPECT_EQ(evl_stream_pause(link.s), 0);
    EXPECT_EQ(evl_stream_consume(link.s, 3), 0);
    EXPECT_EQ(evl_stream_resume(link.s), 0);
    EXPECT_EQ(stream_records(w.loop), Results{2});
}

// Many streams that are ready in one batch: none of them allocates once they all have been.
TEST(StreamPush, Contract_16_ABatchOfRecordsAllocatesNothing) {
    World w;
    std::vector<std::unique_ptr<Link>> links;
    for (int i = 0; i < 150; i++) {
        links.push_back(std::make_unique<Link>(w, Kind::local));
        EXPECT_EQ(evl_stream_on_data(links.back()->s, nullptr, links.back()->s), 0);
    }
    auto round = [&] {
        evl_record rows[256];
        for (auto &link : links)
            link->say("ping");
        int32_t n = 0;
        while (n < 150) {
            int32_t more = evl_loop_records(w.loop, rows + n, 256 - n, -1);
            ASSERT_GT(more, 0);
            n += more;
        }
        for (int32_t i = 0; i < n; i++)
            EXPECT_EQ(evl_stream_consume(reinterpret_cast<evl_stream *>(rows[i].user_data), 4), 0);
    };
    round();
    uint64_t before = w.memory.calls();
    for (int i = 0; i < 5; i++)
        round();
    EXPECT_EQ(w.memory.calls(), before);
}

TEST(StreamPush, AMegabyteAndTheEndBehindIt) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushed p(w, link.s);
        std::string sent = pattern(1 << 20);
        size_t at = 0;
        pump(w, [&] {
            ssize_t n = at < sent.size() ? ::write(link.peer, sent.data() + at, sent.size() - at) : 0;
            at += n > 0 ? static_cast<size_t>(n) : 0;
            if (at == sent.size())
                link.peer.close();
            return !p.ends.empty();
        });
        EXPECT_TRUE(p.text == sent) << p.text.size();
        EXPECT_EQ(p.ends, Ends{0});
        EXPECT_EQ(info(link.s).bytes_in, sent.size());
    }
}

TEST(StreamPush, AnErrorOnce) {
    World w;
    Link link(w);
    Pushed p(w, link.s);
    linger reset = {1, 0};
    ::setsockopt(link.peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    link.peer.close();
    pump(w, [&] { return !p.ends.empty(); });
    passes(w);
    EXPECT_EQ(p.ends, Ends{EVL_ECONNRESET});
}

TEST(StreamPush, BytesInTheBufferAreFirst) {
    World w;
    Link link(w);
    Read r(w);
    link.say("line\nrest");
    EXPECT_EQ(r.line(link.s), 0);
    pump(w, [&] { return r.done(); });
    Pushed p(w, link.s);
    pump(w, [&] { return p.text == "rest"; });
    link.say("more");
    pump(w, [&] { return p.text == "restmore"; });
    EXPECT_EQ(evl_stream_unread(link.s, "again", 5), 0);
    pump(w, [&] { return p.text == "restmoreagain"; });
}

TEST(StreamPush, WhatWasLentEndsWithTheCallback) {
    World w;
    Link link(w);
    Pushed p(w, link.s);
    link.say("lent");
    pump(w, [&] { return p.text == "lent"; });
    EXPECT_EQ(peek(link.s), "");
    EXPECT_EQ(evl_stream_pause(link.s), 0);
    Wait op(w);
    EXPECT_EQ(evl_stream_read(link.s, op.op, nullptr, 10), 0);
    link.say("own");
    pump(w, [&] { return op.done(); });
    EXPECT_EQ(peek(link.s), "own");
}

TEST(StreamPush, WhatIsLentStaysWhileOthersEnd) {
    World w;
    Link link(w), other(w);
    other.say(std::string(5000, '#'));
    passes(w);
    std::string seen;
    Wait shut(w);
    Pushed p(w, link.s);
    p.then = [&] { seen = p.text; };
    EXPECT_EQ(evl_stream_pause(link.s), 0);
    EXPECT_EQ(evl_stream_on_data(link.s, World::done(), w.arg([&](int64_t n) {
                  const void *data = nullptr;
                  EXPECT_EQ(evl_stream_peek(link.s, &data), n);
                  EXPECT_EQ(evl_stream_shutdown(other.s, shut.op), 0);
                  seen.assign(static_cast<const char *>(data), static_cast<size_t>(n));
                  evl_close(link.s);
              })),
              0);
    link.say("mine");
    pump(w, [&] { return !seen.empty(); });
    EXPECT_EQ(seen, "mine");
    other.peer.close();
    pump(w, [&] { return shut.done(); });
}

TEST(StreamPush, PauseTakesBackWhatWasDue) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushed p(w, link.s);
        Pair first; // its watcher runs before the stream's callback, or after it
        link.say("late");
        bool paused = false;
        w.call([&] {
            paused = true;
            EXPECT_EQ(evl_stream_pause(link.s), 0);
            EXPECT_EQ(evl_stream_pause(link.s), 0) << "twice";
        });
        w.nowait();
        EXPECT_TRUE(paused);
        passes(w);
        std::string before = p.text;
        link.say("more");
        passes(w);
        EXPECT_EQ(p.text, before) << "nothing while it is paused";
        EXPECT_EQ(evl_loop_alive(w.loop), 0);
        EXPECT_EQ(evl_stream_resume(link.s), 0);
        EXPECT_EQ(evl_stream_resume(link.s), 0) << "twice";
        pump(w, [&] { return p.text == "latemore"; });
    }
}

TEST(StreamPush, OperationsMayReadWhileItIsPaused) {
    World w;
    Link link(w);
    Pushed p(w, link.s);
    Read r(w);
    EXPECT_EQ(r.some(link.s), EVL_EBUSY);
    EXPECT_EQ(evl_stream_pause(link.s), 0);
    EXPECT_EQ(r.line(link.s), 0);
    EXPECT_EQ(evl_stream_resume(link.s), EVL_EBUSY);
    link.say("for the op\nfor the push");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "for the op\n");
    EXPECT_EQ(evl_stream_resume(link.s), 0);
    pump(w, [&] { return p.text == "for the push"; });
}

TEST(StreamPush, ResumingNeedsOnData) {
    World w;
    Link link(w);
    EXPECT_EQ(evl_stream_resume(link.s), EVL_EINVAL);
    EXPECT_EQ(evl_stream_pause(link.s), 0);
    EXPECT_EQ(evl_stream_resume(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_pause(nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_on_data(nullptr, nullptr, nullptr), EVL_EINVAL);
}

TEST(StreamPush, PausedInItsCallback) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushed p(w, link.s);
        p.then = [&] { EXPECT_EQ(evl_stream_pause(link.s), 0); };
        link.say("a");
        pump(w, [&] { return p.text == "a"; });
        link.say("b");
        passes(w);
        EXPECT_EQ(p.text, "a");
        EXPECT_EQ(evl_stream_resume(link.s), 0);
        pump(w, [&] { return p.text == "ab"; });
    }
}

TEST(StreamPush, ClosedInItsCallback) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushed p(w, link.s);
        p.then = [&] { EXPECT_EQ(evl_close(link.s), 0); };
        link.say("a");
        pump(w, [&] { return p.calls == 1; });
        passes(w);
        EXPECT_EQ(p.calls, 1);
        EXPECT_TRUE(at_end(link.peer));
    }
}

TEST(StreamPush, ClosedAtTheEndInItsCallback) {
    World w;
    Link link(w);
    Pushed p(w, link.s);
    p.then = [&] {
        if (!p.ends.empty()) {
            EXPECT_EQ(evl_close(link.s), 0);
        }
    };
    link.say("a");
    link.peer.close();
    EXPECT_EQ(w.run(), EVL_RUN_DONE) << "nothing else keeps it going";
    EXPECT_EQ(p.text, "a");
    EXPECT_EQ(p.ends, Ends{0});
}

TEST(StreamPush, AClosedStreamPushesNothingThatWasDue) {
    World w;
    Link link(w);
    Pushed p(w, link.s);
    link.say("x");
    w.call([&] { evl_close(link.s); });
    w.nowait();
    int calls = p.calls;
    passes(w);
    EXPECT_EQ(p.calls, calls);
}

TEST(StreamPush, EchoInTheCallback) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Pushed p(w, link.s);
        size_t echoed = 0;
        p.then = [&] {
            std::string_view fresh = std::string_view(p.text).substr(echoed);
            EXPECT_EQ(write(link.s, fresh), static_cast<int64_t>(fresh.size()));
            echoed = p.text.size();
        };
        std::string back;
        for (int i = 0; i < 50; i++) {
            std::string message = std::to_string(i) + ";";
            link.say(message);
            pump(w, [&] { return (back += got(link.peer)).ends_with(message); });
        }
        EXPECT_EQ(back, p.text);
    }
}

TEST(StreamPush, RecordsWaitForRoom) {
    World w;
    Link link(w, Kind::local);
    int64_t told = 0;
    int calls = 0;
    if (!records())
        return; // a callback's bytes count as taken: see the other tests
    EXPECT_EQ(evl_stream_on_data(link.s, nullptr, w.arg([&](int64_t n) {
                  told += n;
                  calls++;
              })),
              0);
    size_t sent = 0;
    for (int i = 0; i < 40; i++) {
        ssize_t n = ::write(link.peer, std::string(8192, 'x').data(), 8192);
        sent += n > 0 ? static_cast<size_t>(n) : 0;
        w.nowait();
    }
    passes(w, 20);
    EXPECT_GE(told, 65536);
    EXPECT_LE(told, 65536 * 2);
    EXPECT_GE(static_cast<int64_t>(sent), told);
    EXPECT_EQ(static_cast<int64_t>(info(link.s).unread), told);
    int before = calls;
    passes(w);
    EXPECT_EQ(calls, before);
    EXPECT_EQ(evl_stream_consume(link.s, static_cast<size_t>(told)), 0);
    pump(w, [&] { return calls > before; });
    EXPECT_EQ(static_cast<int64_t>(info(link.s).unread) + 0, static_cast<int64_t>(peek(link.s).size()));
}

TEST(StreamPush, KeepsTheLoopAlive) {
    World w;
    Link link(w);
    EXPECT_EQ(evl_loop_alive(w.loop), 0) << "who does not read is not alive";
    Pushed p(w, link.s);
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    EXPECT_EQ(evl_keep_alive(link.s, 0), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    EXPECT_EQ(evl_keep_alive(link.s, 1), 0);
    EXPECT_EQ(evl_active(link.s), 1);
    EXPECT_EQ(evl_stream_pause(link.s), 0);
    EXPECT_EQ(evl_active(link.s), 0);
}

TEST(Contract_16, AnEchoOnAStreamAllocatesNothingWhenWarm) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        int count = 0;
        EXPECT_EQ(evl_stream_on_data(link.s, World::done(), w.arg([&](int64_t n) {
                      const void *data = nullptr;
                      int64_t have = evl_stream_peek(link.s, &data);
                      EXPECT_GE(have, n);
                      EXPECT_EQ(evl_stream_write(link.s, data, static_cast<size_t>(have)), have);
                      if (records()) {
                          EXPECT_EQ(evl_stream_consume(link.s, static_cast<size_t>(have)), 0);
                      }
                      count++;
                  })),
                  0);
        auto rounds = [&](int n) {
            for (int goal = count + n; count < goal;) {
                link.say("ping");
                int before = count;
                pump(w, [&] { return count > before; });
                got(link.peer);
            }
        };
        rounds(10);
        uint64_t before = w.memory.calls();
        rounds(100);
        EXPECT_EQ(w.memory.calls(), before);
        EXPECT_EQ(evl_stream_abort(link.s), 0);
    }
}

// What a callback puts back is for it when there is more: in front of that.
TEST(StreamPush, ACallbackThatPutsBackWaitsForMore) {
    for (Kind kind : kinds)
        for (bool two : {false, true}) {
            World w;
            Link link(w, kind);
            std::vector<std::string> calls, lines;
            std::string rest;
            struct Parser {
                evl_stream *s;
                bool two;
                std::vector<std::string> calls, lines;
                std::string at_end;
                int ends = 0;
                void take(int64_t n) {
                    std::string text = peek(s);
                    if (n <= 0) {
                        ends++;
                        at_end = text;
                        return;
                    }
                    calls.push_back(text);
                    for (size_t end; (end = text.find('\n')) != std::string::npos; text.erase(0, end + 1))
                        lines.push_back(text.substr(0, end));
                    size_t half = two ? text.size() / 2 : 0; // in two pieces, the last one first
                    EXPECT_EQ(evl_stream_unread(s, text.data() + half, text.size() - half), 0);
                    EXPECT_EQ(evl_stream_unread(s, text.data(), half), 0);
                    EXPECT_EQ(peek(s), text);
                }
            } parser{link.s, two, {}, {}, {}};
            EXPECT_EQ(evl_stream_on_data(
                          link.s, [](void *arg, int64_t n) { static_cast<Parser *>(arg)->take(n); }, &parser),
                      0);
            using Texts = std::vector<std::string>;
            link.say("hal");
            pump(w, [&] { return parser.calls.size() == 1; });
            passes(w, 20);
            EXPECT_EQ(parser.calls, Texts{"hal"});
            link.say("f");
            pump(w, [&] { return parser.calls.size() == 2; });
            link.say("\nnext\nlast");
            pump(w, [&] { return parser.calls.size() == 3; });
            passes(w, 20);
            EXPECT_EQ(parser.calls, (Texts{"hal", "half", "half\nnext\nlast"}));
            EXPECT_EQ(parser.lines, (Texts{"half", "next"}));
            EXPECT_EQ(evl_stream_pause(link.s), 0);
            EXPECT_EQ(evl_stream_resume(link.s), 0); // asks for what is there
            pump(w, [&] { return parser.calls.size() == 4; });
            EXPECT_EQ(parser.calls.back(), "last");
            EXPECT_EQ(evl_stream_unread(link.s, "at ", 3), 0) << "outside of the callback";
            pump(w, [&] { return parser.calls.size() == 5; });
            EXPECT_EQ(parser.calls.back(), "at last");
            link.peer.close();
            pump(w, [&] { return parser.ends > 0; });
            passes(w);
            EXPECT_EQ(parser.ends, 1);
            EXPECT_EQ(parser.calls.size(), 5u);
            EXPECT_EQ(parser.at_end, "at last") << "the end comes with what is left";
            EXPECT_EQ(peek(link.s), "at last");
        }
}

// After the end nothing is called any more: what is put back is for whoever looks.
TEST(StreamPush, PutBackAfterTheEnd) {
    World w;
    Link link(w, Kind::local);
    Pushed p(w, link.s);
    p.then = [&] {
        if (p.calls == 2) {
            EXPECT_EQ(evl_stream_unread(link.s, "zz", 2), 0);
        }
    };
    link.say("ab");
    pump(w, [&] { return p.calls == 1; });
    link.peer.close();
    pump(w, [&] { return p.calls == 2; });
    EXPECT_EQ(evl_stream_unread(link.s, "yy", 2), 0);
    passes(w);
    EXPECT_EQ(evl_stream_resume(link.s), 0);
    passes(w);
    EXPECT_EQ(p.calls, 2);
    EXPECT_EQ(p.ends, Ends{0});
    EXPECT_EQ(peek(link.s), "yyzz");
    EXPECT_EQ(p.start(), 0) << "once more from the beginning";
    pump(w, [&] { return p.calls == 4; });
    EXPECT_EQ(p.text, "abyyzz");
    EXPECT_EQ(p.ends, (Ends{0, 0}));
}

// The header of a protocol is read, and somebody else takes over behind it.
TEST(StreamPush, DetachedInItsCallbackWithWhatIsNotConsumed) {
    for (bool put_back : {false, true}) {
        World w;
        Link link(w, Kind::local);
        struct Upgrade {
            evl_stream *s;
            bool put_back;
            int fd = -1;
            std::string rest;
            void take(int64_t n) {
                char buf[16];
                size_t len = 99;
                EXPECT_EQ(n, 6);
                EXPECT_EQ(evl_stream_consume(s, 2), 0);
                if (put_back) {
                    EXPECT_EQ(evl_stream_unread(s, "body", 4), 0);
                }
                EXPECT_EQ(evl_stream_detach(s, buf, 3, &len), EVL_ENOBUFS);
                EXPECT_EQ(len, 4u);
                fd = evl_stream_detach(s, buf, sizeof buf, &len);
                rest.assign(buf, len);
            }
        } upgrade{link.s, put_back, -1, {}};
        EXPECT_EQ(evl_stream_on_data(
                      link.s, [](void *arg, int64_t n) { static_cast<Upgrade *>(arg)->take(n); }, &upgrade),
                  0);
        link.say("H\nbody");
        pump(w, [&] { return upgrade.fd >= 0; });
        Fd fd(upgrade.fd);
        EXPECT_EQ(upgrade.rest, "body");
    }
}

TEST(StreamPush, PausedAgainWhileItIsShutDown) {
    World w;
    Pair unused;
    int fds[2];
    ASSERT_EQ(::pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    Fd peer(fds[1]);
    evl_stream *s = nullptr;
    ASSERT_EQ(evl_stream_open(w.loop, fds[0], 0, &s), 0);
    Pushed p(w, s);
    Wait shut(w);
    p.then = [&] {
        EXPECT_EQ(evl_stream_pause(s), 0);
        EXPECT_EQ(evl_stream_shutdown(s, shut.op), 0);
        EXPECT_EQ(evl_stream_pause(s), 0);
    };
    put(peer, "x");
    peer.close();
    for (int i = 0; i < 100 && !shut.done(); i++)
        w.nowait();
    EXPECT_EQ(shut.result, 0);
}

} // namespace
