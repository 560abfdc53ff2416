// stream_read_test.cpp - reading by operations: what each completes with, and what stays.
#include "streams.hpp"

using namespace streams;

namespace {

evl_buf sep(const char *text) { return {text, std::strlen(text)}; }

const std::vector<evl_buf> newline = {sep("\n")}, crlf = {sep("\r\n")}, semicolon = {sep(";")},
                           comma = {sep(",")};

TEST(StreamRead, BadInput) {
    World w;
    Link link(w);
    Read r(w);
    char byte;
    evl_op raw{};
    EXPECT_EQ(evl_stream_read(nullptr, r.op, &byte, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_read(link.s, nullptr, &byte, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_read(link.s, &raw, &byte, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_read_line(link.s, r.op, &byte, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_read_all(link.s, r.op, &byte, 0), EVL_EINVAL);
    evl_buf empty{"", 0}, none{nullptr, 3}, good = sep("\n");
    EXPECT_EQ(evl_stream_read_until(link.s, r.op, &byte, 1, &empty, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_read_until(link.s, r.op, &byte, 1, &none, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_read_until(link.s, r.op, &byte, 1, &good, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_read_until(link.s, r.op, &byte, 1, nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_read_until(link.s, r.op, &byte, 0, &good, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_try_read(link.s, nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_peek(link.s, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_stream_consume(link.s, 1), EVL_EINVAL);
    EXPECT_EQ(evl_stream_unread(link.s, nullptr, 1), EVL_EINVAL);
    EXPECT_EQ(evl_op_active(r.op), 0);
    evl_timer *timer = w.timer([] {});
    EXPECT_EQ(evl_stream_read(timer, r.op, &byte, 1), EVL_EINVAL);
    evl_close(timer);
    evl_close(link.s);
}

TEST(StreamRead, OneAtATime) {
    World w;
    Link link(w);
    Read a(w), b(w);
    char byte;
    EXPECT_EQ(a.some(link.s), 0);
    EXPECT_EQ(b.some(link.s), EVL_EBUSY);
    EXPECT_EQ(a.some(link.s), EVL_EBUSY) << "active itself";
    EXPECT_EQ(evl_stream_try_read(link.s, &byte, 1), EVL_EBUSY);
    EXPECT_EQ(evl_stream_on_data(link.s, nullptr, nullptr), EVL_EBUSY);
    a.result = pending;
    link.say("x");
    pump(w, [&] { return a.done(); });
    EXPECT_EQ(a.text(), "x");
    EXPECT_EQ(b.some(link.s), 0) << "then the next";
}

TEST(StreamRead, SeparatorsAreCopied) {
    World w;
    Link link(w);
    Read r(w);
    uint64_t before = 0;
    for (int i = 0; i < 3; i++) {
        {
            std::string first = "\r\n", second = "\n";
            std::vector<evl_buf> both = {{first.data(), first.size()}, {second.data(), second.size()}};
            EXPECT_EQ(r.until(link.s, both), 0);
            first = second = "zz";
            both.assign(2, evl_buf{nullptr, 99});
        }
        link.say("abc\nrest\r\n");
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "abc\n");
        EXPECT_EQ(r.until(link.s, crlf), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "rest\r\n");
        if (i == 1)
            before = w.memory.calls();
    }
    EXPECT_EQ(w.memory.calls(), before);
}

TEST(StreamRead, AsSoonAsThereIsAnyAndAtMostTheCap) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w, 4);
        EXPECT_EQ(r.some(link.s), 0);
        passes(w);
        EXPECT_FALSE(r.done());
        link.say("abcdefg");
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "abcd");
        EXPECT_EQ(r.some(link.s), 0);
        EXPECT_FALSE(r.done()) << "never inside the call";
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "efg") << "without a new event";
        EXPECT_EQ(r.some(link.s), 0);
        passes(w);
        EXPECT_FALSE(r.done());
        link.say("h");
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "h");
    }
}

TEST(StreamRead, NothingAtTheEndOfFileAndAgain) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w);
        link.say("end");
        link.peer.close();
        EXPECT_EQ(r.some(link.s), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "end");
        for (int i = 0; i < 3; i++) {
            EXPECT_EQ(r.some(link.s), 0);
            pump(w, [&] { return r.done(); });
            EXPECT_EQ(r.result, 0);
        }
        EXPECT_EQ(info(link.s).eof, 1);
        char byte;
        EXPECT_EQ(evl_stream_try_read(link.s, &byte, 1), 0);
    }
}

// A read of nothing would return what the end of file returns.
TEST(StreamRead, RoomForNothingIsRefused) {
    World w;
    Link link(w);
    Read r(w);
    char byte;
    for (bool there : {false, true}) {
        if (there) {
            link.say("x");
            passes(w);
        }
        EXPECT_EQ(evl_stream_read(link.s, r.op, nullptr, 0), EVL_EINVAL);
        EXPECT_EQ(evl_stream_read(link.s, r.op, &byte, 0), EVL_EINVAL);
        EXPECT_EQ(evl_op_active(r.op), 0);
        EXPECT_EQ(evl_stream_try_read(link.s, &byte, 0), EVL_EINVAL);
        EXPECT_EQ(evl_stream_try_read(link.s, nullptr, 0), EVL_EINVAL);
        EXPECT_EQ(evl_stream_try_read(link.s, nullptr, 1), EVL_EINVAL);
    }
}

TEST(StreamRead, ExactlyZeroBytesAtOnce) {
    World w;
    Link link(w);
    Read r(w);
    EXPECT_EQ(r.exactly(link.s, 0), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, 0);
    EXPECT_EQ(info(link.s).eof, 0) << "which is not the end";
}

TEST(StreamRead, ExactlyGathersInTheStream) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w);
        EXPECT_EQ(r.exactly(link.s, 6), 0);
        for (const char *part : {"a", "bc", "de"}) {
            link.say(part);
            passes(w);
            EXPECT_FALSE(r.done());
        }
        EXPECT_EQ(r.buf, std::string(100, '\0')) << "nothing of it in the caller's buffer yet";
        link.say("fgh");
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "abcdef");
        EXPECT_EQ(peek(link.s), "gh");
        EXPECT_EQ(r.exactly(link.s, 3), 0);
        link.peer.close();
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.result, EVL_EEOF);
        EXPECT_EQ(peek(link.s), "gh") << "what came stays";
        EXPECT_EQ(r.exactly(link.s, 2), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "gh");
        EXPECT_EQ(r.exactly(link.s, 1), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.result, EVL_EEOF);
    }
}

