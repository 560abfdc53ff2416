// stream_file_test.cpp - files sent in their place in the queue, and streams over a transport of the test's.
#include "streams.hpp"

using namespace streams;

namespace {

Fd file_of(const std::string &text) {
    Fd file = regular_file();
    EXPECT_EQ(::pwrite(file, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    return file;
}

std::string slurp(World &w, const Fd &fd, size_t n) {
    std::string all;
    pump(w, [&] { return (all += got(fd)).size() >= n; });
    return all;
}

TEST(StreamFile, BetweenWhatIsWritten) {
    for (Kind kind : kinds) {
        for (size_t size : {10u, 70000u, 3000000u}) {
            World w;
            Link link(w, kind);
            std::string text = pattern(size);
            Fd file = file_of(text);
            Wait sent(w), second(w), flush(w);
            write(link.s, "before;");
            EXPECT_EQ(evl_stream_sendfile(link.s, sent.op, file, 0, 0), 0);
            EXPECT_EQ(write(link.s, ";between;"), 9);
            EXPECT_EQ(evl_stream_sendfile(link.s, second.op, file, 5, 4), 0);
            EXPECT_EQ(write(link.s, ";behind"), 7);
            EXPECT_EQ(evl_stream_flush(link.s, flush.op), 0);
            EXPECT_FALSE(sent.done());
            std::string expected = "before;" + text + ";between;" + text.substr(5, 4) + ";behind";
            EXPECT_TRUE(slurp(w, link.peer, expected.size()) == expected);
            pump(w, [&] { return flush.done(); });
            EXPECT_EQ(sent.result, static_cast<int64_t>(size));
            EXPECT_EQ(second.result, 4);
            EXPECT_EQ(::lseek(file, 0, SEEK_CUR), 0) << "its position is left alone";
            evl_stream_abort(link.s);
        }
    }
}

// Also where a long has 32 bits.
TEST(StreamFile, BeyondFourGiB) {
    World w;
    Link link(w);
    Fd file = regular_file();
    int64_t far = INT64_C(0x100000000);
    ASSERT_EQ(::pwrite(file, "near", 4, 0), 4);
    ASSERT_EQ(::pwrite(file, "far", 3, far), 3);
    Wait sent(w);
    EXPECT_EQ(evl_stream_sendfile(link.s, sent.op, file, far, 0), 0);
    EXPECT_EQ(slurp(w, link.peer, 3), "far");
    pump(w, [&] { return sent.done(); });
    EXPECT_EQ(sent.result, 3);
}

TEST(StreamFile, BadInputAndNothing) {
    World w;
    Link link(w);
    Fd file = file_of("text");
    Pipe pipe;
    Wait op(w);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, -1, 0, 0), EVL_EBADF);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, pipe.r, 0, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, -1, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_sendfile(link.s, nullptr, file, 0, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_sendfile(nullptr, op.op, file, 0, 0), EVL_EINVAL);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 4, 0), 0) << "at its end";
    pump(w, [&] { return op.done(); });
    EXPECT_EQ(op.result, 0);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 2, 100), 0);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 0, 0), EVL_EBUSY);
    op.result = pending;
    pump(w, [&] { return op.done(); });
    EXPECT_EQ(op.result, 2) << "shorter than asked for";
    EXPECT_EQ(slurp(w, link.peer, 2), "xt");
    evl_stream_write_eof(link.s);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 0, 0), EVL_EPIPE);
    evl_stream_abort(link.s);
}

TEST(StreamFile, ThatShrinksMeanwhile) {
    World w;
    Link link(w);
    std::string text = pattern(3000000);
    Fd file = file_of(text);
    Wait op(w);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 0, 0), 0);
    passes(w);
    EXPECT_FALSE(op.done());
    ASSERT_EQ(::ftruncate(file, 2000000), 0);
    write(link.s, "END");
    std::string seen;
    pump(w, [&] { return (seen += got(link.peer)).ends_with("END"); });
    EXPECT_LE(op.result, 2000000 + 0);
    EXPECT_EQ(seen.size(), static_cast<size_t>(op.result) + 3);
    evl_stream_abort(link.s);
}

