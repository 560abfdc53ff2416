// evloop/udp.hpp - datagrams: UDP, and Unix sockets of datagrams.
//
//     evloop::udp socket = evloop::open_udp(evloop::address::parse("127.0.0.1", 7777));
//     std::array<char, 2048> data;
//     auto [size, from] = co_await socket.receive(data);
//     socket.send({data.data(), size}, from);
#pragma once

#include "address.hpp"
#include "bytes.hpp"
#include "handles.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

// What was received: into the caller's room, or with its bytes.
struct datagram {
    std::size_t size = 0; // bytes received
    address from{};       // its sender
};
// A datagram with its bytes.
struct datagram_string {
    std::string data; // the bytes
    address from{};   // its sender
};

class receive_awaitable : public op_awaitable<receive_awaitable, datagram> {
  public:
    static constexpr const char *name = "receive";
    receive_awaitable(evl_udp *udp, room to) noexcept : udp_(udp), to_(to) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept {
        return evl_udp_receive(udp_, op, to_.data(), to_.size(), from_.room(), from_.length());
    }
    datagram finish(std::int64_t n) noexcept { return {static_cast<std::size_t>(n), from_}; }

  private:
    evl_udp *udp_;
    room to_;
    address from_;
};

class receive_string_awaitable : public op_awaitable<receive_string_awaitable, datagram_string> {
  public:
    static constexpr const char *name = "receive";
    receive_string_awaitable(evl_udp *udp, std::size_t most) : udp_(udp), data_(most, '\0') {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept {
        return evl_udp_receive(udp_, op, data_.data(), data_.size(), from_.room(), from_.length());
    }
    datagram_string finish(std::int64_t n) {
        data_.resize(static_cast<std::size_t>(n));
        return {std::move(data_), from_};
    }

  private:
    evl_udp *udp_;
    std::string data_;
    address from_;
};

class udp_awaitable : public op_awaitable<udp_awaitable> {
  public:
    static constexpr const char *name = "udp";
    udp_awaitable(evl_udp *udp, std::int32_t (*start)(evl_udp *, evl_op *)) noexcept
        : udp_(udp), start_(start) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return start_(udp_, op); }

  private:
    evl_udp *udp_;
    std::int32_t (*start_)(evl_udp *, evl_op *);
};

// A socket of datagrams. It must not be moved while a datagram is awaited.
class udp : public handle {
  public:
    udp() noexcept = default;
    explicit udp(evl_udp *made) noexcept : handle(made) {}
#if EVLOOP_EXCEPTIONS
    explicit udp(loop_ref loop, address_view where = {}, std::uint32_t flags = 0)
        : udp(make(loop, where, flags).value()) {}
#endif
    // Binds an address, or one of the system's choice at the first send; flags are EVL_UDP_*.
    static result<udp> make(loop_ref loop, address_view where = {}, std::uint32_t flags = 0) noexcept {
        evl_udp *made = nullptr;
        const std::int32_t rc = evl_udp_open(loop, where.data(), where.length(), flags, &made);
        if (rc < 0)
            return fail(rc);
        return udp(made);
    }
    // Takes over an open socket.
    static result<udp> take(loop_ref loop, evl_fd fd, std::uint32_t flags = 0) noexcept {
        evl_udp *made = nullptr;
        if (const std::int32_t rc = evl_udp_open_fd(loop, fd, flags, &made); rc < 0)
            return fail(rc);
        return udp(made);
    }

    // The address that is sent to and received from; none ends that.
    status connect(address_view to) { return check(evl_udp_connect(c(), to.data(), to.length())); }

    // Sends at once, or queues a copy; to the connected address unless another is given. Does not wait:
    // drain() and flush() do.
    status send(bytes data, address_view to = {}) {
        const std::int64_t n = evl_udp_send(c(), data.data(), data.size(), to.data(), to.length());
        return check(n < 0 ? static_cast<std::int32_t>(n) : 0);
    }
    [[nodiscard]] udp_awaitable drain() const noexcept { return {c(), evl_udp_drain}; }
    [[nodiscard]] udp_awaitable flush() const noexcept { return {c(), evl_udp_flush}; }

    // Awaited: a datagram, into a room that must stay meanwhile, or as a string. Fails with EVL_EMSGSIZE when
    // it is longer, and with what the network reports of what was sent; the socket goes on.
    [[nodiscard]] receive_awaitable receive(room to) const noexcept { return {c(), to}; }
    [[nodiscard]] receive_string_awaitable receive(std::size_t most = 64 * 1024) const { return {c(), most}; }

    // From now on fn(n) is called for each datagram, which data() and from() lend until it returns; or n is
    // an error.
    template <callable F>
    status on_data(F &&fn) {
        return check(
            hear(std::forward<F>(fn), [this](void *arg) { return evl_udp_on_data(c(), done, arg); }));
    }
    std::string_view data() const noexcept {
        const void *data = nullptr;
        const std::int64_t n = evl_udp_peek(c(), &data, nullptr, nullptr);
        return n > 0 ? std::string_view(static_cast<const char *>(data), static_cast<std::size_t>(n))
                     : std::string_view();
    }
    address_view from() const noexcept {
        const void *from = nullptr;
        std::uint32_t length = 0;
        return evl_udp_peek(c(), nullptr, &from, &length) >= 0 ? address_view(from, length) : address_view();
    }
    void pause() noexcept { evl_udp_pause(c()); }
    status resume() { return check(evl_udp_resume(c())); }

    // Bytes in the send queue at which senders wait, go on, and fail: see evl_udp_set_marks.
    status set_marks(std::uint32_t high, std::uint32_t low = EVL_AUTO, std::uint32_t hard = 0) {
        return check(evl_udp_set_marks(c(), high, low, hard));
    }
    // Bytes queued and not sent yet.
    std::size_t queued() const noexcept { return detail::number<std::size_t>(evl_udp_queued(c())); }

    evl_fd fd() const noexcept { return evl_udp_fd(c()); }
    // The address that it is bound to; none where it is not.
    address local() const noexcept {
        return address::from([this](void *to, std::size_t cap) { return evl_udp_local(c(), to, cap); });
    }
    // The address that it is connected to; none where it is not.
    address peer() const noexcept {
        return address::from([this](void *to, std::size_t cap) { return evl_udp_peer(c(), to, cap); });
    }
    // EVL_UDP_OPT_*
    status set_option(std::int32_t option, std::int32_t value) {
        return check(evl_udp_set_option(c(), option, value));
    }
    // A multicast group, by an interface and of a source of its own where they are given.
    status join(address_view group, std::uint32_t interface = 0, address_view source = {}) {
        return check(
            evl_udp_join(c(), group.data(), group.length(), interface, source.data(), source.length()));
    }
    status leave(address_view group, std::uint32_t interface = 0, address_view source = {}) {
        return check(
            evl_udp_leave(c(), group.data(), group.length(), interface, source.data(), source.length()));
    }
};

#if EVLOOP_EXCEPTIONS
// On the loop of the running task. Errors: those of evl_udp_open.
inline udp open_udp(address_view where = {}, std::uint32_t flags = 0) {
    return udp(this_loop(), where, flags);
}
#endif

} // namespace evloop::inline EVLOOP_CPP_ABI