TEST(StreamRead, ExactlyAMegabyte) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        std::string sent = pattern(1 << 20);
        Read r(w, sent.size());
        EXPECT_EQ(r.exactly(link.s, sent.size()), 0);
        size_t at = 0;
        pump(w, [&] {
            ssize_t n = at < sent.size() ? ::write(link.peer, sent.data() + at, sent.size() - at) : 0;
            at += n > 0 ? static_cast<size_t>(n) : 0;
            return r.done();
        });
        EXPECT_EQ(r.result, static_cast<int64_t>(sent.size()));
        EXPECT_TRUE(r.buf == sent);
    }
}

TEST(StreamRead, UntilTheFirstSeparatorAlsoSplit) {
    World w;
    Link link(w);
    Read r(w);
    link.say("one\r\ntwo\r\nthree\r");
    for (const char *expected : {"one\r\n", "two\r\n"}) {
        EXPECT_EQ(r.until(link.s, crlf), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), expected);
    }
    EXPECT_EQ(r.until(link.s, crlf), 0);
    passes(w);
    EXPECT_FALSE(r.done());
    link.say("\nrest");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "three\r\n");
    EXPECT_EQ(peek(link.s), "rest");
}

TEST(StreamRead, UntilEveryCutOfTheSeparator) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w);
        std::string text = "aab-ab-abcab-abcd!";
        std::vector<evl_buf> separators = {sep("ab-abcd")};
        for (size_t cut = 1; cut < text.size(); cut++) {
            EXPECT_EQ(r.until(link.s, separators), 0);
            link.say(text.substr(0, cut));
            passes(w, 2);
            link.say(text.substr(cut));
            pump(w, [&] { return r.done(); });
            EXPECT_EQ(r.text(), "aab-ab-abcab-abcd") << cut;
            EXPECT_EQ(r.exactly(link.s, 1), 0);
            pump(w, [&] { return r.done(); });
            EXPECT_EQ(r.text(), "!");
        }
    }
}

