// evloop/stream.hpp - streams of bytes, and making connections.
//
//     evloop::stream s = co_await evloop::open_connection("localhost", "80");
//     s.write("GET / HTTP/1.0\r\n\r\n");
//     co_await s.drain();
//     std::string page = co_await s.read_all();
//
// What is read is given as a std::string, or written into a room of the caller's, and then is its length. A
// read that is cancelled or times out has taken nothing. One read at a time; a stream must not be moved while
// one is awaited.
#pragma once

#include "address.hpp"
#include "bytes.hpp"
#include "handles.hpp"
#include "op.hpp"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

// A read of C: evl_stream_read and those that are called as it is.
using read_function = std::int32_t(evl_stream *, evl_op *, void *buf, std::size_t size);

// The bytes that C has left in the stream's buffer for us, which are taken out of it.
inline std::string take_string(evl_stream *stream, std::int64_t size) {
    const void *data = nullptr;
    evl_stream_peek(stream, &data);
    std::string taken(static_cast<const char *>(data), static_cast<std::size_t>(size));
    evl_stream_consume(stream, taken.size());
    return taken;
}

} // namespace detail

class read_awaitable : public op_awaitable<read_awaitable, std::size_t> {
  public:
    static constexpr const char *name = "read";
    read_awaitable(evl_stream *stream, detail::read_function *read, room to) noexcept
        : stream_(stream), read_(read), to_(to) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return read_(stream_, op, to_.data(), to_.size()); }
    std::size_t finish(std::int64_t n) noexcept { return static_cast<std::size_t>(n); }

  private:
    evl_stream *stream_;
    detail::read_function *read_;
    room to_;
};

class read_string_awaitable : public op_awaitable<read_string_awaitable, std::string> {
  public:
    static constexpr const char *name = "read";
    read_string_awaitable(evl_stream *stream, detail::read_function *read, std::size_t size) noexcept
        : stream_(stream), read_(read), size_(size) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return read_(stream_, op, nullptr, size_); }
    std::string finish(std::int64_t n) { return detail::take_string(stream_, n); }

  private:
    evl_stream *stream_;
    detail::read_function *read_;
    std::size_t size_;
};

class read_until_awaitable : public op_awaitable<read_until_awaitable, std::size_t> {
  public:
    static constexpr const char *name = "read until";
    read_until_awaitable(evl_stream *stream, bytes separator, room to) noexcept
        : stream_(stream), separator_{separator.data(), separator.size()}, to_(to) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept {
        return evl_stream_read_until(stream_, op, to_.data(), to_.size(), &separator_, 1);
    }
    std::size_t finish(std::int64_t n) noexcept { return static_cast<std::size_t>(n); }

  private:
    evl_stream *stream_;
    evl_buf separator_; // here, for C keeps its address until the end
    room to_;
};

class read_string_until_awaitable : public op_awaitable<read_string_until_awaitable, std::string> {
  public:
    static constexpr const char *name = "read until";
    read_string_until_awaitable(evl_stream *stream, bytes separator, std::size_t limit) noexcept
        : stream_(stream), separator_{separator.data(), separator.size()}, limit_(limit) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept {
        return evl_stream_read_until(stream_, op, nullptr, limit_, &separator_, 1);
    }
    std::string finish(std::int64_t n) { return detail::take_string(stream_, n); }

  private:
    evl_stream *stream_;
    evl_buf separator_; // here, for C keeps its address until the end
    std::size_t limit_;
};

// Waits by a function of C that takes the stream and an operation.
class stream_awaitable : public op_awaitable<stream_awaitable> {
  public:
    static constexpr const char *name = "stream";
    stream_awaitable(evl_stream *stream, std::int32_t (*start)(evl_stream *, evl_op *)) noexcept
        : stream_(stream), start_(start) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return start_(stream_, op); }

  private:
    evl_stream *stream_;
    std::int32_t (*start_)(evl_stream *, evl_op *);
};

class sendfile_awaitable : public op_awaitable<sendfile_awaitable, std::int64_t> {
  public:
    static constexpr const char *name = "sendfile";
    sendfile_awaitable(evl_stream *stream, evl_fd file, std::int64_t offset, std::size_t size) noexcept
        : stream_(stream), file_(file), offset_(offset), size_(size) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept {
        return evl_stream_sendfile(stream_, op, file_, offset_, size_);
    }
    std::int64_t finish(std::int64_t n) noexcept { return n; }

