// evloop/address.hpp - addresses: from text and names, to text.
//
//     evloop::address any = evloop::address::parse("127.0.0.1", 8080);
//     evloop::addresses found = co_await evloop::lookup("localhost", "http");
//     for (evloop::address_view address : found)
//         puts(address.text().c_str());
#pragma once

#include "op.hpp"

#include <cstring>
#include <string>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

// The family of an address.
enum class family : std::int32_t {
    none = 0,
    unix_path = EVL_FAMILY_UNIX,
    ipv4 = EVL_FAMILY_IPV4,
    ipv6 = EVL_FAMILY_IPV6
};

// A borrowed struct sockaddr and its length.
class address_view {
  public:
    address_view() noexcept = default;
    address_view(const void *data, std::uint32_t length) noexcept : data_(data), length_(length) {}

    // What system calls take; nullptr when there is none.
    const void *data() const noexcept { return data_; }
    std::uint32_t length() const noexcept { return length_; }
    explicit operator bool() const noexcept { return data_ != nullptr; }

    // family::none when there is no address, or one of another family.
    evloop::family family() const noexcept {
        const std::int32_t number = evl_address_family(data_, length_);
        return number > 0 ? evloop::family(number) : evloop::family::none;
    }
    // In host byte order; 0 where there is none.
    std::uint16_t port() const noexcept {
        const std::int32_t number = evl_address_port(data_, length_);
        return number > 0 ? static_cast<std::uint16_t>(number) : std::uint16_t(0);
    }

    // "127.0.0.1:80", "[::1]:80", a path; host() without the port. "" for none.
    std::string text() const { return written(evl_address_text); }
    std::string host() const { return written(evl_address_host); }

  private:
    std::string written(std::int32_t (*write)(const void *, std::uint32_t, char *, std::size_t)) const {
        char text[EVL_ADDRESS_TEXT];
        return write(data_, length_, text, sizeof text) >= 0 ? std::string(text) : std::string();
    }

    const void *data_ = nullptr;
    std::uint32_t length_ = 0;
};

// An address of one's own.
class address {
  public:
    address() noexcept = default;
    address(address_view other) noexcept : length_(other.length() <= sizeof room_ ? other.length() : 0) {
        if (length_ > 0)
            std::memcpy(room_, other.data(), length_);
    }

    // A literal IPv4 or IPv6 address and a port, or a Unix path. Errors: those of evl_address_parse.
    static result<address> make(const char *text, std::uint16_t port = 0) noexcept {
        address made;
        const std::int32_t rc = evl_address_parse(text, port, made.room_, sizeof made.room_, &made.length_);
        if (rc < 0)
            return fail(rc);
        return made;
    }
#if EVLOOP_EXCEPTIONS
    static address parse(const char *text, std::uint16_t port = 0) { return make(text, port).value(); }
#endif

    // From a call that writes up to so many bytes there and returns the length.
    template <class Write>
    static address from(Write write) noexcept {
        address made;
        const std::int32_t length = write(made.room_, sizeof made.room_);
        if (length > 0 && static_cast<std::size_t>(length) <= sizeof made.room_)
            made.length_ = static_cast<std::uint32_t>(length);
        return made;
    }

    // A view of it, valid as long as the address stays where it is and unchanged.
    operator address_view() const noexcept {
        return length_ > 0 ? address_view(room_, length_) : address_view();
    }
    explicit operator bool() const noexcept { return length_ > 0; }
    // As those of address_view.
    evloop::family family() const noexcept { return address_view(*this).family(); }
    std::uint16_t port() const noexcept { return address_view(*this).port(); }
    std::string text() const { return address_view(*this).text(); }
    std::string host() const { return address_view(*this).host(); }

    friend bool operator==(const address &a, const address &b) noexcept {
        return a.length_ == b.length_ && std::memcmp(a.room_, b.room_, a.length_) == 0;
    }

    // For calls that write an address: room of EVL_ADDRESS_SIZE bytes, and its length.
    void *room() noexcept { return room_; }
    std::uint32_t *length() noexcept { return &length_; }