TEST(StreamRead, UntilOneOfSeveralTheOneThatEndsFirst) {
    World w;
    Link link(w);
    Read r(w);
    std::vector<evl_buf> separators = {sep("END OF ALL"), sep(";"), sep("\n"), sep("OF")};
    for (auto [text, expected] : {std::pair{"a;b\n", "a;"},
                                  {"", "b\n"},
                                  {"END OF ALL", "END OF"},
                                  {";", " ALL;"},
                                  {"x\n;", "x\n"},
                                  {"", ";"}}) {
        link.say(text);
        EXPECT_EQ(r.until(link.s, separators), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), expected);
    }
}

TEST(StreamRead, UntilBeyondTheCapStays) {
    World w;
    Link link(w);
    Read r(w, 4);
    link.say("abcdefgh\n");
    EXPECT_EQ(r.until(link.s, newline), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EMSGSIZE);
    EXPECT_EQ(peek(link.s), "abcdefgh\n");
    EXPECT_EQ(r.until(link.s, newline), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EMSGSIZE) << "and again";
    EXPECT_EQ(evl_stream_consume(link.s, 5), 0);
    EXPECT_EQ(r.until(link.s, newline), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "fgh\n") << "just as many as fit";
}

TEST(StreamRead, UntilWithoutASeparatorYetAndTheCapReached) {
    World w;
    Link link(w);
    Read r(w, 4);
    EXPECT_EQ(r.line(link.s), 0);
    link.say("abc");
    passes(w);
    EXPECT_FALSE(r.done());
    link.say("d");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EMSGSIZE) << "a line of four has three and its end";
    EXPECT_EQ(peek(link.s), "abcd");
}

TEST(StreamRead, UntilTheEndOfFileStays) {
    World w;
    Link link(w);
    Read r(w);
    link.say("no end");
    link.peer.close();
    EXPECT_EQ(r.until(link.s, newline), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EEOF);
    EXPECT_EQ(peek(link.s), "no end");
}

TEST(StreamRead, ThePreviousSearchIsNotTheNextOnes) {
    World w;
    Link link(w);
    Read r(w);
    link.say("a;b,c");
    EXPECT_EQ(r.until(link.s, newline), 0);
    passes(w);
    EXPECT_EQ(evl_op_cancel(r.op), 1);
    passes(w);
    EXPECT_EQ(r.result, EVL_ECANCELED);
    EXPECT_EQ(r.until(link.s, semicolon), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "a;");
    EXPECT_EQ(r.until(link.s, comma), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "b,");
}

TEST(StreamRead, LinesAndWhatIsLeftAtTheEnd) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w);
        link.say("one\n\ntwo\nlast");
        link.peer.close();
        for (const char *expected : {"one\n", "\n", "two\n", "last", "", ""}) {
            EXPECT_EQ(r.line(link.s), 0);
            pump(w, [&] { return r.done(); });
            EXPECT_EQ(r.text(), expected);
            EXPECT_GE(r.result, 0);
        }
    }
}

TEST(StreamRead, AllOfIt) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        std::string sent = pattern(300000);
        Read r(w, sent.size());
        EXPECT_EQ(r.all(link.s), 0);
        size_t at = 0;
        pump(w, [&] {
            ssize_t n = at < sent.size() ? ::write(link.peer, sent.data() + at, sent.size() - at) : 0;
            at += n > 0 ? static_cast<size_t>(n) : 0;
            if (at == sent.size())
                link.peer.close();
            return r.done();
        });
        EXPECT_EQ(r.result, static_cast<int64_t>(sent.size()));
        EXPECT_TRUE(r.buf == sent);
    }
}

