// resolver_test.cpp - look-ups by a resolver of the program's: at once, later, too late.
#include "world.hpp"

#include <cstring>
#include <netinet/in.h>
#include <sys/un.h>

namespace resolver {

using namespace support;

namespace {

// A resolver that the test plays, and what it was asked.
struct Scene {
    explicit Scene(Options options = {.clock = EVL_CLOCK_REAL}) : w(options) {
        EXPECT_EQ(evl_loop_set_resolver(w.loop, resolve, this), 0);
    }
    ~Scene() { evl_addresses_free(list); }

    static int32_t resolve(void *self, evl_resolution *r, const char *host, const char *service,
                           uint32_t flags) {
        auto &s = *static_cast<Scene *>(self);
        s.asked += std::string(s.asked.empty() ? "" : " ") + host + ":" + (service ? service : "-") + ":" +
                   std::to_string(flags);
        s.held = r;
        return s.act ? s.act(r) : 0;
    }
    evl_op *op(uint32_t flags = 0) {
        return w.op(
            [this](int64_t rc) {
                w.note(rc < 0 ? evl_err_name(static_cast<int32_t>(rc)) : std::to_string(rc));
            },
            flags);
    }
    int32_t look_up(evl_op *o, const char *host = "example.org", const char *service = "http",
                    uint32_t flags = 0) {
        return evl_getaddrinfo(w.loop, o, host, service, flags, &list);
    }

