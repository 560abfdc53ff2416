// coroutine_test.cpp - TLS for coroutines.
#include "pki.hpp"
#include "world.hpp"

#include <evloop/tls.hpp>

using namespace std::chrono_literals;
using evloop::stream;
using evloop::task;

namespace {

evloop::tls::context server_context() {
    return evloop::tls::context(
        {.flags = EVL_TLS_SERVER, .certificate = pki::file("server"), .alpn = "echo"});
}
evloop::tls::context client_context() {
    return evloop::tls::context({.ca_file = pki::file("ca"), .alpn = "echo"});
}

task<> echo(stream plain, const evloop::tls::context &context) {
    stream s = evloop::tls::upgrade(std::move(plain), context);
    for (std::string line = co_await s.read_line(); !line.empty(); line = co_await s.read_line())
        s.write(line);
}

// Runs a client while an echo server of TLS serves.
template <class Client>
void beside_a_server(Client client) {
    auto main = [&]() -> task<> {
        evloop::tls::context context = server_context();
        evloop::server server = evloop::listen("127.0.0.1", 0);
        server.on_error([](const evloop::unhandled_error &) {});
        auto serving = evloop::spawn(server.serve(echo, std::cref(context)));
        co_await client(server.local(0).port());
        server.stop();
        server.close_clients();
        co_await serving;
    };
    evloop::run(main());
}

TEST(TlsCoroutine, AConnection) {
    beside_a_server([](std::uint16_t port) -> task<> {
        evloop::tls::context trusted = client_context();
        for (bool again : {false, true}) {
            stream s = co_await evloop::tls::open_connection(trusted, "localhost", port);
            evloop::tls::info info = evloop::tls::info_of(s);
            EXPECT_TRUE(info.ready && info.verified);
            EXPECT_EQ(info.version, EVL_TLS_1_3);
            EXPECT_EQ(info.alpn, "echo");
            EXPECT_EQ(info.resumed, again);
            s.write("hello\n");
            EXPECT_EQ(co_await s.read_line(), "hello\n");
            s.write_eof();
            EXPECT_EQ(co_await s.read_all(), "");
        }
    });
}

TEST(TlsCoroutine, Errors) {
    beside_a_server([](std::uint16_t port) -> task<> {
        evloop::tls::context trusted = client_context();
        try {
            (void)co_await evloop::tls::open_connection(trusted, "127.0.0.1", port,
                                                        {.server_name = "example.com"});
            ADD_FAILURE();
        } catch (const std::system_error &error) {
            EXPECT_EQ(error.code().value(), EVL_ETLS_NAME);
        }
        EXPECT_EQ(evloop::tls::context::make({.ca_file = "/nowhere"}).code(), EVL_ENOENT);
        EXPECT_EQ(evloop::tls::try_upgrade(stream(), trusted, "x").code(), EVL_EINVAL);
        EXPECT_FALSE(evloop::tls::info_of(stream()).ready);
    });
}

TEST(TlsCoroutine, InTheMiddleOfAProtocol) {
    auto main = []() -> task<> {
        evloop::tls::context of_server = server_context(), trusted = client_context();
        int fds[2];
        EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        stream near(evloop::this_loop(), fds[0]), far(evloop::this_loop(), fds[1]);
        near.write("STARTTLS\n");
        near = evloop::tls::upgrade(std::move(near), trusted, "localhost");
        EXPECT_EQ(co_await far.read_line(), "STARTTLS\n");
        far = evloop::tls::upgrade(std::move(far), of_server);
        co_await evloop::tls::handshake(near);
        near.write("secret\n");
        EXPECT_EQ(co_await far.read_line(), "secret\n");
    };
    evloop::run(main());
}

// A server that takes the connection and says nothing.
TEST(TlsCoroutine, CancelledAndTooLate) {
    auto main = []() -> task<> {
        evloop::tls::context trusted = client_context();
        evloop::server silent = evloop::listen("127.0.0.1", 0);
        const std::uint16_t port = silent.local(0).port();
        auto connecting = evloop::spawn([](evloop::tls::context with, std::uint16_t to) -> task<> {
            (void)co_await evloop::tls::open_connection(with, "localhost", to);
        }(trusted, port));
        stream accepted = co_await silent.accept();
        EXPECT_NE(co_await accepted.read(), "") << "its first message";
        connecting.cancel();
        try {
            co_await connecting;
            ADD_FAILURE();
        } catch (const evloop::cancelled &) {
        }
        EXPECT_EQ(co_await accepted.read(), "") << "it has gone";
        try {
            (void)co_await evloop::tls::open_connection(trusted, "localhost", port, {.timeout = 5ms});
            ADD_FAILURE();
        } catch (const std::system_error &error) {
            EXPECT_EQ(error.code().value(), EVL_ETIMEDOUT);
        }
    };
    evloop::run(main());
}

} // namespace