TEST(StreamRead, AllOfNothingAndTooMuch) {
    World w;
    Link none(w), much(w);
    Read r(w, 4);
    none.peer.close();
    EXPECT_EQ(r.all(none.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, 0);
    much.say("abcde");
    EXPECT_EQ(r.all(much.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EMSGSIZE) << "without waiting for the end";
    EXPECT_EQ(peek(much.s), "abcde");
}

TEST(StreamRead, WithoutABufferItStaysInTheStreams) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Wait op(w);
        link.say("line\nrest");
        EXPECT_EQ(evl_stream_read_line(link.s, op.op, nullptr, 100), 0);
        pump(w, [&] { return op.done(); });
        EXPECT_EQ(op.result, 5);
        EXPECT_EQ(peek(link.s).substr(0, 5), "line\n");
        EXPECT_EQ(evl_stream_consume(link.s, 5), 0);
        EXPECT_EQ(peek(link.s), "rest");
        op.result = pending;
        EXPECT_EQ(evl_stream_read(link.s, op.op, nullptr, 2), 0);
        pump(w, [&] { return op.done(); });
        EXPECT_EQ(op.result, 2);
        EXPECT_EQ(evl_stream_consume(link.s, 5), EVL_EINVAL);
        EXPECT_EQ(evl_stream_consume(link.s, 4), 0);
        EXPECT_EQ(peek(link.s), "");
        op.result = pending;
        EXPECT_EQ(evl_stream_read_exactly(link.s, op.op, nullptr, 3), 0);
        link.say("xyz!");
        pump(w, [&] { return op.done(); });
        EXPECT_EQ(op.result, 3);
        EXPECT_EQ(info(link.s).unread, 4u);
    }
}

TEST(StreamRead, WithoutABufferAtTheEnd) {
    World w;
    Link link(w);
    Wait op(w);
    link.peer.close();
    EXPECT_EQ(evl_stream_read(link.s, op.op, nullptr, 10), 0);
    pump(w, [&] { return op.done(); });
    EXPECT_EQ(op.result, 0);
}

TEST(StreamRead, TryRead) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        char buf[16];
        EXPECT_EQ(evl_stream_try_read(link.s, buf, sizeof buf), EVL_EAGAIN);
        link.say("hello");
        EXPECT_EQ(evl_stream_try_read(link.s, buf, 2), 2) << "no pass is needed";
        EXPECT_EQ(std::string(buf, 2), "he");
        EXPECT_EQ(evl_stream_unread(link.s, "HE", 2), 0);
        EXPECT_EQ(evl_stream_try_read(link.s, buf, sizeof buf), 2) << "the buffer's first";
        EXPECT_EQ(evl_stream_try_read(link.s, buf, sizeof buf), 3);
        EXPECT_EQ(std::string(buf, 3), "llo");
        Read r(w);
        EXPECT_EQ(r.some(link.s), 0);
        link.say("more");
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "more") << "an operation after it";
        link.peer.close();
        while (evl_stream_try_read(link.s, buf, sizeof buf) == EVL_EAGAIN)
            ;
        EXPECT_EQ(evl_stream_try_read(link.s, buf, sizeof buf), 0);
    }
}

TEST(StreamRead, Unread) {
    World w;
    Link link(w);
    Read r(w);
    EXPECT_EQ(evl_stream_unread(link.s, "b", 1), 0);
    EXPECT_EQ(evl_stream_unread(link.s, "a", 1), 0);
    EXPECT_EQ(evl_stream_unread(link.s, "", 0), 0);
    EXPECT_EQ(peek(link.s), "ab");
    link.say("c");
    EXPECT_EQ(r.exactly(link.s, 3), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "abc");
    std::string much = pattern(100000);
    EXPECT_EQ(evl_stream_unread(link.s, much.data(), much.size()), 0);
    Read big(w, much.size());
    EXPECT_EQ(big.exactly(link.s, much.size()), 0);
    pump(w, [&] { return big.done(); });
    EXPECT_TRUE(big.buf == much);
    EXPECT_EQ(r.some(link.s), 0);
    EXPECT_EQ(evl_stream_unread(link.s, "for who waits", 13), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "for who waits");
}