  private:
    evl_stream *stream_;
    evl_fd file_;
    std::int64_t offset_;
    std::size_t size_;
};

class splice_awaitable : public op_awaitable<splice_awaitable, std::int64_t> {
  public:
    static constexpr const char *name = "splice";
    splice_awaitable(evl_stream *from, evl_stream *to) noexcept : from_(from), to_(to) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_stream_splice(from_, op, to_); }
    std::int64_t finish(std::int64_t n) noexcept { return n; }

  private:
    evl_stream *from_, *to_;
};

// What stream::detach leaves.
struct detached_stream {
    evl_fd fd = -1;     // the caller's from now on
    std::string unread; // what had been read and not taken
};

// A TCP or Unix connection, a pipe, a terminal. Destroying it closes it in peace: what was written is still
// sent.
class stream : public handle {
  public:
    // What a line may have unless said otherwise, and what a read of a page may.
    static constexpr std::size_t default_limit = 64 * 1024;
    static constexpr std::size_t no_limit = static_cast<std::size_t>(-1); // memory is the limit

    stream() noexcept = default;
    // Owns what C has made.
    explicit stream(evl_stream *made) noexcept : handle(made) {}
#if EVLOOP_EXCEPTIONS
    stream(loop_ref loop, evl_fd fd, std::uint32_t flags = 0) : stream(make(loop, fd, flags).value()) {}
#endif
    // Takes over an open fd; flags are EVL_STREAM_*.
    static result<stream> make(loop_ref loop, evl_fd fd, std::uint32_t flags = 0) noexcept {
        evl_stream *made = nullptr;
        if (const std::int32_t rc = evl_stream_open(loop, fd, flags, &made); rc < 0)
            return fail(rc);
        return stream(made);
    }

    // --- reading ---------------------------------------------------------------------------------

    // What there is, at least a byte unless the stream has ended, and at most so much: EVL_EINVAL for
    // nothing.
    [[nodiscard]] read_string_awaitable read(std::size_t most = default_limit) const noexcept {
        return {c(), evl_stream_read, most};
    }
    [[nodiscard]] read_awaitable read(room to) const noexcept { return {c(), evl_stream_read, to}; }

    // Exactly so much; of nothing, an empty string at once. Fails with EVL_EEOF when the stream ends before,
    // and what came stays in it.
    [[nodiscard]] read_string_awaitable read_exactly(std::size_t size) const noexcept {
        return {c(), evl_stream_read_exactly, size};
    }
    [[nodiscard]] read_awaitable read_exactly(room to) const noexcept {
        return {c(), evl_stream_read_exactly, to};
    }

    // A line with its end; at the end of the stream what is left, and then nothing. Fails with EVL_EMSGSIZE
    // when it is longer, and it stays.
    [[nodiscard]] read_string_awaitable read_line(std::size_t limit = default_limit) const noexcept {
        return {c(), evl_stream_read_line, limit};
    }
    [[nodiscard]] read_awaitable read_line(room to) const noexcept { return {c(), evl_stream_read_line, to}; }

    // Up to and with a separator, which must stay meanwhile. Fails with EVL_EEOF and EVL_EMSGSIZE.
    [[nodiscard]] read_string_until_awaitable read_until(bytes separator,
                                                         std::size_t limit = default_limit) const noexcept {
        return {c(), separator, limit};
    }
    [[nodiscard]] read_until_awaitable read_until(bytes separator, room to) const noexcept {
        return {c(), separator, to};
    }

    // Everything until the stream ends. Fails with EVL_EMSGSIZE when that is more than the limit, and what
    // came stays in it; with EVL_EINVAL when the limit is 0.
    [[nodiscard]] read_string_awaitable read_all(std::size_t limit = no_limit) const noexcept {
        return {c(), evl_stream_read_all, limit};
    }

    // What was read and not taken: after a read that failed, and inside the function of on_data. Valid until
    // the next call that reads or consumes.
    std::string_view peek() const noexcept {
        const void *data = nullptr;
        const std::int64_t size = evl_stream_peek(c(), &data);
        return size > 0 ? std::string_view(static_cast<const char *>(data), static_cast<std::size_t>(size))
                        : std::string_view();
    }
    status consume(std::size_t size) { return check(evl_stream_consume(c(), size)); }
    status unread(bytes back) { return check(evl_stream_unread(c(), back.data(), back.size())); }