// What is written behind a file must not take its place: it is sent although nothing waits for it any more,
// and although whoever sent it has closed it.
TEST(StreamFile, CancelledMidwayItIsSentAllTheSame) {
    for (Kind kind : kinds) {
        for (int how = 0; how < 3; how++) {
            World w;
            Link link(w, kind);
            std::string text = pattern(3000000);
            Fd file = file_of(text);
            Wait op(w);
            EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 0, 0), 0);
            write(link.s, "END");
            passes(w);
            EXPECT_FALSE(op.done());
            if (how == 0) {
                EXPECT_EQ(evl_op_cancel(op.op), 1);
            } else if (how == 1) {
                EXPECT_EQ(evl_op_close(op.op), 0);
            } else {
                EXPECT_EQ(evl_op_deadline(op.op, evl_time(w.loop) + sec), 0);
                while (!op.done())
                    w.once();
            }
            file.close();
            std::string seen;
            int n = 0;
            pump(w, [&] { return (seen += got(link.peer)).ends_with("END") || n++ > 100000; });
            EXPECT_TRUE(seen == text + "END") << "how=" << how << ", " << seen.size();
            const int64_t results[] = {EVL_ECANCELED, pending, EVL_ETIMEDOUT};
            EXPECT_EQ(op.result, results[how]);
            evl_stream_abort(link.s);
        }
    }
}

TEST(StreamFile, ClosedMidway) {
    World w;
    Link link(w);
    Fd file = file_of(std::string(3000000, 'f'));
    Wait op(w);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 0, 0), 0);
    passes(w);
    evl_close(link.s);
    passes(w);
    EXPECT_EQ(op.result, EVL_ECLOSED);
    link.peer.close();
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(StreamFile, AClosedStreamSendsIt) {
    for (Kind kind : kinds) {
        for (bool begun : {false, true}) {
            World w;
            Link link(w, kind);
            std::string text = pattern(3000000);
            Fd file = file_of(text);
            Wait op(w);
            write(link.s, "before;");
            EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 0, 0), 0);
            write(link.s, ";behind");
            passes(w, begun ? 6 : 0);
            EXPECT_EQ(evl_close(link.s), 0);
            passes(w);
            EXPECT_EQ(op.result, EVL_ECLOSED);
            file.close();
            EXPECT_TRUE(slurp(w, link.peer, text.size() + 14) == "before;" + text + ";behind");
            pump(w, [&] { return at_end(link.peer); });
            EXPECT_EQ(errno, 0) << "a clean end";
            link.peer.close();
            EXPECT_EQ(w.run(), EVL_RUN_DONE);
        }
    }
}

// Where there is no fd for it, or it ends before, the peer must not see a clean end.
TEST(StreamFile, OneThatCannotBeSentToItsEndIsAReset) {
    for (int how = 0; how < 4; how++) {
        World w;
        Sys sys;
        Link link(w);
        Fd file = file_of(std::string(3000000, 'f'));
        Wait op(w);
        EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 0, 0), 0);
        write(link.s, "behind");
        passes(w);
        if (how < 2)
            sys.fail(Call::dup_above, EMFILE);
        if (how % 2 == 0) {
            EXPECT_EQ(evl_close(link.s), 0);
        } else {
            EXPECT_EQ(evl_op_cancel(op.op), 1);
            EXPECT_EQ(write(link.s, "more"), how < 2 ? int64_t{EVL_ECANCELED} : 4);
        }
        if (how >= 2) {
            EXPECT_EQ(::ftruncate(file, 2000000), 0);
        }
        passes(w);
        EXPECT_EQ(op.result, how % 2 == 0 ? EVL_ECLOSED : EVL_ECANCELED);
        std::string seen;
        int error = 0;
        pump(w, [&] {
            seen += got(link.peer);
            error = errno;
            bool over = how != 3 || write(link.s, "x") < 0;
            if (over && how % 2 == 1 && link.s) {
                EXPECT_EQ(evl_close(link.s), 0);
                link.s = nullptr;
            }
            return over && error != EAGAIN;
        });
        EXPECT_EQ(error, ECONNRESET) << how;
        EXPECT_EQ(seen.find_first_not_of('f'), std::string::npos) << "nothing follows a hole";
    }
}