TEST(StreamRead, TheOtherEndResets) {
    World w;
    Link link(w);
    Read r(w);
    EXPECT_EQ(r.some(link.s), 0);
    linger reset = {1, 0};
    ::setsockopt(link.peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    link.peer.close();
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_ECONNRESET);
    EXPECT_EQ(r.exactly(link.s, 4), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_ECONNRESET) << "and stays";
    char byte;
    EXPECT_EQ(evl_stream_try_read(link.s, &byte, 1), EVL_ECONNRESET);
    EXPECT_EQ(info(link.s).error, EVL_ECONNRESET);
}

TEST(StreamRead, WhatCameBeforeTheResetIsStillThere) {
    World w;
    Link link(w);
    Read r(w);
    link.say("line\nhalf");
    EXPECT_EQ(r.line(link.s), 0);
    pump(w, [&] { return r.done(); });
    linger reset = {1, 0};
    ::setsockopt(link.peer, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    link.peer.close();
    EXPECT_EQ(r.line(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_ECONNRESET);
    EXPECT_EQ(r.some(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "half");
}

TEST(StreamRead, NotOpenForIt) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.w);
    Read r(w);
    char byte;
    EXPECT_EQ(r.some(s), EVL_EBADF);
    EXPECT_EQ(r.line(s), EVL_EBADF);
    EXPECT_EQ(evl_stream_try_read(s, &byte, 1), EVL_EBADF);
    EXPECT_EQ(evl_stream_on_data(s, nullptr, nullptr), EVL_EBADF);
}

// --- cancelling, closing and deadlines ------------------------------------------------------------------

TEST(Contract_05, ACancelledReadHasTakenNothing) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w), next(w);
        EXPECT_EQ(r.some(link.s), 0);
        passes(w);
        EXPECT_EQ(evl_op_cancel(r.op), 1) << "pending";
        EXPECT_FALSE(r.done());
        EXPECT_EQ(evl_op_cancel(r.op), 0) << "too late";
        passes(w);
        EXPECT_EQ(r.result, EVL_ECANCELED);
        EXPECT_EQ(evl_op_cancel(r.op), EVL_EALREADY);
        EXPECT_EQ(r.some(link.s), 0);
        link.say("kept");
        int64_t answer = pending;
        w.call([&] { answer = evl_op_cancel(r.op); });
        passes(w);
        if (answer == 1) {
            EXPECT_EQ(r.result, EVL_ECANCELED);
            EXPECT_EQ(next.exactly(link.s, 4), 0);
            pump(w, [&] { return next.done(); });
            EXPECT_EQ(next.text(), "kept");
        }
    }
}

TEST(Contract_05, AReadThatIsReadyAndCancelledHasTakenNothing) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w), next(w);
        link.say("kept");
        passes(w); // the event has come
        EXPECT_EQ(r.some(link.s), 0);
        EXPECT_EQ(evl_op_cancel(r.op), 1) << "ready to try";
        passes(w);
        EXPECT_EQ(r.result, EVL_ECANCELED);
        EXPECT_EQ(r.some(link.s), 0);
        EXPECT_EQ(evl_op_close(r.op), 0);
        passes(w);
        EXPECT_EQ(r.result, pending) << "in silence";
        EXPECT_EQ(r.exactly(link.s, 100), 0);
        passes(w); // the four bytes have been gathered
        EXPECT_EQ(evl_op_cancel(r.op), 1);
        passes(w);
        EXPECT_EQ(r.result, EVL_ECANCELED);
        EXPECT_EQ(next.some(link.s), 0);
        pump(w, [&] { return next.done(); });
        EXPECT_EQ(next.text(), "kept");
    }
}

TEST(Contract_05, AnEarlierCallbackOfThePassCancelsTheRead) {
    World w;
    Link link(w, Kind::local);
    Pair other;
    Read r(w);
    evl_io *io = w.io(other.a, EVL_READ, [&] { EXPECT_EQ(evl_op_cancel(r.op), 1); });
    EXPECT_EQ(r.some(link.s), 0);
    passes(w);
    other.b.put();
    link.say("kept");
    w.nowait();
    evl_close(io);
    passes(w);
    if (r.result == EVL_ECANCELED) {
        EXPECT_EQ(r.some(link.s), 0);
        passes(w);
    }
    EXPECT_EQ(r.text(), "kept");
}

