// streams_fuzz.cpp - streams against raw peers, every byte of both directions verified: TCP, Unix sockets,
// pipes; all kinds of reads, pushed data, unread, every way to write, sendfile, splice, drains, half closes,
// resets, cancels, deadlines, detach and open again, close and abort.
//
// What goes over a direction is one long sequence of which every byte is known from its place (byte_at).
// Whoever receives checks that what comes is that sequence without a hole, and at a clean end that it is
// complete.
#include "fuzz.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <deque>
#include <fcntl.h>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>
#include <utility>
#include <vector>

namespace {

using fuzz::Random;

constexpr int64_t ms = 1'000'000;

// Newlines often enough for lines.
unsigned char byte_at(uint64_t key, uint64_t place) {
    uint64_t z = (place + 1) * 0x9e3779b97f4a7c15 ^ key;
    z ^= z >> 29;
    z *= 0xbf58476d1ce4e5b9;
    z ^= z >> 32;
    return z % 61 == 0 ? '\n' : static_cast<unsigned char>(z >> 8);
}

std::string bytes_from(uint64_t key, uint64_t place, size_t n) {
    std::string text(n, '\0');
    for (size_t i = 0; i < n; i++)
        text[i] = static_cast<char>(byte_at(key, place + i));
    return text;
}

// One direction: how much of the sequence was written, how much has been seen, and how it ended.
struct Direction {
    uint64_t key = 0;
    uint64_t written = 0;  // accepted from the writer
    uint64_t seen = 0;     // checked by the reader
    bool finished = false; // the writer has ended it in order: a clean end means everything
    bool broken = false;   // it may end before: reset, abort, lost
    bool ended = false;    // the reader has seen the end
    bool cut = false;      // a file was taken back in the middle: what follows it has another place
    void check(const void *data, size_t n) {
        for (size_t i = 0; i < n && !cut; i++)
            HOLDS(static_cast<const unsigned char *>(data)[i] == byte_at(key, seen + i));
        seen += n;
        HOLDS(seen <= written);
    }
    void end() {
        ended = true;
        if (!broken)
            HOLDS(seen == written);
    }
};

enum class Kind { tcp, local, pipe_in, pipe_out };

struct World;

// A stream, its raw peer, and what each has said.
struct Link {
    World *w;
    Kind kind;
    evl_stream *s = nullptr; // NULL: closed
    int peer = -1;
    Direction in, out; // as the stream sees it
    bool pushed = false;
    bool paused = false;
    bool stalls = false;    // the peer reads nothing for now
    bool peer_done = false; // the peer has ended writing
    bool peer_reset = false;
    bool write_closed = false;
    bool failed_in = false; // the stream was told of the end, or an error
    bool shut = false;
    bool discards = false; // what comes in, since a shutdown
    bool spliced = false;  // this one's input goes elsewhere
    Link *splice_to = nullptr;

    evl_op read{};
    bool reading = false;
    int how = 0;
    size_t want = 0;
    std::vector<char> buf = std::vector<char>(200'000);
    evl_buf separators[2];

    evl_op waits[3]{}; // drain, flush, shutdown
    bool waiting[3] = {};
    evl_op file{};
    bool sending = false;
    uint64_t file_from = 0; // its place in the sequence
    size_t file_len = 0;
    evl_op splice{};
    bool splicing = false;

    bool writes() const { return kind != Kind::pipe_in; }
    bool reads() const { return kind != Kind::pipe_out; }
};

struct Ref {
    World *w;
    std::string data;
    bool released = false, given = false;
};

struct World {
    explicit World(uint64_t seed) : pick(seed) {}
    Random pick;
    fuzz::Counted memory;
    evl_loop *loop = nullptr;
    std::deque<Link> links;
    std::deque<Ref> refs;
    bool gone = false;
    int file = -1;
    uint64_t file_key = 0;

    // --- making --------------------------------------------------------------------------------------------