TEST(StreamFile, ByCopyWhereTheKernelCannot) {
    for (int err : {EINVAL, ENOSYS}) {
        World w;
        Sys sys;
        Link link(w);
        std::string text = pattern(500000);
        Fd file = file_of(text);
        Wait op(w);
        sys.fail(Call::sendfile, err, 0, 1000000);
        EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 0, 0), 0);
        EXPECT_TRUE(slurp(w, link.peer, text.size()) == text);
        pump(w, [&] { return op.done(); });
        EXPECT_EQ(op.result, 500000);
        EXPECT_EQ(sys.calls(Call::sendfile), 1u) << "it is asked once";
        evl_stream_abort(link.s);
    }
    World w;
    Pipe pipe;
    std::string text = pattern(200000);
    Fd file = file_of(text);
    evl_stream *s = open(w, pipe.w);
    Wait op(w);
    EXPECT_EQ(evl_stream_sendfile(s, op.op, file, 0, 0), 0);
    EXPECT_TRUE(slurp(w, pipe.r, text.size()) == text);
    pump(w, [&] { return op.done(); });
    EXPECT_EQ(op.result, 200000);
}

TEST(StreamFile, WhichCannotBeRead) {
    World w;
    Sys sys;
    Link link(w);
    Fd file = file_of("text");
    Wait op(w);
    sys.fail(Call::sendfile, EIO);
    EXPECT_EQ(evl_stream_sendfile(link.s, op.op, file, 0, 0), 0);
    write(link.s, "goes on");
    pump(w, [&] { return op.done(); });
    EXPECT_EQ(op.result, EVL_EIO);
    EXPECT_EQ(slurp(w, link.peer, 7), "goes on") << "the stream is well";
    evl_stream_abort(link.s);
}

// --- a transport ------------------------------------------------------------------------------------------

// Every byte is the other one's, a few at a time.
struct Xor {
    int fd;
    size_t at_most = 7;
    int closed = 0, aborted = 0, shut = 0, shut_later = 0;
    static int64_t rc(ssize_t n) { return n >= 0 ? n : errno == EAGAIN ? EVL_EAGAIN : -errno; }
    static int64_t read(void *self, void *buf, size_t cap) {
        auto *x = static_cast<Xor *>(self);
        ssize_t n = ::read(x->fd, buf, std::min(cap, x->at_most));
        for (ssize_t i = 0; i < n; i++)
            static_cast<char *>(buf)[i] ^= 0x55;
        return rc(n);
    }
    static int64_t write(void *self, const evl_buf *bufs, int32_t n) {
        auto *x = static_cast<Xor *>(self);
        EXPECT_GE(n, 1);
        EXPECT_LE(n, 64);
        for (int32_t i = 0; i < n; i++)
            if (bufs[i].len > 0) {
                std::string some(static_cast<const char *>(bufs[i].data), std::min(bufs[i].len, x->at_most));
                for (char &c : some)
                    c = static_cast<char>(c ^ 0x55);
                return rc(::send(x->fd, some.data(), some.size(), MSG_NOSIGNAL));
            }
        return 0;
    }
    static uint32_t want(void *) { return EVL_READ | EVL_WRITE; }
    static int32_t shutdown(void *self) {
        auto *x = static_cast<Xor *>(self);
        if (x->shut_later-- > 0)
            return EVL_EAGAIN;
        x->shut++;
        return ::shutdown(x->fd, SHUT_WR) == 0 ? 0 : -errno;
    }
    static void close(void *self, int32_t abort) {
        auto *x = static_cast<Xor *>(self);
        x->closed++;
        x->aborted += abort;
        ::close(x->fd);
    }
    static constexpr evl_transport table = {
        sizeof(evl_transport), read, write, want, shutdown, close, nullptr};
};

