// udp_walk_test.cpp - random steps on a socket, with a kernel that is full, interrupted and unlucky at
// random: nothing that was accepted is lost, doubled or overtaken, and every operation ends once.
#include "udp.hpp"

#include <random>

using namespace udp;

namespace {

class Walk {
  public:
    explicit Walk(uint32_t seed) : random_(seed), u_(open(w_)) {
        EXPECT_EQ(evl_udp_connect(u_, peer_.address.bytes, peer_.address.length), 0);
        EXPECT_EQ(::connect(peer_.fd, local(u_).raw(), local(u_).length), 0);
        op_ = w_.op([this](int64_t n) {
            EXPECT_TRUE(std::exchange(waiting_, false)) << "ended twice";
            reading_ = false;
            heard(n, n > 0 ? std::string(buf_, static_cast<size_t>(n)) : "");
        });
    }

    void run(int steps) {
        for (int i = 0; i < steps && !::testing::Test::HasFailure(); i++)
            step();
        end();
    }

  private:
    bool chance(uint32_t n) { return random_() % n == 0; }

    void heard(int64_t n, const std::string &text) {
        if (n < 0) { // what the unlucky kernel says, and what the walk itself does to operations
            EXPECT_TRUE(n == EVL_ECANCELED || n == EVL_EACCES) << n;
        } else {
            EXPECT_EQ(text, std::to_string(in_heard_++));
        }
    }

    void step() {
        switch (random_() % 10) {
        case 0:
            if (in_sent_ - in_heard_ < 50) // the kernel drops what does not fit
                send_in();
            break;
        case 1:
            send_one();
            break;
        case 2:
            send_some();
            break;
        case 3:
            receive();
            break;
        case 4:
            stop();
            break;
        case 5:
            push_or_pause();
            break;
        case 6:
            look();
            break;
        case 7:
            disturb();
            break;
        default:
            w_.nowait();
        }
        take_out();
    }

    void send_in() {
        std::string text = std::to_string(in_sent_++);
        EXPECT_EQ(::send(peer_.fd, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    }

    void send_one() {
        std::string text = std::to_string(out_sent_);
        int64_t rc = send(u_, text);
        out_sent_ += rc > 0;
        EXPECT_TRUE(rc > 0 || rc == EVL_EACCES) << rc;
    }

    void send_some() {
        std::vector<std::string> texts;
        std::vector<evl_udp_out> rows;
        for (uint32_t i = 0; i < 1 + random_() % 40; i++)
            texts.push_back(std::to_string(out_sent_ + static_cast<int>(i)));
        for (const std::string &text : texts)
            rows.push_back(
                {.data = text.data(), .len = text.size(), .address = nullptr, .length = 0, .reserved = 0});
        int32_t rc = evl_udp_send_many(u_, rows.data(), static_cast<int32_t>(rows.size()));
        out_sent_ += std::max(rc, 0);
        EXPECT_TRUE(rc > 0 || rc == EVL_EACCES) << rc;
    }

    void receive() {
        int32_t rc = evl_udp_receive(u_, op_, buf_, sizeof buf_, nullptr, nullptr);
        EXPECT_EQ(rc == 0, !waiting_ && !pushing_) << rc;
        waiting_ |= rc == 0;
        reading_ |= rc == 0;
    }

    void stop() {
        reading_ = false;
        if (chance(2))
            evl_op_cancel(op_); // it is told
        else
            waiting_ = evl_op_close(op_) != 0;
    }

    void push_or_pause() {
        if (pushing_) {
            EXPECT_EQ(evl_udp_pause(u_), 0);
            pushing_ = false;
        } else if (!waiting_) {
            push(w_, u_, [this](int64_t n, const std::string &text, const Address &) {
                EXPECT_TRUE(pushing_);
                heard(n, text);
            });
            pushing_ = true;
        }
    }

    void look() {
        char buf[16];
        int64_t n = evl_udp_try_receive(u_, buf, sizeof buf, nullptr, nullptr);
        if (reading_) {
            EXPECT_EQ(n, EVL_EBUSY);
        } else if (n != EVL_EAGAIN) {
            heard(n, n > 0 ? std::string(buf, static_cast<size_t>(n)) : "");
        }
    }

    // Room that is missing is only claimed where the next event will look again.
    void disturb() {
        sys_.fail(chance(2) ? Call::recvmsg : Call::sendmmsg, EINTR, random_() % 3);
        if (evl_udp_queued(u_) == 0)
            sys_.fail(Call::sendto, chance(2) ? EAGAIN : EACCES, random_() % 2);
    }

    void take_out() {
        for (std::string text; (text = peer_.receive()) != "-";)
            ASSERT_EQ(text, std::to_string(out_heard_++));
    }

    void end() {
        if (!pushing_ && !waiting_)
            push_or_pause();
        for (int i = 0; i < 200 && (in_heard_ < in_sent_ || out_heard_ < out_sent_); i++) {
            if (!pushing_ && !waiting_)
                receive();
            w_.nowait();
            take_out();
        }
        EXPECT_EQ(in_heard_, in_sent_);
        EXPECT_EQ(out_heard_, out_sent_);
        EXPECT_EQ(evl_udp_queued(u_), 0);
    }

    World w_;
    Sys sys_;
    std::mt19937 random_;
    Peer peer_;
    evl_udp *u_;
    evl_op *op_;
    char buf_[16];
    bool waiting_ = false, reading_ = false, pushing_ = false;
    int in_sent_ = 0, in_heard_ = 0, out_sent_ = 0, out_heard_ = 0;
};

TEST(Udp, RandomWalk) {
    for (uint32_t seed = 1; seed <= (slow() ? 5u : 20u) && !HasFailure(); seed++) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Walk(seed).run(2000);
    }
}

} // namespace
