// server_scenario.cpp - what the walks play with servers and those who connect to them.
#include "stage.hpp"

#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

namespace faults {
namespace {

struct Wait {
    explicit Wait(Ear *ear) { EXPECT_EQ(evl_op_init(&op, Stage::hear, ear, 0), 0); }
    Wait(const Wait &) = delete;
    ~Wait() { EXPECT_EQ(evl_op_close(&op), 0); }
    evl_op op;
};

// One connects, one accepts, and both have a stream unless trouble was told.
void meet(Stage &s, evl_server *server, const std::function<int32_t(evl_op *, evl_stream **)> &connect) {
    evl_stream *taken = nullptr, *made = nullptr;
    Ear *took = s.ear(), *connected = s.ear();
    Wait accept(took), connection(connected);
    bool waits = s.attempt([&] { return evl_server_accept_op(server, &accept.op, &taken); }) == 0;
    if (waits && s.attempt([&] { return connect(&connection.op, &made); }) == 0) {
        s.run_until([&] { return took->times > 0 && connected->times > 0; });
        s.expect(took->times > 0 && connected->times > 0, "two meet");
    }
    for (auto [ear, stream] : {std::pair(took, taken), std::pair(connected, made)})
        EXPECT_EQ(stream != nullptr, ear->times > 0 && ear->last == 0) << "a stream, or an error";
    EXPECT_EQ(evl_close(taken), 0);
    EXPECT_EQ(evl_close(made), 0);
}

void by_port(Stage &s) {
    evl_server *server = nullptr;
    s.attempt([&] { return evl_server_listen(s.loop, "127.0.0.1", "0", nullptr, &server); });
    if (!server)
        return;
    alignas(8) unsigned char address[EVL_ADDRESS_SIZE];
    int32_t length = 0;
    for (int i = 0; i < 2 && length <= 0; i++)
        length = s.attempt([&] { return evl_server_local(server, 0, address, sizeof address); });
    if (length > 0)
        meet(s, server, [&](evl_op *op, evl_stream **out) {
            return evl_connect_to(s.loop, op, address, static_cast<uint32_t>(length), nullptr, out);
        });
    s.attempt([&] { return evl_server_stop(server); });
    EXPECT_EQ(evl_server_sockets(server), 0);
}

void by_path(Stage &s) {
    std::string path = "/tmp/evloop-faults-" + std::to_string(::getpid());
    evl_server *server = nullptr;
    s.attempt([&] { return evl_server_listen_unix(s.loop, path.c_str(), nullptr, &server); });
    if (server)
        meet(s, server,
             [&](evl_op *op, evl_stream **out) { return evl_connect_unix(s.loop, op, path.c_str(), out); });
    EXPECT_EQ(evl_close(server), 0);
    s.expect(::unlink(path.c_str()) != 0 || s.failing == support::Call::lstat ||
                 s.failing == support::Call::unlink || s.failing == support::Call::getsockname,
             "the path is gone");
}

} // namespace

void servers(Stage &s) {
    if (!s.make())
        return;
    by_port(s);
    by_path(s);
}

} // namespace faults
