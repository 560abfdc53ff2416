// asyncio_stream_test.cpp - behaviours 112 to 139 of asyncio's transports and streams.
#include "streams.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>

using namespace streams;

namespace {

std::string fill(evl_stream *s, size_t size = 3000000) {
    std::string text = pattern(size);
    EXPECT_EQ(write(s, text), static_cast<int64_t>(size));
    return text;
}

void reset(Fd &fd) {
    linger now = {1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    fd.close();
}

TEST(Asyncio, Asyncio_114_OneReadForAnEvent) {
    World w;
    Sys sys;
    Link link(w, Kind::local), other(w, Kind::local);
    link.say(std::string(30000, 'x'));
    Read r(w, 1000);
    EXPECT_EQ(r.some(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(sys.calls(Call::recv), 1u);
    evl_stream_abort(link.s);
    evl_stream_abort(other.s);
}

TEST(Asyncio, Asyncio_115_WriteSendsNowAndQueuesTheRest) {
    World w;
    Link link(w);
    EXPECT_EQ(write(link.s, ""), 0);
    EXPECT_EQ(write(link.s, "now"), 3);
    EXPECT_EQ(got(link.peer), "now");
    fill(link.s);
    EXPECT_GT(evl_stream_queued(link.s), 0);
    EXPECT_EQ(evl_stream_write_eof(link.s), 0);
    EXPECT_EQ(write(link.s, "x"), EVL_EPIPE);
    evl_stream_abort(link.s);
}

TEST(Asyncio, Asyncio_116_PiecesAreSentAsOne) {
    World w;
    Sys sys;
    Link link(w);
    evl_buf bufs[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    EXPECT_EQ(evl_stream_writev(link.s, bufs, 3), 3);
    EXPECT_EQ(sys.calls(Call::sendmsg), 1u);
    EXPECT_EQ(got(link.peer), "abc");
    evl_stream_abort(link.s);
}

TEST(Asyncio, Asyncio_117_Watermarks) {
    World w;
    Link link(w);
    Wait above(w);
    EXPECT_EQ(evl_stream_set_marks(link.s, 10, 11, 0), EVL_EINVAL);
    fill(link.s);
    EXPECT_EQ(evl_stream_drain(link.s, above.op), 0);
    passes(w);
    EXPECT_FALSE(above.done());
    EXPECT_EQ(evl_stream_set_marks(link.s, 1U << 30, EVL_AUTO, 0), 0);
    passes(w);
    EXPECT_EQ(above.result, 0);
    evl_stream_abort(link.s);
}

TEST(Asyncio, Asyncio_118_WritingPiecesObeysTheMarks) {
    World w;
    Link link(w);
    Wait drain(w);
    std::string much(200000, 'x');
    std::vector<evl_buf> bufs(20, {much.data(), much.size()});
    bufs.push_back({"", 0});
    EXPECT_EQ(evl_stream_writev(link.s, bufs.data(), 21), 4000000);
    EXPECT_EQ(evl_stream_drain(link.s, drain.op), 0);
    passes(w);
    EXPECT_FALSE(drain.done());
    EXPECT_EQ(evl_close(link.s), 0);
    size_t seen = 0;
    pump(w, [&] { return (seen += got(link.peer).size()) == 4000000; });
    link.peer.close();
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(Asyncio, Asyncio_119_CloseFlushesAndAbortDiscards) {
    World w;
    Link closed(w), aborted(w);
    std::string text = fill(closed.s), back;
    fill(aborted.s);
    EXPECT_EQ(evl_close(closed.s), 0);
    EXPECT_EQ(evl_stream_abort(aborted.s), 0);
    pump(w, [&] { return (back += got(closed.peer)).size() == text.size(); });
    EXPECT_TRUE(back == text);
    EXPECT_LT(got(aborted.peer).size(), text.size());
    closed.peer.close();
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(Asyncio, Asyncio_120_AfterTheEndOneMayStillWrite) {
    World w;
    Link link(w);
    Read r(w);
    ::shutdown(link.peer, SHUT_WR);
    EXPECT_EQ(r.some(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, 0);
    EXPECT_EQ(write(link.s, "answer"), 6);
    EXPECT_EQ(got(link.peer), "answer");
}

TEST(Asyncio, Asyncio_121_TheEndIsBehindWhatIsQueued) {
    World w;
    Link link(w);
    std::string text = fill(link.s), back;
    EXPECT_EQ(evl_stream_write_eof(link.s), 0);
    pump(w, [&] { return (back += got(link.peer)).size() == text.size() && at_end(link.peer); });
    EXPECT_TRUE(back == text);
    evl_stream_abort(link.s);
}

TEST(Asyncio, Asyncio_122_ABrokenConnectionIsNoBug) {
    World w;
    Link link(w);
    Read r(w);
    reset(link.peer);
    EXPECT_EQ(r.some(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_ECONNRESET);
    EXPECT_EQ(evl_loop_error(w.loop), 0) << "nobody else is told";
}

TEST(Asyncio, Asyncio_123_PausingTwice) {
    World w;
    Link link(w);
    int64_t seen = 0;
    EXPECT_EQ(evl_stream_on_data(link.s, World::done(), w.arg([&](int64_t n) { seen += n; })), 0);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(evl_stream_pause(link.s), 0);
    link.say("x");
    passes(w);
    EXPECT_EQ(seen, 0);
    for (int i = 0; i < 2; i++)
        EXPECT_EQ(evl_stream_resume(link.s), 0);
    pump(w, [&] { return seen == 1; });
}

TEST(Asyncio, Asyncio_124_IntoTheCallersBuffer) {
    World w;
    Link link(w);
    Read r(w, 4);
    link.say("abc");
    EXPECT_EQ(r.some(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.buf.substr(0, 3), "abc");
}

TEST(Asyncio, Asyncio_126_APipeWithoutReader) {
    World w;
    Pipe pipe;
    evl_stream *s = open(w, pipe.w);
    Wait flush(w);
    fill(s);
    EXPECT_EQ(evl_stream_flush(s, flush.op), 0);
    pipe.r.close();
    pump(w, [&] { return flush.done(); });
    EXPECT_EQ(flush.result, EVL_EPIPE);
}

TEST(Asyncio, Asyncio_128_OneReadAtATime) {
    World w;
    Link link(w);
    Read a(w), b(w);
    EXPECT_EQ(a.some(link.s), 0);
    EXPECT_EQ(b.some(link.s), EVL_EBUSY);
}

TEST(Asyncio, Asyncio_130_AsSoonAsThereIsAny) {
    World w;
    Link link(w);
    Read r(w);
    EXPECT_EQ(r.some(link.s), 0);
    link.say("x");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, 1);
    EXPECT_EQ(r.exactly(link.s, 0), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, 0);
}

TEST(Asyncio, Asyncio_131_TooFewLeaveWhatCame) {
    World w;
    Link link(w);
    Read r(w);
    link.say("abc");
    link.peer.close();
    EXPECT_EQ(r.exactly(link.s, 5), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EEOF);
    EXPECT_EQ(peek(link.s), "abc");
}

TEST(Asyncio, Asyncio_132_TheSeparatorThatEndsFirst) {
    World w;
    Link link(w);
    Read r(w, 8);
    std::vector<evl_buf> separators = {{"\r\n", 2}, {";", 1}};
    link.say("a;b\r\ntoo long for it");
    link.peer.close();
    for (const char *expected : {"a;", "b\r\n"}) {
        EXPECT_EQ(r.until(link.s, separators), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), expected);
    }
    EXPECT_EQ(r.until(link.s, separators), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EMSGSIZE);
    EXPECT_EQ(peek(link.s).substr(0, 8), "too long");
}

TEST(Asyncio, Asyncio_133_TheLastLineMayHaveNoEnd) {
    World w;
    Link link(w);
    Read r(w);
    link.say("one\nlast");
    link.peer.close();
    for (const char *expected : {"one\n", "last", ""}) {
        EXPECT_EQ(r.line(link.s), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), expected);
    }
}

TEST(Asyncio, Asyncio_134_BytesBeforeTheErrorAreReadFirst) {
    World w;
    Link link(w);
    Read r(w);
    EXPECT_EQ(r.exactly(link.s, 10), 0);
    link.say("half");
    pump(w, [&] { return info(link.s).unread == 4; });
    reset(link.peer);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_ECONNRESET);
    EXPECT_EQ(r.some(link.s), 0);
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.text(), "half");
}

TEST(Asyncio, Asyncio_135_CancellingAReadLosesNothing) {
    World w;
    Link link(w);
    Read r(w);
    link.say("kept");
    EXPECT_EQ(r.exactly(link.s, 9), 0);
    pump(w, [&] { return info(link.s).unread == 4; });
    EXPECT_EQ(evl_op_cancel(r.op), 1);
    passes(w);
    EXPECT_EQ(peek(link.s), "kept");
}

TEST(Asyncio, Asyncio_136_ALostConnectionWakesAllWhoWait) {
    World w;
    Link link(w);
    Wait a(w), b(w);
    Read r(w);
    fill(link.s);
    EXPECT_EQ(evl_stream_drain(link.s, a.op), 0);
    EXPECT_EQ(evl_stream_drain(link.s, b.op), 0);
    EXPECT_EQ(r.some(link.s), 0);
    reset(link.peer);
    pump(w, [&] { return a.done() && b.done() && r.done(); });
    EXPECT_LT(a.result, 0);
    EXPECT_EQ(b.result, a.result);
}

TEST(Asyncio, Asyncio_137_TheReaderToo) {
    World w;
    Link link(w);
    Read r(w);
    EXPECT_EQ(r.some(link.s), 0);
    link.peer.close();
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, 0);
}

TEST(Asyncio, Asyncio_138_TheEndCanBeAwaited) {
    World w;
    Link link(w);
    Wait shut(w);
    EXPECT_EQ(evl_stream_shutdown(link.s, shut.op), 0);
    passes(w);
    EXPECT_FALSE(shut.done());
    reset(link.peer);
    pump(w, [&] { return shut.done(); });
    EXPECT_EQ(shut.result, EVL_ECONNRESET);
}

} // namespace
