// tls.hpp - pairs of TLS streams, and contexts from the tests' certificates.
#pragma once

#include "../contract/streams.hpp"
#include "pki.hpp"

#include <evloop/tls.h>

namespace tls {

using namespace streams;

// A context, with the names of the files in place of their paths.
class Context {
  public:
    struct Options {
        uint32_t flags = 0;
        const char *certificate = nullptr;
        const char *ca = "ca";
        const char *alpn = nullptr;
        int32_t min = 0, max = 0;
    };
    explicit Context(Options o) {
        std::string certificate = o.certificate ? pki::file(o.certificate) : "", ca = pki::file(o.ca);
        evl_tls_context_options options{};
        options.struct_size = sizeof options;
        options.flags = o.flags;
        options.certificate = o.certificate ? certificate.c_str() : nullptr;
        options.ca_file = ca.c_str();
        options.alpn = o.alpn;
        options.min_version = o.min;
        options.max_version = o.max;
        EXPECT_EQ(evl_tls_context_new(&options, &context_), 0);
    }
    Context(const Context &) = delete;
    ~Context() { evl_tls_context_unref(context_); }
    operator evl_tls_context *() const { return context_; }

  private:
    evl_tls_context *context_ = nullptr;
};

inline evl_tls_options named(const char *name) {
    evl_tls_options options{};
    options.struct_size = sizeof options;
    options.server_name = name;
    return options;
}

inline evl_tls_info tls_info(const evl_stream *s) {
    evl_tls_info info{};
    info.struct_size = sizeof info;
    EXPECT_EQ(evl_tls_get_info(s, &info), 0);
    return info;
}

// Two streams that talk TLS to each other.
struct Both {
    Both(World &world, evl_tls_context *server, evl_tls_context *client, const char *name = "localhost",
         Kind kind = Kind::local)
        : w(world) {
        Tcp tcp;
        Pair pair;
        int size = kind == Kind::tcp ? 65536 : 4096;
        Fd *ends[] = {kind == Kind::tcp ? &tcp.a : &pair.a, kind == Kind::tcp ? &tcp.b : &pair.b};
        for (Fd *end : ends) {
            ::setsockopt(*end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
            ::setsockopt(*end, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        }
        evl_tls_options options = named(name);
        EXPECT_EQ(evl_tls_open(w.loop, give(*ends[0]), client, &options, &near), 0);
        EXPECT_EQ(evl_tls_open(w.loop, give(*ends[1]), server, nullptr, &far), 0);
    }
    Both(const Both &) = delete;
    ~Both() {
        EXPECT_EQ(evl_stream_abort(near), 0);
        EXPECT_EQ(evl_stream_abort(far), 0);
    }
    // Shakes hands: what each side gets.
    std::pair<int64_t, int64_t> shake() {
        Wait a(w), b(w);
        EXPECT_GE(evl_tls_handshake(near, a.op), 0);
        EXPECT_GE(evl_tls_handshake(far, b.op), 0);
        pump(w, [&] { return a.done() && b.done(); });
        return {a.result, b.result};
    }
    // Bytes that go from one to the other.
    std::string through(evl_stream *from, evl_stream *to, const std::string &text) {
        Read r(w, text.size());
        EXPECT_EQ(write(from, text), static_cast<int64_t>(text.size()));
        EXPECT_EQ(r.exactly(to, text.size()), 0);
        pump(w, [&] { return r.done(); });
        return r.text();
    }
    // What a read gets.
    int64_t read(evl_stream *s) {
        Read r(w);
        EXPECT_EQ(r.some(s), 0);
        pump(w, [&] { return r.done(); });
        return r.result;
    }

    World &w;
    evl_stream *near = nullptr, *far = nullptr;
};

using Codes = std::pair<int64_t, int64_t>;

} // namespace tls