std::string mask(std::string text) {
    for (char &c : text)
        c = static_cast<char>(c ^ 0x55);
    return text;
}

TEST(StreamTransport, CarriesEverything) {
    for (Kind kind : kinds) {
        World w;
        Tcp tcp;
        Pair pair;
        Fd &mine = kind == Kind::tcp ? tcp.a : pair.a, &peer = kind == Kind::tcp ? tcp.b : pair.b;
        Xor x{give(mine)};
        evl_stream *s = nullptr;
        ASSERT_EQ(evl_stream_open_on(w.loop, x.fd, &Xor::table, &x, &s), 0);
        Read r(w, 1000);
        put(peer, mask("a line that comes in pieces\nand more\n"));
        EXPECT_EQ(r.line(s), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "a line that comes in pieces\n");
        EXPECT_EQ(r.line(s), 0);
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.text(), "and more\n");
        std::string text = pattern(5000);
        EXPECT_EQ(evl_stream_write(s, text.data(), text.size()), 5000);
        EXPECT_TRUE(mask(slurp(w, peer, text.size())) == text);
        Fd file = file_of(text);
        Wait sent(w);
        EXPECT_EQ(evl_stream_sendfile(s, sent.op, file, 0, 0), 0);
        EXPECT_TRUE(mask(slurp(w, peer, text.size())) == text) << "files too";
        EXPECT_EQ(evl_stream_detach(s, nullptr, 0, nullptr), EVL_ENOTSUP);
        x.shut_later = 2;
        EXPECT_EQ(evl_stream_write_eof(s), 0);
        EXPECT_EQ(r.some(s), 0);
        pump(w, [&] { return x.shut == 1; });
        EXPECT_TRUE(at_end(peer));
        EXPECT_EQ(x.closed, 0);
        peer.close();
        pump(w, [&] { return r.done(); });
        EXPECT_EQ(r.result, 0);
        EXPECT_EQ(evl_close(s), 0);
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        EXPECT_EQ(x.closed, 1);
        EXPECT_EQ(x.aborted, 0);
    }
}

TEST(StreamTransport, AbortedAndBadInput) {
    World w;
    Pair pair;
    Xor x{give(pair.a)};
    evl_stream *s = nullptr;
    evl_transport broken = Xor::table;
    broken.want = nullptr;
    EXPECT_EQ(evl_stream_open_on(w.loop, x.fd, &broken, &x, &s), EVL_EINVAL);
    broken = Xor::table;
    broken.struct_size = 4;
    EXPECT_EQ(evl_stream_open_on(w.loop, x.fd, &broken, &x, &s), EVL_EINVAL);
    EXPECT_EQ(evl_stream_open_on(w.loop, x.fd, nullptr, &x, &s), EVL_EINVAL);
    EXPECT_EQ(evl_stream_open_on(w.loop, 9999, &Xor::table, &x, &s), EVL_EBADF);
    EXPECT_EQ(x.closed, 0) << "not on an error";
    ASSERT_EQ(evl_stream_open_on(w.loop, x.fd, &Xor::table, &x, &s), 0);
    EXPECT_EQ(evl_stream_abort(s), 0);
    EXPECT_EQ(x.closed, 1);
    EXPECT_EQ(x.aborted, 1);
}

TEST(StreamTransport, AnErrorEndsIt) {
    World w;
    Pair pair;
    Xor x{give(pair.a)};
    evl_transport failing = Xor::table;
    failing.try_read = [](void *, void *, size_t) -> int64_t { return EVL_EPROTO; };
    evl_stream *s = nullptr;
    ASSERT_EQ(evl_stream_open_on(w.loop, x.fd, &failing, &x, &s), 0);
    Read r(w);
    EXPECT_EQ(r.some(s), 0);
    put(pair.b, "x");
    pump(w, [&] { return r.done(); });
    EXPECT_EQ(r.result, EVL_EPROTO);
    EXPECT_EQ(evl_close(s), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(x.closed, 1);
}

} // namespace
