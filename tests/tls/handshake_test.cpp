// handshake_test.cpp - what two sides agree on, and every way in which they do not.
#include "tls.hpp"

#include <openssl/ssl.h>

using namespace tls;

namespace {

const Context::Options server = {EVL_TLS_SERVER, "server"};

TEST(TlsHandshake, WhatWasAgreedOn) {
    for (int32_t version : {EVL_TLS_1_2, EVL_TLS_1_3})
        for (Kind kind : kinds) {
            World w;
            Context s({EVL_TLS_SERVER, "server", "ca", "h2,http/1.1", 0, version});
            Context c({.alpn = "spdy,http/1.1"});
            Both both(w, s, c, "www.example.org", kind);
            EXPECT_EQ(both.shake(), Codes(0, 0));
            for (evl_stream *stream : {both.near, both.far}) {
                evl_tls_info info = tls_info(stream);
                EXPECT_EQ(info.ready, 1);
                EXPECT_EQ(info.version, version);
                EXPECT_EQ(info.resumed, 0);
                EXPECT_EQ(info.error, 0);
                EXPECT_STRNE(info.cipher, "");
                EXPECT_STREQ(info.alpn, "http/1.1");
                EXPECT_STREQ(info.server_name, "www.example.org");
                EXPECT_STREQ(info.reason, "");
            }
            EXPECT_EQ(tls_info(both.near).verified, 1);
            EXPECT_EQ(tls_info(both.far).verified, 0) << "the client has no certificate";
            EXPECT_EQ(both.through(both.near, both.far, "hello"), "hello");
            EXPECT_EQ(both.through(both.far, both.near, "hello yourself"), "hello yourself");
        }
}

TEST(TlsHandshake, AnAddressIsAName) {
    World w;
    Context s(server), c({});
    Both both(w, s, c, "127.0.0.1");
    EXPECT_EQ(both.shake(), Codes(0, 0));
    EXPECT_STREQ(tls_info(both.far).server_name, "") << "addresses are not sent";
}

TEST(TlsHandshake, Certificates) {
    const struct {
        const char *certificate, *ca, *name;
        int32_t version;
        int64_t code;
    } cases[] = {
        {"expired", "ca", "localhost", EVL_TLS_1_3, EVL_ETLS_EXPIRED},
        {"future", "ca", "localhost", EVL_TLS_1_2, EVL_ETLS_EXPIRED},
        {"server", "ca", "example.com", EVL_TLS_1_3, EVL_ETLS_NAME},
        {"server", "ca", "example.com", EVL_TLS_1_2, EVL_ETLS_NAME},
        {"server", "ca", "a.b.example.org", EVL_TLS_1_3, EVL_ETLS_NAME},
        {"server", "ca", "127.0.0.2", EVL_TLS_1_3, EVL_ETLS_NAME},
        {"of_other_ca", "ca", "localhost", EVL_TLS_1_3, EVL_ETLS_UNTRUSTED},
        {"server", "other_ca", "localhost", EVL_TLS_1_2, EVL_ETLS_UNTRUSTED},
    };
    for (auto &[certificate, ca, name, version, code] : cases) {
        SCOPED_TRACE(certificate);
        World w;
        Context s({EVL_TLS_SERVER, certificate, "ca", nullptr, 0, version}), c({.ca = ca});
        {
            Both both(w, s, c, name);
            auto [near, far] = both.shake();
            EXPECT_EQ(near, code);
            // A server of TLS 1.3 is done before it hears.
            EXPECT_EQ(far, EVL_ETLS_CERTIFICATE);
            EXPECT_EQ(tls_info(both.near).error, code);
            EXPECT_STRNE(tls_info(both.near).reason, "");
            EXPECT_EQ(both.read(both.near), code);
            EXPECT_EQ(write(both.near, "x"), code);
            EXPECT_EQ(both.read(both.far), EVL_ETLS_CERTIFICATE);
        }
        Context anyone({.flags = EVL_TLS_INSECURE, .ca = ca});
        Both both(w, s, anyone, name);
        EXPECT_EQ(both.shake(), Codes(0, 0));
        EXPECT_EQ(tls_info(both.near).verified, 0);
    }
}

TEST(TlsHandshake, NoVersionInCommon) {
    World w;
    Context s({EVL_TLS_SERVER, "server", "ca", nullptr, EVL_TLS_1_3, 0}), c({.max = EVL_TLS_1_2});
    Both both(w, s, c);
    EXPECT_EQ(both.shake(), Codes(EVL_ETLS_VERSION, EVL_ETLS_VERSION));
}

TEST(TlsHandshake, NoProtocolInCommon) {
    World w;
    Context s({EVL_TLS_SERVER, "server", "ca", "h2"}), c({.alpn = "http/1.1"}), none({});
    {
        Both both(w, s, c);
        EXPECT_EQ(both.shake(), Codes(EVL_ETLS_ALPN, EVL_ETLS_ALPN));
    }
    Both both(w, s, none);
    EXPECT_EQ(both.shake(), Codes(0, 0));
    EXPECT_STREQ(tls_info(both.near).alpn, "");
}

TEST(TlsHandshake, ClientsCertificates) {
    for (int32_t version : {EVL_TLS_1_2, EVL_TLS_1_3}) {
        World w;
        Context asks({EVL_TLS_SERVER | EVL_TLS_REQUEST_CLIENT, "server", "ca", nullptr, 0, version});
        Context requires_one({EVL_TLS_SERVER | EVL_TLS_REQUIRE_CLIENT, "server", "ca", nullptr, 0, version});
        Context none({}), good({.certificate = "client"}), bad({.certificate = "of_other_ca"});
        for (evl_tls_context *s :
             {static_cast<evl_tls_context *>(asks), static_cast<evl_tls_context *>(requires_one)}) {
            Both both(w, s, good);
            EXPECT_EQ(both.shake(), Codes(0, 0));
            EXPECT_EQ(tls_info(both.far).verified, 1);
            std::string pem(10000, '\0');
            int64_t n = evl_tls_peer_certificate(both.far, pem.data(), pem.size());
            EXPECT_TRUE(pem.starts_with("-----BEGIN CERTIFICATE-----"));
            EXPECT_EQ(evl_tls_peer_certificate(both.far, pem.data(), 10), n);
            EXPECT_STREQ(pem.c_str(), "-----BEGI");
            EXPECT_EQ(evl_tls_peer_certificate(both.far, nullptr, 0), n);
            EXPECT_GT(evl_tls_peer_certificate(both.near, nullptr, 0), 0);
        }
        for (evl_tls_context *s :
             {static_cast<evl_tls_context *>(asks), static_cast<evl_tls_context *>(requires_one)}) {
            Both both(w, s, bad);
            EXPECT_EQ(both.shake().second, EVL_ETLS_UNTRUSTED);
            EXPECT_EQ(both.read(both.near), EVL_ETLS_CERTIFICATE);
        }
        {
            Both both(w, asks, none);
            EXPECT_EQ(both.shake(), Codes(0, 0));
            EXPECT_EQ(evl_tls_peer_certificate(both.far, nullptr, 0), EVL_ENOENT);
        }
        Both both(w, requires_one, none);
        EXPECT_EQ(both.shake().second, EVL_ETLS_UNTRUSTED);
        EXPECT_EQ(both.read(both.near), EVL_ETLS_CERTIFICATE);
    }
}

TEST(TlsHandshake, ServersOfSeveralNames) {
    World w;
    Context s(server), second({EVL_TLS_SERVER, "second"}), c({});
    EXPECT_EQ(evl_tls_context_add_name(s, "second.test", second), 0);
    for (const char *name : {"second.test", "localhost"}) {
        Both both(w, s, c, name);
        EXPECT_EQ(both.shake(), Codes(0, 0)) << name;
    }
    EXPECT_EQ(evl_tls_context_add_name(s, "second.test", s), EVL_EINVAL);
    EXPECT_EQ(evl_tls_context_add_name(s, "second.test", c), EVL_EINVAL);
    EXPECT_EQ(evl_tls_context_add_name(c, "second.test", s), EVL_EINVAL);
}

TEST(TlsHandshake, SessionsAreResumed) {
    for (int32_t version : {EVL_TLS_1_2, EVL_TLS_1_3}) {
        World w;
        Context s({EVL_TLS_SERVER, "server", "ca", nullptr, 0, version}), c({}),
            never({.flags = EVL_TLS_NO_SESSIONS});
        for (evl_tls_context *client :
             {static_cast<evl_tls_context *>(c), static_cast<evl_tls_context *>(never)})
            for (int i = 0; i < 3; i++) {
                Both both(w, s, client);
                EXPECT_EQ(both.shake(), Codes(0, 0));
                EXPECT_EQ(both.through(both.far, both.near, "with this come the tickets"),
                          "with this come the tickets");
                EXPECT_EQ(tls_info(both.near).resumed, i > 0 && client == c) << i;
                EXPECT_EQ(tls_info(both.near).verified, 1);
            }
        Both both(w, s, c, "www.example.org");
        EXPECT_EQ(both.shake(), Codes(0, 0));
        EXPECT_EQ(tls_info(both.near).resumed, 0) << "another name, another session";
    }
}

// A peer that speaks something else, or nothing, or goes away.
TEST(TlsHandshake, NoPeer) {
    for (bool is_server : {false, true}) {
        Context context(is_server ? server : Context::Options{});
        const std::pair<const char *, int64_t> cases[] = {
            {"220 welcome to something else\r\n", EVL_ETLS_PROTOCOL}, {"", EVL_ETLS_TRUNCATED}};
        for (auto [text, code] : cases) {
            World w;
            Pair pair;
            evl_tls_options options = named("localhost");
            evl_stream *s = nullptr;
            Fd other = std::move(pair.b);
            ::fcntl(other, F_SETFL, O_NONBLOCK);
            ASSERT_EQ(evl_tls_open(w.loop, give(pair.a), context, &options, &s), 0);
            Wait a(w), b(w);
            Read r(w);
            EXPECT_EQ(evl_tls_handshake(s, a.op), 0);
            EXPECT_EQ(r.some(s), 0);
            EXPECT_EQ(evl_op_deadline(a.op, evl_now(w.loop)), 0);
            pump(w, [&] { return a.done(); });
            EXPECT_EQ(a.result, EVL_ETIMEDOUT);
            EXPECT_EQ(evl_tls_handshake(s, a.op), 0);
            EXPECT_EQ(evl_op_cancel(a.op), 1);
            EXPECT_EQ(evl_tls_handshake(s, b.op), 0);
            EXPECT_EQ(write(s, "queued"), 6);
            passes(w);
            EXPECT_FALSE(b.done() || r.done());
            EXPECT_EQ(tls_info(s).ready, 0);
            EXPECT_STREQ(tls_info(s).cipher, "");
            EXPECT_EQ(got(other).empty(), is_server);
            put(other, text);
            if (!*text)
                other.close();
            pump(w, [&] { return b.done() && r.done(); });
            EXPECT_EQ(b.result, code) << text;
            EXPECT_EQ(r.result, code) << text;
            EXPECT_EQ(a.result, EVL_ECANCELED);
            EXPECT_EQ(write(s, "more"), code);
            EXPECT_EQ(evl_close(s), 0);
            EXPECT_EQ(w.run(), EVL_RUN_DONE) << "nothing lingers";
        }
    }
}

// Whatever is waiting when it is closed, or when the loop goes.
TEST(TlsHandshake, ClosedMeanwhile) {
    for (int how = 0; how < 4; how++) {
        World w;
        Context s(server), c({});
        Both both(w, s, c);
        Wait a(w);
        EXPECT_EQ(evl_tls_handshake(both.near, a.op), 0);
        EXPECT_EQ(write(both.near, "hello"), 5);
        passes(w, how / 2);
        if (how % 2) {
            EXPECT_EQ(evl_close(both.near), 0);
            both.near = nullptr;
            pump(w, [&] { return a.done(); });
            EXPECT_EQ(a.result, EVL_ECLOSED);
            Read r(w);
            EXPECT_EQ(r.some(both.far), 0); // what was written arrives, and the end
            pump(w, [&] { return r.done(); });
            EXPECT_EQ(r.text(), "hello");
            EXPECT_EQ(both.read(both.far), 0);
        } else {
            EXPECT_EQ(w.destroy(), 0);
            both.near = both.far = nullptr;
        }
    }
}

// New keys in the middle of much, in both directions.
TEST(TlsHandshake, KeysAreUpdated) {
    World w;
    Context s(server), c({});
    Both both(w, s, c, "localhost", Kind::tcp);
    EXPECT_EQ(both.shake(), Codes(0, 0));
    std::string text = pattern(300000);
    for (int i = 0; i < 5; i++) {
        for (evl_stream *stream : {both.near, both.far})
            EXPECT_EQ(SSL_key_update(static_cast<SSL *>(evl_tls_native(stream)), SSL_KEY_UPDATE_REQUESTED),
                      1);
        Read there(w, text.size()), back(w, text.size());
        EXPECT_EQ(write(both.near, text), 300000);
        EXPECT_EQ(write(both.far, text), 300000);
        EXPECT_EQ(there.exactly(both.far, text.size()), 0);
        EXPECT_EQ(back.exactly(both.near, text.size()), 0);
        pump(w, [&] { return there.done() && back.done(); });
        EXPECT_TRUE(there.text() == text && back.text() == text);
    }
}

TEST(TlsHandshake, RenegotiationIsRefused) {
    World w;
    Context s({EVL_TLS_SERVER, "server", "ca", nullptr, 0, EVL_TLS_1_2}), c({});
    Both both(w, s, c);
    EXPECT_EQ(both.shake(), Codes(0, 0));
    SSL *ssl = static_cast<SSL *>(evl_tls_native(both.near));
    SSL_clear_options(ssl, SSL_OP_NO_RENEGOTIATION);
    EXPECT_EQ(SSL_renegotiate(ssl), 1);
    EXPECT_EQ(write(both.near, "x"), 1);
    Read near(w), far(w);
    EXPECT_EQ(near.some(both.near), 0);
    EXPECT_EQ(far.some(both.far), 0);
    pump(w, [&] { return near.done(); });
    EXPECT_EQ(near.result, EVL_ETLS_PROTOCOL);
}

} // namespace