  private:
    alignas(8) unsigned char room_[EVL_ADDRESS_SIZE] = {};
    std::uint32_t length_ = 0;
};

// What a look-up found, in the order in which to try them: a range of address_view.
class addresses {
  public:
    addresses() noexcept = default;
    explicit addresses(evl_addresses *list) noexcept : c_(list) {}
    addresses(addresses &&other) noexcept : c_(std::exchange(other.c_, nullptr)) {}
    addresses &operator=(addresses other) noexcept {
        std::swap(c_, other.c_);
        return *this;
    }
    ~addresses() { evl_addresses_free(c_); }

    const evl_addresses *c() const noexcept { return c_; }
    std::int32_t size() const noexcept { return evl_addresses_count(c_); }
    address_view operator[](std::int32_t n) const noexcept {
        std::uint32_t length = 0;
        const void *data = evl_addresses_at(c_, n, &length);
        return {data, length};
    }
    const char *canonical() const noexcept { return evl_addresses_canonical(c_); }

    class iterator {
      public:
        using value_type = address_view;
        using difference_type = std::int32_t;
        iterator() noexcept = default;
        iterator(const addresses &of, std::int32_t n) noexcept : of_(&of), n_(n) {}
        address_view operator*() const noexcept { return (*of_)[n_]; }
        iterator &operator++() noexcept {
            n_++;
            return *this;
        }
        iterator operator++(int) noexcept { return {*of_, n_++}; }
        bool operator==(const iterator &) const noexcept = default;

      private:
        const addresses *of_ = nullptr;
        std::int32_t n_ = 0;
    };
    iterator begin() const noexcept { return {*this, 0}; }
    iterator end() const noexcept { return {*this, size()}; }

  private:
    evl_addresses *c_ = nullptr;
};

class lookup_awaitable : public op_awaitable<lookup_awaitable, addresses> {
  public:
    static constexpr const char *name = "lookup";
    lookup_awaitable(std::string host, std::string service, std::uint32_t flags)
        : host_(std::move(host)), service_(std::move(service)), flags_(flags) {}
    lookup_awaitable(lookup_awaitable &&) = default;
    ~lookup_awaitable() { evl_addresses_free(found_); }

    std::int32_t start(evl_loop *loop, evl_op *op) noexcept {
        return evl_getaddrinfo(loop, op, host_.empty() ? nullptr : host_.c_str(),
                               service_.empty() ? nullptr : service_.c_str(), flags_, &found_);
    }
    addresses finish(std::int64_t) noexcept { return addresses(std::exchange(found_, nullptr)); }

  private:
    std::string host_, service_;
    std::uint32_t flags_;
    evl_addresses *found_ = nullptr;
};

// Looks up the addresses of a host and a service; flags are EVL_NAME_*. Errors: those of evl_getaddrinfo.
inline lookup_awaitable lookup(std::string host, std::string service = {}, std::uint32_t flags = 0) {
    return {std::move(host), std::move(service), flags};
}

// What an address is called.
struct names {
    std::string host;    // or the address as text, where it has no name
    std::string service; // or the port as a number
};

class reverse_lookup_awaitable : public op_awaitable<reverse_lookup_awaitable, names> {
  public:
    static constexpr const char *name = "reverse lookup";
    reverse_lookup_awaitable(address of, std::uint32_t flags) noexcept : of_(of), flags_(flags) {}

    std::int32_t start(evl_loop *loop, evl_op *op) noexcept {
        const address_view of = of_;
        return evl_getnameinfo(loop, op, of.data(), of.length(), flags_, host_, sizeof host_, service_,
                               sizeof service_);
    }
    names finish(std::int64_t) { return {host_, service_}; }

  private:
    address of_;
    std::uint32_t flags_;
    char host_[1025] = {}, service_[32] = {}; // as long as the system's may be
};

// Looks up the names of an address. Errors: those of evl_getnameinfo.
inline reverse_lookup_awaitable reverse_lookup(address of, std::uint32_t flags = 0) noexcept {
    return {of, flags};
}

} // namespace evloop::inline EVLOOP_CPP_ABI