    World w;
    evl_resolution *held = nullptr;
    std::function<int32_t(evl_resolution *)> act;
    std::string asked;
    evl_addresses *list = nullptr;
};

int32_t add(evl_resolution *r, uint32_t host, uint16_t port) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(host);
    in.sin_port = htons(port);
    return evl_resolution_add(r, &in, sizeof in);
}

std::string text(const evl_addresses *list) {
    std::string all;
    for (int32_t i = 0; i < evl_addresses_count(list); i++) {
        char one[EVL_ADDRESS_TEXT];
        uint32_t length;
        const void *address = evl_addresses_at(list, i, &length);
        EXPECT_GT(evl_address_text(address, length, one, sizeof one), 0);
        all += (i ? " " : "") + std::string(one);
    }
    return all;
}

TEST(Resolver, EndsLater) {
    Scene t;
    ASSERT_EQ(t.look_up(t.op(), "example.org", "http", EVL_NAME_IPV4 | EVL_NAME_CANONICAL), 0);
    EXPECT_EQ(t.asked, "example.org:http:" + std::to_string(EVL_NAME_IPV4 | EVL_NAME_CANONICAL));
    EXPECT_EQ(t.w.nowait(), EVL_RUN_ALIVE);
    for (uint16_t i = 0; i < 20; i++)
        EXPECT_EQ(add(t.held, 0x0a000001, i), 0);
    EXPECT_EQ(evl_resolution_set_canonical(t.held, "www.example.org"), 0);
    EXPECT_EQ(evl_resolution_end(t.held, 0), 0);
    EXPECT_EQ(t.w.log(), "") << "not inside the call";
    EXPECT_EQ(t.list, nullptr);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    EXPECT_EQ(t.w.log(), "20");
    EXPECT_EQ(text(t.list).substr(0, 21), "10.0.0.1:0 10.0.0.1:1");
    EXPECT_STREQ(evl_addresses_canonical(t.list), "www.example.org");
}

TEST(Resolver, EndsAtOnce) {
    Scene t;
    t.act = [](evl_resolution *r) {
        EXPECT_EQ(add(r, 0x0a000001, 80), 0);
        EXPECT_EQ(evl_resolution_end(r, 0), 0);
        EXPECT_EQ(evl_resolution_end(r, 0), EVL_EINVAL);
        EXPECT_EQ(add(r, 0x0a000001, 81), EVL_EINVAL);
        EXPECT_EQ(evl_resolution_set_canonical(r, "x"), EVL_EINVAL);
        return 0;
    };
    ASSERT_EQ(t.look_up(t.op()), 0);
    EXPECT_EQ(t.w.log(), "");
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    EXPECT_EQ(t.w.log(), "1");
    EXPECT_EQ(text(t.list), "10.0.0.1:80");
    evl_addresses_free(t.list);
    evl_op *op = t.op(EVL_OP_SYNC);
    ASSERT_EQ(t.look_up(op), 1);
    EXPECT_EQ(evl_op_result(op), 1);
    EXPECT_EQ(text(t.list), "10.0.0.1:80");
    t.act = nullptr;
}

TEST(Resolver, Fails) {
    Scene t;
    t.act = [](evl_resolution *) { return static_cast<int32_t>(EVL_EAI_AGAIN); };
    EXPECT_EQ(t.look_up(t.op()), EVL_EAI_AGAIN);
    t.act = [](evl_resolution *r) { return evl_resolution_end(r, EVL_EAI_NONAME); };
    EXPECT_EQ(t.look_up(t.op()), EVL_EAI_NONAME);
    t.act = [](evl_resolution *r) { return evl_resolution_end(r, 0); };
    EXPECT_EQ(t.look_up(t.op()), EVL_EAI_NODATA);
    t.act = nullptr;
    EXPECT_EQ(t.w.log(), "");
    for (int32_t error : {0, static_cast<int32_t>(EVL_EAI_FAIL)}) {
        ASSERT_EQ(t.look_up(t.op()), 0);
        if (error != 0) {
            EXPECT_EQ(add(t.held, 1, 1), 0) << "what was found does not count then";
        }
        EXPECT_EQ(evl_resolution_end(t.held, 1), EVL_EINVAL);
        EXPECT_EQ(evl_resolution_end(t.held, error), 0);
        EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    }
    EXPECT_EQ(t.w.log(), "EVL_EAI_NODATA EVL_EAI_FAIL");
    EXPECT_EQ(t.list, nullptr);
}

TEST(Resolver, IsNotAskedForLiteralsAndNoHost) {
    Scene t;
    ASSERT_EQ(t.look_up(t.op(), "127.0.0.1", "80"), 0);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    evl_addresses_free(t.list);
    ASSERT_EQ(t.look_up(t.op(), nullptr, "80"), 0);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    evl_addresses_free(t.list);
    EXPECT_EQ(t.look_up(t.op(), "example.org", "80", EVL_NAME_NUMERIC_HOST), EVL_EAI_NONAME);
    EXPECT_EQ(t.asked, "");
    EXPECT_EQ(evl_loop_set_resolver(nullptr, nullptr, nullptr), EVL_EINVAL);
}

TEST(Resolver, RefusesWhatIsNoAddress) {
    Scene t;
    ASSERT_EQ(t.look_up(t.op()), 0);
    sockaddr_un path{};
    path.sun_family = AF_UNIX;
    std::strcpy(path.sun_path, "/x");
    EXPECT_EQ(evl_resolution_add(t.held, &path, sizeof path), EVL_EAFNOSUPPORT);
    EXPECT_EQ(evl_resolution_add(t.held, "", 1), EVL_EINVAL);
    EXPECT_EQ(evl_resolution_add(nullptr, &path, sizeof path), EVL_EINVAL);
    EXPECT_EQ(evl_resolution_set_canonical(t.held, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_resolution_set_canonical(t.held, std::string(2000, 'x').c_str()), EVL_ENAMETOOLONG);
    EXPECT_EQ(evl_resolution_end(nullptr, 0), EVL_EINVAL);
    EXPECT_EQ(evl_resolution_end(t.held, 0), 0);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    EXPECT_EQ(t.w.log(), "EVL_EAI_NODATA");
}

// The resolver ends what nothing waits for any more.
TEST(Resolver, EndsTooLate) {
    Scene t;
    evl_op *op = t.op();
    ASSERT_EQ(t.look_up(op), 0);
    EXPECT_EQ(evl_op_cancel(op), 1);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    EXPECT_EQ(add(t.held, 1, 1), 0);
    EXPECT_EQ(evl_resolution_end(t.held, 0), 0);

    ASSERT_EQ(t.look_up(op), 0);
    EXPECT_EQ(evl_op_close(op), 0);
    EXPECT_EQ(evl_resolution_end(t.held, EVL_EAI_FAIL), 0);

    ASSERT_EQ(t.look_up(op), 0);
    EXPECT_EQ(evl_op_timeout(op, ms), 0);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_resolution_end(t.held, 0), 0);
    EXPECT_EQ(t.w.log(), "EVL_ECANCELED EVL_ETIMEDOUT");

    ASSERT_EQ(t.look_up(op), 0);
    EXPECT_EQ(add(t.held, 1, 1), 0);
    EXPECT_EQ(evl_resolution_end(t.held, 0), 0);
    EXPECT_EQ(evl_op_close(op), 0) << "closed before it was delivered";
    EXPECT_EQ(t.list, nullptr);
    EXPECT_EQ(t.w.close(), 0);
}

TEST(Resolver, LoopDestroyed) {
    for (bool ended : {false, true}) {
        Scene t;
        ASSERT_EQ(t.look_up(t.op()), 0);
        EXPECT_EQ(add(t.held, 1, 1), 0);
        if (ended) {
            EXPECT_EQ(evl_resolution_end(t.held, 0), 0);
        }
        EXPECT_EQ(t.w.destroy(), 0);
        if (!ended) {
            EXPECT_EQ(add(t.held, 1, 1), 0);
            EXPECT_EQ(evl_resolution_end(t.held, 0), 0);
        }
        EXPECT_EQ(t.list, nullptr);
    }
}

// The system's again; what has begun goes on.
TEST(Resolver, IsUnset) {
    Scene t;
    ASSERT_EQ(t.look_up(t.op()), 0);
    EXPECT_EQ(evl_loop_set_resolver(t.w.loop, nullptr, nullptr), 0);
    EXPECT_EQ(add(t.held, 0x0a000001, 1), 0);
    EXPECT_EQ(evl_resolution_end(t.held, 0), 0);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    EXPECT_EQ(t.w.log(), "1");
}

TEST(Resolver, WithoutMemory) {
    bool all = false;
    for (uint64_t nth = 1; !all; nth++) {
        Scene t;
        evl_op *op = t.op();
        t.w.memory.fail(nth);
        int32_t rc = t.look_up(op), added = 0;
        if (rc == 0) {
            added = add(t.held, 0x0a000001, 1);
            EXPECT_EQ(evl_resolution_end(t.held, 0), 0);
        }
        all = !t.w.memory.failed();
        t.w.memory.fail(0);
        EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
        if (rc != 0) {
            EXPECT_EQ(rc, EVL_ENOMEM);
        } else if (added != 0) {
            EXPECT_EQ(added, EVL_ENOMEM);
            EXPECT_EQ(t.w.log(), "EVL_EAI_NODATA");
        } else {
            EXPECT_EQ(t.w.log(), all ? "1" : "EVL_ENOMEM");
        }
    }
}

// A virtual clock does not run away from a look-up.
TEST(Resolver, HoldsAJumpingClock) {
    Scene t({.clock = EVL_CLOCK_JUMP});
    t.w.timer_in(sec, t.w.says("timer"));
    ASSERT_EQ(t.look_up(t.op()), 0);
    EXPECT_EQ(t.w.nowait(), EVL_RUN_ALIVE);
    EXPECT_EQ(t.w.log(), "");
    EXPECT_EQ(evl_resolution_end(t.held, 0), 0);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    EXPECT_EQ(t.w.log(), "EVL_EAI_NODATA timer");
}

} // namespace
} // namespace resolver