    // From now on fn(n) hears of n bytes, to be had from peek() until it returns; then once of the end, 0, or
    // of an error.
    template <callable F>
    status on_data(F &&fn) {
        return check(
            hear(std::forward<F>(fn), [this](void *arg) { return evl_stream_on_data(c(), done, arg); }));
    }
    void pause() noexcept { evl_stream_pause(c()); }
    status resume() { return check(evl_stream_resume(c())); }
    // The function is called when so many bytes are there, or the end. 1 unless set.
    status set_read_mark(std::uint32_t size) { return check(evl_stream_set_read_mark(c(), size)); }

    // Without waiting: how many bytes came, 0 at the end. Errors: EVL_EAGAIN when there are none, and those
    // of reads.
    result<std::size_t> try_read(room to) noexcept {
        const std::int64_t n = evl_stream_try_read(c(), to.data(), to.size());
        if (n < 0)
            return fail(static_cast<std::int32_t>(n));
        return result<std::size_t>(std::in_place, static_cast<std::size_t>(n));
    }

    // Lets fds come in, so many at a time: to be called before anything is read. They come with the byte that
    // they were sent with, and take_fd gives them, the oldest first, which is the caller's then; EVL_EAGAIN:
    // there is none.
    status receive_fds(std::uint32_t most) { return check(evl_stream_receive_fds(c(), most)); }
    result<evl_fd> take_fd() noexcept {
        const evl_fd fd = evl_stream_take_fd(c());
        if (fd < 0)
            return fail(fd);
        return result<evl_fd>(std::in_place, fd);
    }

    // Awaited: moves everything that comes to another stream, until this one ends, and gives how many bytes.
    // The end is not passed on: to.write_eof() does that. Both must stay meanwhile. Errors: those of
    // evl_stream_splice.
    [[nodiscard]] splice_awaitable splice(stream &to) const noexcept { return {c(), to.c()}; }

    // --- writing ---------------------------------------------------------------------------------

    // Sends at once what the kernel takes, and queues a copy of the rest. Does not wait: drain() does, where
    // there is much of it.
    status write(bytes data) { return check(try_write(data)); }
    // The same without an exception: 0, or the error. For the stream of another, whose end is its own affair.
    [[nodiscard]] std::int32_t try_write(bytes data) noexcept {
        return written(evl_stream_write(c(), data.data(), data.size()), data.size());
    }
    // The same of several pieces, one behind the other: write_all({head, body}). They need not be put
    // together before, and go out by one writev where the kernel takes them.
    status write_all(std::span<const bytes> pieces) { return check(try_write_all(pieces)); }
    status write_all(std::initializer_list<bytes> pieces) { return check(try_write_all(pieces)); }
    // The same without an exception: 0, or the error.
    [[nodiscard]] std::int32_t try_write_all(std::span<const bytes> pieces) noexcept {
        constexpr std::size_t most = 1024; // that C takes
        do {
            const auto some = pieces.first(std::min(pieces.size(), most));
            std::size_t size = 0;
            for (const bytes &piece : some)
                size += piece.size();
            const std::int64_t n = evl_stream_writev(c(), some.empty() ? nullptr : some.data()->c(),
                                                     static_cast<std::int32_t>(some.size()));
            pieces = pieces.subspan(some.size());
            if (pieces.empty() || n < 0 || static_cast<std::size_t>(n) != size)
                return written(n, size);
        } while (true);
    }
    [[nodiscard]] std::int32_t try_write_all(std::initializer_list<bytes> pieces) noexcept {
        return try_write_all(std::span<const bytes>(pieces.begin(), pieces.size()));
    }
    // As write, and with the first byte go open fds, to the process at the other end of a Unix socket. The
    // caller keeps its own. Errors: those of evl_stream_write_fds.
    status write_fds(bytes data, std::span<const evl_fd> fds) {
        const std::int32_t count = std::in_range<std::int32_t>(fds.size())
                                       ? static_cast<std::int32_t>(fds.size())
                                       : std::numeric_limits<std::int32_t>::max();
        return check(
            written(evl_stream_write_fds(c(), data.data(), data.size(), fds.data(), count), data.size()));
    }
    // The same as write, and the queue has the string itself.
    status write_owned(std::string data) {
        auto *kept = new (std::nothrow) std::string(std::move(data));
        if (!kept)
            return check(EVL_ENOMEM);
        const auto release = [](void *arg) { delete static_cast<std::string *>(arg); };
        const std::size_t size = kept->size();
        const std::int64_t n = evl_stream_write_ref(c(), kept->data(), size, release, kept);
        if (n < 0)
            delete kept;
        return check(written(n, size));
    }
    // The same of what stays where it is for good.
    status write_static(bytes data) {
        return check(
            written(evl_stream_write_ref(c(), data.data(), data.size(), nullptr, nullptr), data.size()));
    }