    static void nonblocking(int fd) { HOLDS(::fcntl(fd, F_SETFL, O_NONBLOCK) == 0); }
    static void tcp_pair(int fds[2]) {
        int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof any;
        HOLDS(::bind(listener, reinterpret_cast<sockaddr *>(&any), sizeof any) == 0 &&
              ::listen(listener, 1) == 0);
        HOLDS(::getsockname(listener, reinterpret_cast<sockaddr *>(&any), &length) == 0);
        fds[0] = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        HOLDS(::connect(fds[0], reinterpret_cast<sockaddr *>(&any), sizeof any) == 0);
        fds[1] = ::accept(listener, nullptr, nullptr);
        HOLDS(fds[1] >= 0);
        ::close(listener);
    }
    Link &new_link() {
        Link &l = links.emplace_back();
        l.w = this;
        l.kind = static_cast<Kind>(pick.below(4));
        l.in.key = pick.next();
        l.out.key = pick.next();
        int fds[2];
        if (l.kind == Kind::tcp)
            tcp_pair(fds);
        else if (l.kind == Kind::local)
            HOLDS(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        else {
            HOLDS(::pipe2(fds, O_CLOEXEC) == 0);
            if (l.kind == Kind::pipe_out)
                std::swap(fds[0], fds[1]);
        }
        if (l.kind == Kind::tcp || l.kind == Kind::local) {
            int size = 16384;
            ::setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
            ::setsockopt(fds[1], SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        }
        nonblocking(fds[1]);
        l.peer = fds[1];
        HOLDS(evl_stream_open(loop, fds[0], 0, &l.s) == 0);
        HOLDS(evl_op_init(&l.read, on_read, &l, pick.one_in(3) ? EVL_OP_SYNC : 0) == 0);
        for (evl_op &op : l.waits)
            HOLDS(evl_op_init(&op, on_wait, &l, 0) == 0);
        HOLDS(evl_op_init(&l.file, on_file, &l, 0) == 0);
        HOLDS(evl_op_init(&l.splice, on_splice, &l, 0) == 0);
        return l;
    }

    // --- what comes in -------------------------------------------------------------------------------------

    static bool is_benign(int64_t error) {
        return error == EVL_ECANCELED || error == EVL_ETIMEDOUT || error == EVL_EMSGSIZE ||
               error == EVL_EAGAIN;
    }
    void end_of_input(Link &l, int64_t error) {
        l.failed_in = true;
        if (error == 0 || error == EVL_EEOF) {
            l.in.end();
            HOLDS(l.peer_done || l.peer_reset);
        } else {
            HOLDS(l.peer_reset || l.in.broken || l.out.broken || error == EVL_ECLOSED ||
                  error == EVL_ECONNRESET || error == EVL_EPIPE);
        }
    }
    void took(Link &l, int64_t n) {
        const char *data = l.buf.data();
        switch (l.how) {
        case 1:
            HOLDS(n <= 0 || static_cast<size_t>(n) == l.want);
            break;
        case 2:
            if (n > 0)
                HOLDS(data[n - 1] == '\n' || std::string_view(data, static_cast<size_t>(n)).ends_with(sep()));
            break;
        case 3:
            if (n > 0 && data[n - 1] != '\n')
                HOLDS(l.peer_done || l.peer_reset);
            break;
        case 4:
            if (n >= 0)
                HOLDS(l.peer_done || l.peer_reset);
            break;
        default:
            break;
        }
        if (n > 0) {
            l.in.check(data, static_cast<size_t>(n));
            if (l.how == 4)
                end_of_input(l, 0);
            return;
        }
        if (n == EVL_EEOF) // what came before stays in the stream
            return;
        if (!is_benign(n))
            end_of_input(l, n);
    }
    static const char *sep() { return "zq"; }
    static void on_read(void *arg, int64_t n) {
        auto &l = *static_cast<Link *>(arg);
        HOLDS(l.reading && !l.w->gone);
        l.reading = false;
        l.w->took(l, n);
    }
    static void on_push(void *arg, int64_t n) {
        auto &l = *static_cast<Link *>(arg);
        HOLDS(l.s && l.pushed && !l.w->gone);
        const void *data = nullptr;
        int64_t there = evl_stream_peek(l.s, &data);
        if (n <= 0) { // what a callback put back is still there
            if (there > 0) {
                l.in.check(data, static_cast<size_t>(there));
                HOLDS(evl_stream_consume(l.s, static_cast<size_t>(there)) == 0);
            }
            l.w->end_of_input(l, n);
            return;
        }
        HOLDS(there >= n);
        l.in.check(data, static_cast<size_t>(n));
        if (l.w->pick.one_in(10)) {
            HOLDS(evl_stream_consume(l.s, static_cast<size_t>(n)) ==
                  0); // else a read by hand gets them again
            l.w->act(l);
        }
    }
    static void on_wait(void *arg, int64_t) {
        auto &l = *static_cast<Link *>(arg);
        bool found = false;
        for (int i = 0; i < 3; i++)
            if (l.waiting[i] && !evl_op_active(&l.waits[i])) {
                l.waiting[i] = false;
                found = true;
                break;
            }
        HOLDS(found);
    }
    static void on_file(void *arg, int64_t n) {
        auto &l = *static_cast<Link *>(arg);
        HOLDS(l.sending);
        l.sending = false;
        if (n == static_cast<int64_t>(l.file_len))
            return;
        l.out.broken = true; // cut short: what is behind it is not looked at
        l.shut = true;
    }
    static void on_splice(void *arg, int64_t n) {
        auto &l = *static_cast<Link *>(arg);
        HOLDS(l.splicing);
        l.splicing = false;
        l.failed_in = true; // what has come through is checked over there
        if (n >= 0)
            HOLDS(l.peer_reset || (l.peer_done && static_cast<uint64_t>(n) == l.in.written));
    }
    static void on_release(void *arg) {
        auto *r = static_cast<Ref *>(arg);
        HOLDS(r->given && !r->released);
        r->released = true;
        std::fill(r->data.begin(), r->data.end(), '!');
    }

    // --- what the stream does
    // --------------------------------------------------------------------------------

    void start_read(Link &l) {
        if (!l.s || !l.reads() || l.reading || l.spliced)
            return;
        l.how = static_cast<int>(pick.below(6));
        l.want = 1 + pick.below(pick.one_in(4) ? 100'000 : 300);
        int32_t rc = 0;
        switch (l.how) {
        case 1:
            rc = evl_stream_read_exactly(l.s, &l.read, l.buf.data(), l.want);
            break;
        case 2:
            l.separators[0] = {"\n", 1};
            l.separators[1] = {sep(), 2};
            rc = evl_stream_read_until(l.s, &l.read, l.buf.data(), l.buf.size(), l.separators, 2);
            break;
        case 3:
            rc = evl_stream_read_line(l.s, &l.read, l.buf.data(), l.buf.size());
            break;
        case 4:
            if (!pick.one_in(8)) {
                l.how = 0;
                rc = evl_stream_read(l.s, &l.read, l.buf.data(), l.want);
            } else
                rc = evl_stream_read_all(l.s, &l.read, l.buf.data(), l.buf.size());
            break;
        case 5: {
            int64_t n = evl_stream_try_read(l.s, l.buf.data(), l.want);
            if (n > 0)
                l.in.check(l.buf.data(), static_cast<size_t>(n));
            else if (n != EVL_EBUSY && n != EVL_EAGAIN)
                end_of_input(l, n);
            return;
        }
        default:
            rc = evl_stream_read(l.s, &l.read, l.buf.data(), l.want);
            break;
        }
        if (rc == 0)
            l.reading = true;
        else if (rc == 1)
            took(l, evl_op_result(&l.read));
    }
    void unread(Link &l) {
        if (!l.s || !l.reads() || l.in.seen == 0 || l.in.ended || l.reading || l.spliced || l.failed_in)
            return;
        size_t n = 1 + pick.below(std::min<uint64_t>(l.in.seen, 500));
        std::string back = bytes_from(l.in.key, l.in.seen - n, n);
        if (evl_stream_unread(l.s, back.data(), n) == 0)
            l.in.seen -= n;
    }
    void wrote(Link &l, int64_t n, size_t len) {
        if (n >= 0) {
            HOLDS(static_cast<size_t>(n) <= len);
            l.out.written += static_cast<uint64_t>(n);
        }
    }
    void write(Link &l) {
        if (!l.s || !l.writes() || l.write_closed || l.shut)
            return;
        size_t n = 1 + pick.below(pick.one_in(4) ? 60'000 : 500);
        if (l.out.written > l.out.seen + 2'000'000)
            return;
        uint64_t from = l.out.written;
        switch (pick.below(4)) {
        case 0: {
            std::string a = bytes_from(l.out.key, from, n), b = bytes_from(l.out.key, from + n, n / 2);
            evl_buf pieces[] = {{a.data(), a.size()}, {"", 0}, {b.data(), b.size()}};
            wrote(l, evl_stream_writev(l.s, pieces, 3), n + n / 2);
            break;
        }
        case 1: {
            Ref &r = refs.emplace_back();
            r.w = this;
            r.data = bytes_from(l.out.key, from, n);
            r.given = true;
            int64_t rc = evl_stream_write_ref(l.s, r.data.data(), n, on_release, &r);
            if (rc < 0)
                r.given = false;
            wrote(l, rc, n);
            break;
        }
        default: {
            std::string a = bytes_from(l.out.key, from, n);
            wrote(l, evl_stream_write(l.s, a.data(), n), n);
        }
        }
    }
    // The file has the sequence of the link, as far as it is needed, from its own beginning.
    void sendfile(Link &l) {
        if (!l.s || !l.writes() || l.write_closed || l.shut || l.sending)
            return;
        size_t n = 1 + pick.below(pick.one_in(3) ? 150'000 : 2000);
        std::string content = bytes_from(l.out.key, l.out.written, n);
        char name[] = "/tmp/evloop-fuzz-XXXXXX";
        int fd = ::mkstemp(name);
        HOLDS(fd >= 0 && ::unlink(name) == 0);
        HOLDS(::write(fd, content.data(), n) == static_cast<ssize_t>(n));
        if (evl_stream_sendfile(l.s, &l.file, fd, 0, pick.one_in(2) ? n : 0) == 0) {
            l.sending = true;
            l.file_len = n;
            l.out.written += n;
        }
        files.push_back(fd);
    }
    std::vector<int> files;

    // From now on what comes in here goes out there: the direction there continues with this one's bytes, so
    // it is only for a link that has said nothing, and to one that has said nothing and will not.
    void splice(Link &l) {
        for (Link &to : links) {
            if (&to == &l || !to.s || !to.writes() || to.write_closed || to.shut || to.out.written != 0 ||
                to.sending || to.splice_to || !l.s || !l.reads() || l.spliced || l.reading || l.pushed ||
                l.in.seen != 0 || l.failed_in)
                continue;
            if (evl_stream_splice(l.s, &l.splice, to.s) == 0) {
                l.splicing = l.spliced = true;
                to.splice_to = &l;
                to.shut = true; // it writes nothing of its own
                to.out.key = l.in.key;
                to.out.broken = true; // it may be cut
            }
            return;
        }
    }
    void forget_writes(Link &l) { l.out.broken = true; }

    void close(Link &l, bool abort) {
        if (!l.s)
            return;
        if (abort || l.sending)
            forget_writes(l);
        if (!abort)
            l.out.finished = true;
        evl_stream *s = std::exchange(l.s, nullptr);
        l.in.broken = true;
        HOLDS((abort ? evl_stream_abort(s) : evl_close(s)) == 0);
    }
    void reopen(Link &l) {
        if (!l.s || l.reading || l.sending || l.splicing || l.pushed || l.splice_to || l.discards)
            return;
        size_t left = 0;
        evl_fd fd = evl_stream_detach(l.s, l.buf.data(), l.buf.size(), &left);
        if (fd < 0)
            return;
        std::string unread(l.buf.data(), left);
        HOLDS(evl_stream_open(loop, fd, 0, &l.s) == 0);
        if (left > 0)
            HOLDS(evl_stream_unread(l.s, unread.data(), left) == 0);
    }

    void act(Link &l) {
        switch (pick.below(24)) {
        case 0:
        case 1:
        case 2:
        case 3:
            start_read(l);
            break;
        case 4:
            unread(l);
            break;
        case 5:
        case 6:
        case 7:
        case 8:
            write(l);
            break;
        case 9:
            sendfile(l);
            break;
        case 10:
            if (pick.one_in(3))
                splice(l);
            break;
        case 11:
            if (l.s && l.reads() && !l.spliced && !l.failed_in && pick.one_in(2))
                l.pushed |= evl_stream_on_data(l.s, on_push, &l) == 0;
            break;
        case 12:
            if (l.s && l.pushed)
                (void)(pick.one_in(3) ? evl_stream_pause(l.s) : evl_stream_resume(l.s));
            break;
        case 13:
        case 14: {
            int i = static_cast<int>(pick.below(2));
            if (l.s && !l.waiting[i] && (i == 0 ? evl_stream_drain : evl_stream_flush)(l.s, &l.waits[i]) == 0)
                l.waiting[i] = true;
            break;
        }
        case 15:
            if (l.reading) {
                if (pick.one_in(2))
                    HOLDS(evl_op_cancel(&l.read) >= 0);
                else {
                    l.reading = false;
                    HOLDS(evl_op_close(&l.read) == 0);
                }
            }
            break;
        case 16:
            if (l.reading)
                HOLDS(evl_op_deadline(&l.read, evl_now(loop) + pick.between(0, 4) * ms) == 0);
            break;
        case 17:
            if (l.s && l.writes() && !l.sending && pick.one_in(10) && !l.splice_to) {
                if (evl_stream_write_eof(l.s) == 0) {
                    l.write_closed = true;
                    l.out.finished = true;
                }
            }
            break;
        case 18:
            if (pick.one_in(12))
                reopen(l);
            break;
        case 19:
            if (pick.one_in(15))
                close(l, pick.one_in(3));
            break;
        case 20:
            if (l.s && l.waiting[0])
                HOLDS(evl_op_cancel(&l.waits[0]) >= 0);
            break;
        case 21:
            if (l.s && l.writes())
                (void)evl_stream_set_marks(l.s, static_cast<uint32_t>(1 + pick.below(50'000)), EVL_AUTO,
                                           pick.one_in(5) ? 200'000 : 0);
            break;
        case 22:
            if (l.s && pick.one_in(20) && !l.reading && !l.pushed && !l.spliced && !l.splice_to &&
                !l.waiting[2] && !l.sending && evl_stream_shutdown(l.s, &l.waits[2]) == 0) {
                l.waiting[2] = true;
                l.write_closed = l.shut = l.writes();
                l.out.finished = true;
                l.in.broken = l.failed_in = l.discards = true;
                HOLDS(evl_op_deadline(&l.waits[2], evl_now(loop) + 20 * ms) == 0);
            }
            break;
        default:
            if (l.sending && pick.one_in(10)) {
                HOLDS(evl_op_cancel(&l.file) >= 0);
                l.out.cut = l.out.broken = true;
            }
        }
    }

    // --- what the peer does
    // ----------------------------------------------------------------------------------

    void peer_reads(Link &l) {
        if (l.peer < 0 || !l.writes() || l.out.ended)
            return;
        char bytes[65536];
        ssize_t n = ::read(l.peer, bytes, 1 + pick.below(sizeof bytes));
        if (n > 0) {
            if (l.splice_to)
                l.out.written = l.splice_to->in.written;
            l.out.check(bytes, static_cast<size_t>(n));
        } else if (n == 0) {
            HOLDS(l.out.finished || l.out.broken || !l.s || l.splice_to);
            l.out.end();
        } else if (errno != EAGAIN) {
            HOLDS(l.out.broken || l.in.broken || l.peer_done); // a reset needs a reason
            l.out.ended = true;
        }
    }
    void peer_writes(Link &l) {
        if (l.peer < 0 || !l.reads() || l.peer_done)
            return;
        size_t n = 1 + pick.below(pick.one_in(4) ? 60'000 : 300);
        std::string text = bytes_from(l.in.key, l.in.written, n);
        ssize_t rc = ::write(l.peer, text.data(), n);
        if (rc > 0)
            l.in.written += static_cast<uint64_t>(rc);
    }
    void peer_acts(Link &l) {
        switch (pick.below(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
            peer_writes(l);
            break;
        case 4:
        case 5:
        case 6:
        case 7:
            if (!l.stalls)
                peer_reads(l);
            break;
        case 8:
            if (pick.one_in(6))
                l.stalls = !l.stalls;
            break;
        case 9:
            if (l.peer >= 0 && l.reads() && !l.peer_done && pick.one_in(25)) {
                l.peer_done = true;
                if (l.kind == Kind::pipe_in) {
                    ::close(std::exchange(l.peer, -1));
                } else
                    HOLDS(::shutdown(l.peer, SHUT_WR) == 0 || errno == ENOTCONN);
            }
            break;
        case 10:
            if (l.peer >= 0 && pick.one_in(60)) { // gone, with a reset or without
                linger hard{1, 0};
                if (l.kind == Kind::tcp && pick.one_in(2))
                    ::setsockopt(l.peer, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
                l.peer_done = l.peer_reset = true;
                l.in.broken = l.out.broken = l.out.ended = true;
                ::close(std::exchange(l.peer, -1));
            }
            break;
        default:
            (void)evl_clock_advance(loop, pick.between(0, 2) * ms);
            break;
        }
    }

    // --- a round
    // ---------------------------------------------------------------------------------------------

    void pass() {
        int32_t rc = evl_loop_run(loop, EVL_RUN_NOWAIT);
        HOLDS(rc >= 0 || rc == EVL_EDEADLK);
    }
    // Everything that was sent in order arrives.
    void finish() {
        for (Link &l : links) {
            if (l.peer >= 0 && l.reads() && !l.peer_done) {
                l.peer_done = true;
                if (l.kind == Kind::pipe_in)
                    ::close(std::exchange(l.peer, -1));
                else
                    (void)::shutdown(l.peer, SHUT_WR);
            }
            close(l, false);
        }
        for (int i = 0; i < 200'000; i++) {
            bool open = false;
            pass();
            for (Link &l : links) {
                peer_reads(l);
                open |= l.peer >= 0 && l.writes() && !l.out.ended;
            }
            if (!open)
                break;
            if (i > 1000)
                ::usleep(50);
            HOLDS(i < 199'999);
        }
    }
    void play() {
        evl_options options{};
        options.struct_size = sizeof options;
        options.clock = EVL_CLOCK_MANUAL;
        options.alloc = fuzz::Counted::resize;
        options.alloc_ctx = &memory;
        HOLDS(evl_loop_new(&loop, &options) == 0);
        for (uint64_t n = 1 + pick.below(5); n > 0; n--)
            new_link();
        for (int64_t i = pick.between(50, 600); i > 0; i--) {
            for (uint64_t n = pick.below(4); n > 0; n--)
                act(links[pick.below(links.size())]);
            for (uint64_t n = pick.below(4); n > 0; n--)
                peer_acts(links[pick.below(links.size())]);
            pass();
        }
        if (!pick.one_in(4))
            finish();
        gone = true;
        HOLDS(evl_loop_destroy(loop) == 0);
        for (Ref &r : refs)
            HOLDS(r.released == r.given);
        for (Link &l : links) {
            HOLDS(!evl_op_active(&l.read) && !evl_op_active(&l.file) && !evl_op_active(&l.splice));
            if (l.peer >= 0)
                ::close(l.peer);
        }
        for (int fd : files)
            ::close(fd);
        HOLDS(memory.bytes == 0);
    }
};

void round(uint64_t seed) {
    World w(seed);
    w.play();
}

} // namespace

int main(int argc, char **argv) { return fuzz::run(argc, argv, round); }
