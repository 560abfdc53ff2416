// udp_scenario.cpp - what the walks play with datagrams. What is lost on its way is sent again, as a program
// over UDP does.
#include "step.hpp"

#include <gtest/gtest.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>

namespace faults {
namespace {

constexpr int kTries = 40;

evl_udp *open(Stage &s, uint32_t flags) {
    Address any;
    EXPECT_EQ(evl_address_parse("127.0.0.1", 0, any.bytes, sizeof any.bytes, &any.length), 0);
    evl_udp *u = nullptr;
    s.attempt([&] { return evl_udp_open(s.loop, any.bytes, any.length, flags, &u); });
    return u;
}

Address local(Stage &s, const evl_udp *u) {
    Address out;
    for (int i = 0; i < 2 && out.length == 0; i++) {
        int32_t n = s.attempt([&] { return evl_udp_local(u, out.bytes, sizeof out.bytes); });
        out.length = n > 0 ? static_cast<uint32_t>(n) : 0;
    }
    return out;
}

// Answers whether it went, or was queued.
bool send(Stage &s, evl_udp *u, const char *text, const Address *to) {
    return s.attempt([&] {
        return static_cast<int32_t>(evl_udp_send(u, text, 4, to ? to->bytes : nullptr, to ? to->length : 0));
    }) == 4;
}

// --- by operations ----------------------------------------------------------------------------------------

// A datagram comes within some tries, unless trouble was told.
void receive(Stage &s, evl_udp *from, evl_udp *to, const Address *address) {
    char buf[16];
    bool got = false;
    for (int i = 0; i < kTries && !got; i++) {
        evl_op op;
        Ear *ear = s.ear();
        Address sender;
        EXPECT_EQ(evl_op_init(&op, Stage::hear, ear, 0), 0);
        if (s.attempt(
                [&] { return evl_udp_receive(to, &op, buf, sizeof buf, sender.bytes, &sender.length); }) < 0)
            return; // it has no fd any more, and that was told
        send(s, from, "ping", address);
        s.nowait();
        s.nowait();
        got = ear->total == 4 && std::string(buf, 4) == "ping";
        EXPECT_EQ(evl_op_close(&op), 0);
    }
    s.expect(got, "a datagram comes");
}

// --- by pushing, in batches
// ---------------------------------------------------------------------------------

struct Heard {
    Stage *stage;
    int times = 0;
    static void push(void *arg, int64_t result) {
        auto *heard = static_cast<Heard *>(arg);
        heard->times++;
        if (result < 0)
            heard->stage->tell(result);
    }
};

void push_many(Stage &s, evl_udp *from, evl_udp *to, const Address &address) {
    Heard heard{&s};
    if (s.attempt([&] { return evl_udp_on_data(to, Heard::push, &heard); }) != 0)
        return;
    std::vector<evl_udp_out> rows(
        40, {.data = "many", .len = 4, .address = address.bytes, .length = address.length, .reserved = 0});
    for (int i = 0; i < kTries && heard.times < 40; i++) {
        s.attempt([&] { return evl_udp_send_many(from, rows.data(), 40); });
        for (int pass = 0; pass < 4; pass++)
            s.nowait();
    }
    s.expect(heard.times >= 40, "all of a batch come");
    EXPECT_EQ(evl_udp_pause(to), 0);
}

void look_many(Stage &s, evl_udp *from, evl_udp *to, const Address &address) {
    char data[8][8];
    evl_udp_in rows[8];
    for (int i = 0; i < 8; i++)
        rows[i] = {.data = data[i], .cap = 8, .address = nullptr, .length = 0, .result = 0};
    int32_t got = 0;
    for (int i = 0; i < kTries && got <= 0; i++) {
        send(s, from, "look", &address);
        s.nowait();
        got = evl_udp_try_receive_many(to, rows, 8);
        if (got < 0 && got != EVL_EAGAIN)
            s.tell(got);
    }
    s.expect(got > 0, "there is something to see");
}

// --- through the queue
// --------------------------------------------------------------------------------------

// A Unix socket that nobody reads fills up; when somebody does, everything comes in order.
void fill_and_empty(Stage &s, evl_udp *u, int theirs) {
    int sent = 0, got = 0;
    s.attempt([&] { return evl_udp_set_option(u, EVL_UDP_OPT_SEND_BUFFER, 1); });
    for (int i = 0; i < 600 && evl_udp_queued(u) < 3 * EVL_UDP_OVERHEAD; i++)
        sent += send(s, u, "next", nullptr);
    evl_op op;
    Ear *flushed = s.ear();
    EXPECT_EQ(evl_op_init(&op, Stage::hear, flushed, 0), 0);
    s.attempt([&] { return evl_udp_flush(u, &op); });
    char buf[8];
    for (int i = 0; i < 1000 && (got < sent || flushed->times == 0); i++) {
        if (::recv(theirs, buf, sizeof buf, MSG_DONTWAIT) == 4)
            got++;
        else
            s.nowait();
    }
    s.expect(got == sent && evl_udp_queued(u) == 0, "all that was queued comes");
    s.expect(flushed->times == 1, "and that is told");
    EXPECT_EQ(evl_op_close(&op), 0);
}

void queued(Stage &s) {
    int fds[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
    support::Fd ours(fds[0]), theirs(fds[1]);
    evl_udp *u = nullptr;
    if (s.attempt([&] { return evl_udp_open_fd(s.loop, ours, EVL_UDP_KEEP_FD, &u); }) != 0)
        return;
    int64_t probe = evl_udp_send(u, nullptr, 0, nullptr, 0);
    if (probe == EVL_EDESTADDRREQ) {
        EXPECT_EQ(s.failing, support::Call::getpeername) << "its other end was said not to be there";
    } else {
        if (probe < 0)
            s.tell(probe);
        fill_and_empty(s, u, theirs);
    }
    EXPECT_EQ(evl_close(u), 0);
}

} // namespace

void datagrams(Stage &s) {
    if (!s.make())
        return;
    evl_udp *a = open(s, EVL_UDP_REUSEADDR | EVL_UDP_BROADCAST), *b = open(s, 0);
    if (a && b) {
        Address to_a = local(s, a), to_b = local(s, b);
        for (int i = 0; i < 2; i++) { // again when interrupted, or when the kernel was busy
            int32_t rc = evl_udp_connect(b, to_a.bytes, to_a.length);
            if (rc == 0)
                break;
            if (rc != EVL_EAGAIN)
                s.tell(rc);
        }
        s.attempt([&] { return evl_udp_set_option(a, EVL_UDP_OPT_TTL, 5); });
        receive(s, b, a, &to_a);
        receive(s, a, b, &to_b);
        push_many(s, a, b, to_b);
        look_many(s, b, a, to_a);
        EXPECT_EQ(evl_close(b), 0);
    }
    queued(s);
}

} // namespace faults