    // Awaited: until little enough is queued; until nothing is.
    [[nodiscard]] stream_awaitable drain() const noexcept { return {c(), evl_stream_drain}; }
    [[nodiscard]] stream_awaitable flush() const noexcept { return {c(), evl_stream_flush}; }
    // Awaited: sends a regular file's bytes from offset on, size 0 meaning all, and gives how many.
    [[nodiscard]] sendfile_awaitable sendfile(evl_fd file, std::int64_t offset = 0,
                                              std::size_t size = 0) const noexcept {
        return {c(), file, offset, size};
    }

    // Bytes in the write queue at which writers wait, go on, and fail: see evl_stream_set_marks.
    status set_marks(std::uint32_t high, std::uint32_t low = EVL_AUTO, std::uint32_t hard = 0) {
        return check(evl_stream_set_marks(c(), high, low, hard));
    }
    // Bytes written and not sent yet.
    std::size_t queued() const noexcept { return detail::number<std::size_t>(evl_stream_queued(c())); }

    // --- timeouts --------------------------------------------------------------------------------

    // How long it waits for its peer: for input; for the peer to take output; for either. What waits fails
    // with EVL_ETIMEDOUT then, on_data's function is called with it, and the stream goes on. Each begins anew
    // with every byte, and is there until it is set again; 0 ends it. Errors: EVL_EINVAL for less. For a
    // limit on one await, however much comes, there is timeout(5s, x).
    template <class Rep, class Period>
    status set_read_timeout(std::chrono::duration<Rep, Period> time) {
        return check(evl_stream_set_read_timeout(c(), detail::nanoseconds(time)));
    }
    template <class Rep, class Period>
    status set_write_timeout(std::chrono::duration<Rep, Period> time) {
        return check(evl_stream_set_write_timeout(c(), detail::nanoseconds(time)));
    }
    template <class Rep, class Period>
    status set_idle_timeout(std::chrono::duration<Rep, Period> time) {
        return check(evl_stream_set_idle_timeout(c(), detail::nanoseconds(time)));
    }

    // --- its end ---------------------------------------------------------------------------------

    // The other side sees the end behind what was written.
    status write_eof() { return check(evl_stream_write_eof(c())); }
    // Awaited: until everything is sent and the other end is through. It is still to be closed.
    [[nodiscard]] stream_awaitable shutdown() const noexcept { return {c(), evl_stream_shutdown}; }
    // Closes it and forgets what was not sent.
    void abort() noexcept {
        if (!*this)
            return;
        evl_stream_abort(c());
        closed();
    }
    template <class Rep, class Period>
    status set_linger(std::chrono::duration<Rep, Period> time) {
        return check(evl_stream_set_linger(c(), detail::nanoseconds(time)));
    }

    // Gives its fd up, with what it has read and what nothing has taken: for another loop or library. Errors:
    // EVL_EBUSY when something is queued or awaited, and those of evl_stream_detach; the stream is as it was.
    result<detached_stream> detach() {
        detached_stream made;
        std::size_t size = 0;
        made.fd = evl_stream_detach(c(), nullptr, 0, &size);
        if (made.fd == EVL_ENOBUFS) {
            made.unread.resize(size);
            made.fd = evl_stream_detach(c(), made.unread.data(), size, &size);
        }
        if (made.fd < 0)
            return fail(made.fd);
        closed();
        return result<detached_stream>(std::in_place, std::move(made));
    }

    // --- looking at it ---------------------------------------------------------------------------