TEST(StreamRead, Deadline) {
    World w;
    Link link(w);
    Read r(w);
    EXPECT_EQ(r.exactly(link.s, 5), 0);
    EXPECT_EQ(evl_op_deadline(r.op, evl_time(w.loop) + sec), 0);
    link.say("abc");
    while (!r.done())
        w.once();
    EXPECT_EQ(r.result, EVL_ETIMEDOUT);
    EXPECT_EQ(peek(link.s), "abc");
    EXPECT_EQ(r.exactly(link.s, 5), 0);
    EXPECT_EQ(evl_op_deadline(r.op, evl_time(w.loop) + sec), 0) << "about to be tried";
    while (!r.done())
        w.once();
    EXPECT_EQ(r.result, EVL_ETIMEDOUT);
    EXPECT_EQ(r.exactly(link.s, 5), 0);
    EXPECT_EQ(evl_op_deadline(r.op, evl_time(w.loop) + 60 * sec), 0);
    link.say("de");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "abcde");
    EXPECT_EQ(evl_op_deadline(r.op, 0), EVL_EALREADY);
}

// A peer that always has more to send does not keep a deadline from passing, whether each attempt finds more
// than one pass reads or less than the read waits for.
TEST(StreamRead, ADeadlineWhileThereIsAlwaysMore) {
    for (size_t piece : {size_t{1}, size_t{20'000}}) {
        World w({.clock = EVL_CLOCK_MANUAL});
        Link link(w, Kind::local);
        Read r(w, 10'000'000);
        EXPECT_EQ(r.exactly(link.s, 10'000'000), 0);
        EXPECT_EQ(evl_op_deadline(r.op, evl_time(w.loop) + 50 * ms), 0);
        for (int i = 0; i < 3; i++) {
            link.say(std::string(piece, 'x'));
            w.nowait();
        }
        EXPECT_FALSE(r.done());
        EXPECT_EQ(evl_clock_advance(w.loop, 50 * ms), 0);
        for (int i = 0; i < 3 && !r.done(); i++) {
            link.say(std::string(piece, 'x'));
            w.nowait();
        }
        EXPECT_EQ(r.result, EVL_ETIMEDOUT);
        EXPECT_FALSE(peek(link.s).empty()) << "what has been read stays in the stream";
    }
}

TEST(StreamRead, ClosedWhileItWaits) {
    World w;
    Link link(w);
    Read r(w);
    EXPECT_EQ(r.some(link.s), 0);
    EXPECT_EQ(evl_close(link.s), 0);
    EXPECT_FALSE(r.done());
    passes(w);
    EXPECT_EQ(r.result, EVL_ECLOSED);
    EXPECT_EQ(evl_loop_alive(w.loop), 0) << "nothing was written, and so nothing lingers";
}

TEST(StreamRead, ClosedWhileItIsReady) {
    World w;
    Link link(w);
    Read r(w);
    link.say("x");
    passes(w);
    EXPECT_EQ(r.some(link.s), 0);
    EXPECT_EQ(evl_close(link.s), 0);
    passes(w);
    EXPECT_EQ(r.result, EVL_ECLOSED);
}

TEST(StreamRead, SyncAnswersAtOnceAndNotForEver) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        link.say(std::string(200, 'x'));
        Read r(w, 1, EVL_OP_SYNC);
        EXPECT_EQ(r.some(link.s), 0) << "nobody knows yet";
        pump(w, [&] { return r.done(); });
        int at_once = 0;
        while (r.some(link.s) == 1) {
            EXPECT_EQ(r.text(), "x");
            EXPECT_EQ(evl_op_active(r.op), 0);
            at_once++;
        }
        EXPECT_EQ(at_once, 64) << "then it waits a pass";
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "x");
        EXPECT_EQ(r.some(link.s), 1) << "a new pass";
        char rest[200];
        EXPECT_EQ(evl_stream_try_read(link.s, rest, sizeof rest), 200 - 67);
        EXPECT_EQ(r.some(link.s), 0);
        passes(w);
        EXPECT_FALSE(r.done());
    }
}