    // Counters and state.
    evl_stream_info info() const noexcept {
        evl_stream_info all{};
        all.struct_size = sizeof all;
        evl_stream_get_info(c(), &all);
        return all;
    }
    // The stream's own, for options and for looking at it. The stream reads from it by itself and may have
    // read already: readable(fd()) may wait for what is in its buffer.
    evl_fd fd() const noexcept { return evl_stream_fd(c()); }
    // Its own address and the other end's; none for what has none.
    address local() const noexcept {
        return address::from([this](void *to, std::size_t cap) { return evl_stream_local(c(), to, cap); });
    }
    address peer() const noexcept {
        return address::from([this](void *to, std::size_t cap) { return evl_stream_peer(c(), to, cap); });
    }
    status set_nodelay(bool on) { return check(evl_stream_set_option(c(), EVL_STREAM_OPT_NODELAY, on)); }
    // After so much silence the peer is probed; 0: never.
    status set_keepalive(std::chrono::seconds after) { return set(EVL_STREAM_OPT_KEEPALIVE, after.count()); }
    // The bytes that the kernel holds for sending and for reading; it may round.
    status set_send_buffer(std::int32_t size) { return set(EVL_STREAM_OPT_SEND_BUFFER, size); }
    status set_receive_buffer(std::int32_t size) { return set(EVL_STREAM_OPT_RECEIVE_BUFFER, size); }
    // EVL_STREAM_OPT_*, as the kernel has it; or a negative code.
    std::int32_t option(std::int32_t which) const noexcept { return evl_stream_get_option(c(), which); }

  private:
    template <class Number>
    status set(std::int32_t option, Number value) {
        return check(std::in_range<std::int32_t>(value)
                         ? evl_stream_set_option(c(), option, static_cast<std::int32_t>(value))
                         : EVL_EINVAL);
    }
    static std::int32_t written(std::int64_t n, std::size_t size) noexcept {
        const bool all = n >= 0 && static_cast<std::size_t>(n) == size;
        return all ? 0 : n < 0 ? static_cast<std::int32_t>(n) : EVL_ENOMEM;
    }
};

// --- connecting ----------------------------------------------------------------------------------

// How to connect; by name an address's family only, a time to wait before the next address is tried too.
struct connect_options {
    std::uint32_t flags = 0;             // EVL_NAME_IPV4, EVL_NAME_IPV6
    std::chrono::nanoseconds stagger{0}; // 0: 250 ms
    address local{};                     // to connect from; none: the system's choice
    std::chrono::nanoseconds linger{0};  // of the stream; 0: the loop's
};

class connect_awaitable : public op_awaitable<connect_awaitable, stream> {
  public:
    static constexpr const char *name = "connect";
    connect_awaitable(std::string host, std::string service, const connect_options &options)
        : host_(std::move(host)), service_(std::move(service)), options_(options) {}
    connect_awaitable(address to, const connect_options &options) : to_(to), options_(options) {}
    connect_awaitable(addresses all, const connect_options &options)
        : all_(std::move(all)), options_(options) {}
    connect_awaitable(connect_awaitable &&) = default;
    ~connect_awaitable() { evl_close(made_); }

    std::int32_t start(evl_loop *loop, evl_op *op) noexcept {
        evl_connect_options c{};
        const address_view local = options_.local;
        c.struct_size = sizeof c;
        c.flags = options_.flags;
        c.stagger_ns = options_.stagger.count();
        c.linger_ns = options_.linger.count();
        c.local = local.data();
        c.local_length = local.length();
        if (all_.c())
            return evl_connect_any(loop, op, all_.c(), &c, &made_);
        if (const address_view to = to_)
            return evl_connect_to(loop, op, to.data(), to.length(), &c, &made_);
        return evl_connect(loop, op, host_.c_str(), service_.c_str(), &c, &made_);
    }
    stream finish(std::int64_t) noexcept { return stream(std::exchange(made_, nullptr)); }

  private:
    std::string host_, service_;
    address to_;
    addresses all_;
    connect_options options_;
    evl_stream *made_ = nullptr;
};

// Connects to a host and a service: a name or a literal address, a number or a name. Its addresses are tried
// in turn. Errors: those of evl_connect.
inline connect_awaitable open_connection(std::string host, std::string service,
                                         const connect_options &options = {}) {
    return {std::move(host), std::move(service), options};
}
// The same with a port number.
inline connect_awaitable open_connection(std::string host, std::uint16_t port,
                                         const connect_options &options = {}) {
    return {std::move(host), std::to_string(port), options};
}
// The same to an address, of a Unix socket too: open_connection(address::parse("/run/socket")).
inline connect_awaitable open_connection(address to, const connect_options &options = {}) {
    return {to, options};
}
// The same to what a look-up has found, in its order.
inline connect_awaitable open_connection(addresses all, const connect_options &options = {}) {
    return {std::move(all), options};
}

} // namespace evloop::inline EVLOOP_CPP_ABI