TEST(StreamRead, AsAFuture) {
    World w;
    Link link(w);
    char buf[16] = {};
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(w.loop, &future), 0);
    evl_op *op = evl_future_op(future);
    ASSERT_NE(op, nullptr);
    EXPECT_EQ(evl_stream_read_line(link.s, op, buf, sizeof buf), 0);
    passes(w);
    link.say("lin");
    passes(w);
    EXPECT_EQ(evl_future_state(future), EVL_FUTURE_PENDING);
    link.say("e\n");
    pump(w, [&] { return evl_future_state(future) != EVL_FUTURE_PENDING; });
    int64_t value = 0;
    EXPECT_EQ(evl_future_value(future, &value), 0);
    EXPECT_EQ(value, 5);
    EXPECT_STREQ(buf, "line\n");
    evl_future_unref(future);
}

TEST(StreamRead, ACancelledFutureHasTakenNothing) {
    World w;
    Link link(w);
    char buf[16] = {};
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(w.loop, &future), 0);
    link.say("kept");
    passes(w);
    EXPECT_EQ(evl_stream_read(link.s, evl_future_op(future), buf, sizeof buf), 0);
    EXPECT_EQ(evl_future_cancel(future), 1);
    passes(w);
    evl_future_unref(future);
    Read r(w);
    EXPECT_EQ(r.some(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "kept");
}

TEST(StreamRead, TheNextIsStartedInItsCallback) {
    World w;
    Link link(w);
    std::string all;
    char byte;
    evl_op *op = nullptr;
    op = w.op([&](int64_t n) {
        ASSERT_EQ(n, 1);
        all += byte;
        EXPECT_EQ(evl_stream_read(link.s, op, &byte, 1), 0);
    });
    EXPECT_EQ(evl_stream_read(link.s, op, &byte, 1), 0);
    link.say("one after another");
    pump(w, [&] { return all.size() == 17; });
    EXPECT_EQ(all, "one after another");
    EXPECT_EQ(evl_op_close(op), 0);
}

TEST(StreamRead, ClosedInItsCallback) {
    World w;
    Link link(w);
    char byte;
    int calls = 0;
    evl_op *op = w.op([&](int64_t) {
        calls++;
        EXPECT_EQ(evl_close(link.s), 0);
    });
    EXPECT_EQ(evl_stream_read(link.s, op, &byte, 1), 0);
    link.say("xy");
    pump(w, [&] { return calls == 1; });
    passes(w);
    EXPECT_EQ(calls, 1);
    EXPECT_TRUE(at_end(link.peer));
}

TEST(Contract_16, ReadingLinesAllocatesNothingWhenWarm) {
    for (Kind kind : kinds) {
        World w;
        Link link(w, kind);
        Read r(w, 65536);
        int lines = 0;
        evl_op *op = nullptr;
        op = w.op([&](int64_t n) {
            EXPECT_EQ(n, 700);
            lines++;
            EXPECT_EQ(evl_stream_read_line(link.s, op, r.buf.data(), r.buf.size()), 0);
        });
        EXPECT_EQ(evl_stream_read_line(link.s, op, r.buf.data(), r.buf.size()), 0);
        std::string some;
        for (int i = 0; i < 30; i++)
            some += std::string(699, static_cast<char>('a' + i % 26)) + "\n";
        auto round = [&](size_t cut) {
            int goal = lines + 30;
            link.say(some.substr(0, cut));
            passes(w, 3);
            link.say(some.substr(cut));
            pump(w, [&] { return lines == goal; });
        };
        for (int i = 0; i < 3; i++)
            round(10000);
        uint64_t before = w.memory.calls();
        for (size_t i = 0; i < 30; i++)
            round(1 + i * 700 - i);
        EXPECT_EQ(w.memory.calls(), before);
        EXPECT_EQ(evl_op_close(op), 0);
    }
}

} // namespace
