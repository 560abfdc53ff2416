// names_test.cpp - addresses as text; look-ups at once, on threads, scripted, cancelled, late.
#include "sandbox.hpp"
#include "world.hpp"

#include <arpa/inet.h>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

using namespace support;

namespace {

// --- text -------------------------------------------------------------------------------------------------

struct Address {
    alignas(8) char bytes[EVL_ADDRESS_SIZE];
    uint32_t length = 0;
};

std::string text_of(const void *address, uint32_t length) {
    char text[EVL_ADDRESS_TEXT];
    int32_t n = evl_address_text(address, length, text, sizeof text);
    if (n < 0)
        return evl_err_name(n);
    EXPECT_EQ(static_cast<size_t>(n), std::strlen(text));
    return text;
}

std::string parsed(const char *text, uint32_t port) {
    Address a;
    int32_t rc = evl_address_parse(text, port, a.bytes, sizeof a.bytes, &a.length);
    return rc != 0 ? evl_err_name(rc) : text_of(a.bytes, a.length);
}

TEST(Addresses, TextAndBack) {
    EXPECT_EQ(parsed("127.0.0.1", 80), "127.0.0.1:80");
    EXPECT_EQ(parsed("::1", 65535), "[::1]:65535");
    EXPECT_EQ(parsed("[2001:db8::ff]", 0), "[2001:db8::ff]:0");
    EXPECT_EQ(parsed("fe80::1%7", 1), "[fe80::1%7]:1");
    EXPECT_EQ(parsed("[fe80::1%7]", 1), "[fe80::1%7]:1");
    EXPECT_EQ(parsed("::ffff:1.2.3.4", 5), "[::ffff:1.2.3.4]:5");
    EXPECT_EQ(parsed("/tmp/a socket", 9), "/tmp/a socket");
    EXPECT_EQ(parsed("./s", 0), "./s");
    EXPECT_EQ(parsed("@hidden", 0), "@hidden");
    std::string longest = "/" + std::string(sizeof sockaddr_un{}.sun_path - 2, 'x');
    EXPECT_EQ(parsed(longest.c_str(), 0), longest);
}

TEST(Addresses, TextThatIsNone) {
    for (const char *text :
         {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", ":", "::1]", "[::1", "[]", "[", "]",
          "[1.2.3.4]", "fe80::1%", "fe80::1%99999999999", ":::1", "g::1"})
        EXPECT_EQ(parsed(text, 1), "EVL_EINVAL") << text;
    EXPECT_EQ(parsed("127.0.0.1", 65536), "EVL_EINVAL");
    EXPECT_EQ(parsed(("/" + std::string(200, 'x')).c_str(), 0), "EVL_ENAMETOOLONG");
    EXPECT_EQ(parsed("::1%no-such-if", 0), "EVL_ENODEV");
    Address a;
    EXPECT_EQ(evl_address_parse("::1", 1, a.bytes, sizeof(sockaddr_in), &a.length), EVL_ENOBUFS);
    EXPECT_EQ(evl_address_parse(nullptr, 1, a.bytes, sizeof a.bytes, &a.length), EVL_EINVAL);
    EXPECT_EQ(evl_address_parse("::1", 1, nullptr, 0, &a.length), EVL_EINVAL);
    EXPECT_EQ(evl_address_parse("::1", 1, a.bytes, sizeof a.bytes, nullptr), EVL_EINVAL);
}

TEST(Addresses, AnInterfaceByName) {
    unsigned index = ::if_nametoindex("lo");
    ASSERT_NE(index, 0u);
    EXPECT_EQ(parsed("fe80::1%lo", 1), "[fe80::1%" + std::to_string(index) + "]:1");
}

TEST(Addresses, TheBytesAreTheSystems) {
    Address a;
    ASSERT_EQ(evl_address_parse("1.2.3.4", 258, a.bytes, sizeof a.bytes, &a.length), 0);
    sockaddr_in in{};
    ASSERT_EQ(a.length, sizeof in);
    std::memcpy(&in, a.bytes, sizeof in);
    EXPECT_EQ(in.sin_family, AF_INET);
    EXPECT_EQ(in.sin_port, htons(258));
    EXPECT_EQ(in.sin_addr.s_addr, htonl(0x01020304));
    EXPECT_EQ(evl_address_family(a.bytes, a.length), EVL_FAMILY_IPV4);
    EXPECT_EQ(evl_address_port(a.bytes, a.length), 258);
    ASSERT_EQ(evl_address_parse("@x", 0, a.bytes, sizeof a.bytes, &a.length), 0);
    EXPECT_EQ(a.length, offsetof(sockaddr_un, sun_path) + 2) << "a 0 in front, and none behind";
    EXPECT_EQ(a.bytes[offsetof(sockaddr_un, sun_path)], '\0');
    EXPECT_EQ(evl_address_family(a.bytes, a.length), EVL_FAMILY_UNIX);
    EXPECT_EQ(evl_address_port(a.bytes, a.length), 0);
    ASSERT_EQ(evl_address_parse("/x", 0, a.bytes, sizeof a.bytes, &a.length), 0);
    EXPECT_EQ(a.length, offsetof(sockaddr_un, sun_path) + 3);
    sockaddr_un unnamed{};
    unnamed.sun_family = AF_UNIX;
    EXPECT_EQ(text_of(&unnamed, offsetof(sockaddr_un, sun_path)), "");
    sockaddr other{};
    other.sa_family = AF_APPLETALK;
    EXPECT_EQ(evl_address_family(&other, sizeof other), EVL_EAFNOSUPPORT);
    EXPECT_EQ(text_of(&other, sizeof other), "EVL_EAFNOSUPPORT");
    EXPECT_EQ(text_of(&in, 1), "EVL_EINVAL");
    EXPECT_EQ(text_of(&in, sizeof in - 1), "EVL_EINVAL");
    EXPECT_EQ(text_of(nullptr, 16), "EVL_EINVAL");
    EXPECT_EQ(text_of(&in, 4096), "EVL_EINVAL");
}

// A path that fills its field has no final 0, and a buffer that is too small gets what fits.
TEST(Addresses, TextIsNeverTooLong) {
    sockaddr_un full{};
    full.sun_family = AF_UNIX;
    std::memset(full.sun_path, 'p', sizeof full.sun_path);
    EXPECT_EQ(text_of(&full, sizeof full), std::string(sizeof full.sun_path, 'p'));
    Address a;
    ASSERT_EQ(evl_address_parse("127.0.0.1", 80, a.bytes, sizeof a.bytes, &a.length), 0);
    char small[6] = "-----";
    EXPECT_EQ(evl_address_text(a.bytes, a.length, small, 5), 12);
    EXPECT_STREQ(small, "127.");
    EXPECT_EQ(small[5], '\0');
    EXPECT_EQ(evl_address_text(a.bytes, a.length, nullptr, 0), 12);
    EXPECT_EQ(evl_address_text(a.bytes, a.length, nullptr, 1), EVL_EINVAL);
    char host[EVL_ADDRESS_TEXT];
    EXPECT_EQ(evl_address_host(a.bytes, a.length, host, sizeof host), 9);
    EXPECT_STREQ(host, "127.0.0.1");
    ASSERT_EQ(evl_address_parse("fe80::1%3", 80, a.bytes, sizeof a.bytes, &a.length), 0);
    EXPECT_EQ(evl_address_host(a.bytes, a.length, host, sizeof host), 9);
    EXPECT_STREQ(host, "fe80::1%3");
}

// --- look-ups ---------------------------------------------------------------------------------------------

std::string list_text(const evl_addresses *list) {
    std::string text;
    for (int32_t i = 0; i < evl_addresses_count(list); i++) {
        uint32_t length = 0;
        const void *address = evl_addresses_at(list, i, &length);
        text += (i ? " " : "") + text_of(address, length);
    }
    return text;
}

struct Scene {
    int before = threads();
    World w{{.clock = EVL_CLOCK_REAL}};
    evl_addresses *list = nullptr;
    std::vector<int64_t> results;

    ~Scene() { evl_addresses_free(list); }
    evl_op *op(uint32_t flags = 0) {
        return w.op([this](int64_t rc) { results.push_back(rc); }, flags);
    }
    int32_t look_up(const char *host, const char *service, uint32_t flags = 0) {
        return evl_getaddrinfo(w.loop, op(), host, service, flags, &list);
    }
    // Looks up and waits; the list as text, or the error's name.
    std::string answer(const char *host, const char *service, uint32_t flags = 0) {
        results.clear();
        evl_addresses_free(list);
        list = nullptr;
        int32_t rc = look_up(host, service, flags);
        if (rc < 0)
            return evl_err_name(rc);
        EXPECT_TRUE(results.empty() && list == nullptr) << "not inside the call";
        w.run();
        EXPECT_EQ(results.size(), 1u);
        if (results.empty() || results[0] < 0)
            return results.empty() ? "nothing" : evl_err_name(static_cast<int32_t>(results[0]));
        EXPECT_EQ(results[0], evl_addresses_count(list));
        return list_text(list);
    }
    bool started_threads() const { return threads() > before; }
    // A thread that was left behind frees what it needs, and ends.
    void all_gone() {
        until([this] { return threads() <= before; });
        (void)w.memory.bytes(); // locks: what they did is seen from here on
    }
};

TEST(Names, LiteralsAreAnsweredAtOnceAndWithoutAThread) {
    Scene t;
    EXPECT_EQ(t.answer("127.0.0.1", "80"), "127.0.0.1:80");
    EXPECT_EQ(t.answer("::1", "65535"), "[::1]:65535");
    EXPECT_EQ(t.answer("fe80::1%4", "1"), "[fe80::1%4]:1");
    EXPECT_EQ(t.answer("10.0.0.1", nullptr), "10.0.0.1:0");
    EXPECT_EQ(t.answer("10.0.0.1", ""), "10.0.0.1:0");
    EXPECT_EQ(t.answer("10.0.0.1", "https"), "10.0.0.1:443");
    EXPECT_EQ(t.answer("10.0.0.1", "0080"), "10.0.0.1:80");
    EXPECT_EQ(t.answer(nullptr, "80"), "[::1]:80 127.0.0.1:80");
    EXPECT_EQ(t.answer("", "80", EVL_NAME_IPV4), "127.0.0.1:80");
    EXPECT_EQ(t.answer(nullptr, "80", EVL_NAME_PASSIVE), "[::]:80 0.0.0.0:80");
    EXPECT_EQ(t.answer(nullptr, "80", EVL_NAME_PASSIVE | EVL_NAME_IPV6), "[::]:80");
    EXPECT_EQ(t.answer("1.2.3.4", "5", EVL_NAME_CANONICAL), "1.2.3.4:5");
    EXPECT_STREQ(evl_addresses_canonical(t.list), "1.2.3.4");
    EXPECT_FALSE(t.started_threads());
}

TEST(Names, WhatCanBeToldAtOnceIsTheCallsOwnError) {
    Scene t;
    EXPECT_EQ(t.answer(nullptr, nullptr), "EVL_EAI_NONAME");
    EXPECT_EQ(t.answer("1.2.3.4", "65536"), "EVL_EAI_SERVICE");
    EXPECT_EQ(t.answer("1.2.3.4", "999999999999999999999"), "EVL_EAI_SERVICE");
    EXPECT_EQ(t.answer("1.2.3.4", "80", EVL_NAME_IPV6), "EVL_EAI_ADDRFAMILY");
    EXPECT_EQ(t.answer("::1", "80", EVL_NAME_IPV4), "EVL_EAI_ADDRFAMILY");
    EXPECT_EQ(t.answer("example", "80", EVL_NAME_NUMERIC_HOST), "EVL_EAI_NONAME");
    EXPECT_EQ(t.answer("1.2.3.4", "http", EVL_NAME_NUMERIC_SERVICE), "EVL_EAI_NONAME");
    EXPECT_EQ(t.answer("::1%no-such-if", "80"), "EVL_EAI_NONAME");
    EXPECT_EQ(t.answer(std::string(2000, 'x').c_str(), "80"), "EVL_EAI_NONAME");
    EXPECT_EQ(t.answer("x", std::string(100, 'x').c_str()), "EVL_EAI_NONAME");
    EXPECT_EQ(t.answer("1.2.3.4", "80", EVL_NAME_REQUIRED), "EVL_EINVAL");
    EXPECT_EQ(evl_getaddrinfo(t.w.loop, t.op(), "::1", "1", 0, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_getaddrinfo(t.w.loop, nullptr, "::1", "1", 0, &t.list), EVL_EINVAL);
    EXPECT_EQ(evl_getaddrinfo(nullptr, t.op(), "::1", "1", 0, &t.list), EVL_EINVAL);
    evl_op *busy = t.op();
    ASSERT_EQ(evl_sleep(t.w.loop, busy, sec), 0);
    EXPECT_EQ(evl_getaddrinfo(t.w.loop, busy, "::1", "1", 0, &t.list), EVL_EBUSY);
    EXPECT_EQ(evl_op_close(busy), 0);
    EXPECT_FALSE(t.started_threads());
    EXPECT_EQ(t.list, nullptr);
}

TEST(Names, ASynchronousStartMayBeAnsweredOne) {
    Scene t;
    evl_op *op = t.op(EVL_OP_SYNC);
    ASSERT_EQ(evl_getaddrinfo(t.w.loop, op, "127.0.0.1", "80", 0, &t.list), 1);
    EXPECT_EQ(evl_op_result(op), 1);
    EXPECT_EQ(list_text(t.list), "127.0.0.1:80");
    char host[64], service[16];
    uint32_t length;
    const void *address = evl_addresses_at(t.list, 0, &length);
    uint32_t numeric = EVL_NAME_NUMERIC_HOST | EVL_NAME_NUMERIC_SERVICE;
    ASSERT_EQ(
        evl_getnameinfo(t.w.loop, op, address, length, numeric, host, sizeof host, service, sizeof service),
        1);
    EXPECT_STREQ(host, "127.0.0.1");
    EXPECT_STREQ(service, "80");
    ASSERT_EQ(evl_getnameinfo(t.w.loop, op, address, length, numeric, host, 9, service, sizeof service), 1);
    EXPECT_EQ(evl_op_result(op), EVL_EAI_OVERFLOW);
}

TEST(Names, AListIsAList) {
    Scene t;
    ASSERT_EQ(t.answer(nullptr, "7"), "[::1]:7 127.0.0.1:7");
    EXPECT_EQ(evl_addresses_at(t.list, -1, nullptr), nullptr);
    EXPECT_EQ(evl_addresses_at(t.list, 2, nullptr), nullptr);
    EXPECT_NE(evl_addresses_at(t.list, 1, nullptr), nullptr);
    EXPECT_STREQ(evl_addresses_canonical(t.list), "");
    EXPECT_EQ(evl_addresses_count(nullptr), 0);
    EXPECT_EQ(evl_addresses_at(nullptr, 0, nullptr), nullptr);
    EXPECT_STREQ(evl_addresses_canonical(nullptr), "");
    evl_addresses_free(nullptr);
}

TEST(Names, AListOutlivesItsLoop) {
    Scene t;
    ASSERT_EQ(t.answer("::1", "7"), "[::1]:7");
    EXPECT_EQ(t.w.close(), 0);
    EXPECT_EQ(list_text(t.list), "[::1]:7");
}

// A literal that is dropped before it was delivered: nothing is left, and nothing was written.
TEST(Names, ALiteralThatNobodyTookIsFreed) {
    Scene t;
    evl_op *op = t.op();
    ASSERT_EQ(evl_getaddrinfo(t.w.loop, op, "::1", "7", 0, &t.list), 0);
    EXPECT_EQ(evl_op_cancel(op), 0) << "too late";
    EXPECT_EQ(evl_op_close(op), 0);
    char host[64] = "-";
    sockaddr_in in{};
    in.sin_family = AF_INET;
    ASSERT_EQ(
        evl_getnameinfo(t.w.loop, op, &in, sizeof in, EVL_NAME_NUMERIC_HOST, host, sizeof host, nullptr, 0),
        0);
    EXPECT_EQ(evl_op_close(op), 0);
    ASSERT_EQ(evl_getaddrinfo(t.w.loop, op, "::1", "7", 0, &t.list), 0);
    EXPECT_EQ(t.w.destroy(), 0);
    EXPECT_EQ(t.list, nullptr);
    EXPECT_STREQ(host, "-");
}

// --- on threads -------------------------------------------------------------------------------------------

// A resolver that the test plays: it knows what it was told, and may be held up.
class Script {
  public:
    Script() {
        one = this;
        evl_sys.getaddrinfo = look_up;
        evl_sys.freeaddrinfo = give_back;
        evl_sys.getnameinfo = name;
    }
    ~Script() {
        EXPECT_EQ(lists, 0) << "lists of the resolver";
        one = nullptr;
    }
    void hold(int from_now = 0) {
        std::lock_guard lock(mutex);
        held_from = calls + from_now;
    }
    void wait_calls(int n) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return calls >= n; });
    }
    void release() {
        std::lock_guard lock(mutex);
        held_from = INT32_MAX;
        changed.notify_all();
    }
    int called() {
        std::lock_guard lock(mutex);
        return calls;
    }
    std::vector<const char *> found{"10.0.0.1"};
    int err = 0;
    int family = -1, socktype = -1, flags = -1;
    std::string host, service;

  private:
    struct Item {
        addrinfo info{};
        sockaddr_storage address{};
    };
    static void enter() {
        std::unique_lock lock(one->mutex);
        int mine = one->calls++;
        one->changed.notify_all();
        one->changed.wait(lock, [&] { return mine < one->held_from; });
    }
    static int look_up(const char *host, const char *service, const addrinfo *hints, addrinfo **out) {
        enter();
        std::lock_guard lock(one->mutex);
        one->host = host ? host : "(none)";
        one->service = service ? service : "(none)";
        one->family = hints->ai_family;
        one->socktype = hints->ai_socktype;
        one->flags = hints->ai_flags;
        if (one->err) {
            errno = one->err;
            return -1;
        }
        *out = nullptr;
        for (size_t i = one->found.size(); i-- > 0;) {
            auto *item = new Item;
            uint32_t length = 0;
            EXPECT_EQ(evl_address_parse(one->found[i], 7, &item->address, sizeof item->address, &length), 0);
            item->info.ai_family = item->address.ss_family;
            item->info.ai_addr = reinterpret_cast<sockaddr *>(&item->address);
            item->info.ai_addrlen = length;
            item->info.ai_next = *out;
            static char canonical[] = "canonical.example";
            item->info.ai_canonname = i == 0 ? canonical : nullptr;
            *out = &item->info;
            one->lists++;
        }
        return 0;
    }
    static int give_back(addrinfo *list) {
        std::lock_guard lock(one->mutex);
        while (list) {
            addrinfo *next = list->ai_next;
            delete reinterpret_cast<Item *>(list);
            one->lists--;
            list = next;
        }
        return 0;
    }
    static int name(const sockaddr *, socklen_t, char *host, socklen_t host_cap, char *service,
                    socklen_t service_cap, int flags) {
        enter();
        std::lock_guard lock(one->mutex);
        one->flags = flags;
        if (one->err) {
            errno = one->err;
            return -1;
        }
        if (host)
            std::snprintf(host, host_cap, "host.example");
        if (service)
            std::snprintf(service, service_cap, "service");
        return 0;
    }

    Sys sys_; // puts the table back
    std::mutex mutex;
    std::condition_variable changed;
    int calls = 0, held_from = INT32_MAX, lists = 0;
    static inline Script *one;
};

TEST(Names, ANameIsLookedUpOnAThread) {
    Script resolver;
    Scene t;
    resolver.found = {"10.0.0.1", "2001:db8::1", "10.0.0.2"};
    EXPECT_EQ(t.answer("host.example", "http"), "10.0.0.1:7 [2001:db8::1]:7 10.0.0.2:7") << "in their order";
    EXPECT_EQ(resolver.host, "host.example");
    EXPECT_EQ(resolver.service, "http");
    EXPECT_EQ(resolver.family, AF_UNSPEC);
    EXPECT_EQ(resolver.socktype, SOCK_STREAM);
    EXPECT_EQ(resolver.flags, 0);
    EXPECT_STREQ(evl_addresses_canonical(t.list), "canonical.example");
    EXPECT_TRUE(t.started_threads());
    t.answer("h", nullptr, EVL_NAME_IPV4 | EVL_NAME_DATAGRAM | EVL_NAME_PASSIVE);
    EXPECT_EQ(resolver.service, "(none)");
    EXPECT_EQ(resolver.family, AF_INET);
    EXPECT_EQ(resolver.socktype, SOCK_DGRAM);
    EXPECT_EQ(resolver.flags, AI_PASSIVE);
    t.answer("h", "1", EVL_NAME_IPV6 | EVL_NAME_CONFIGURED | EVL_NAME_CANONICAL | EVL_NAME_NUMERIC_SERVICE);
    EXPECT_EQ(resolver.family, AF_INET6);
    EXPECT_EQ(resolver.flags, AI_ADDRCONFIG | AI_CANONNAME | AI_NUMERICSERV);
    t.answer("1.2.3.4", "a-service", EVL_NAME_IPV4 | EVL_NAME_IPV6);
    EXPECT_EQ(resolver.host, "1.2.3.4") << "a service that is not well known is asked for";
    EXPECT_EQ(resolver.family, AF_UNSPEC);
}

TEST(Names, WhatIsNoIpAddressIsLeftOut) {
    Script resolver;
    Scene t;
    resolver.found = {"/a/path", "::1"};
    EXPECT_EQ(t.answer("h", "1"), "[::1]:7");
    resolver.found = {"/a/path"};
    EXPECT_EQ(t.answer("h", "1"), "EVL_EAI_NODATA");
    resolver.found = {};
    EXPECT_EQ(t.answer("h", "1"), "EVL_EAI_NODATA");
}

TEST(Names, Contract_06_TheResolversErrorsHaveCodes) {
    Script resolver;
    Scene t;
    for (auto [err, name] : {std::pair{-EVL_EAI_NONAME, "EVL_EAI_NONAME"},
                             {-EVL_EAI_AGAIN, "EVL_EAI_AGAIN"},
                             {EMFILE, "EVL_EMFILE"},
                             {ENOMEM, "EVL_ENOMEM"}}) {
        resolver.err = err;
        EXPECT_EQ(t.answer("h", "1"), name);
    }
}

TEST(Names, TheRealResolverKnowsTheLoopback) {
    Scene t;
    EXPECT_EQ(t.answer("localhost", "80", EVL_NAME_IPV4), "127.0.0.1:80");
    EXPECT_EQ(t.answer("localhost", "no-such-service", EVL_NAME_IPV4), "EVL_EAI_SERVICE");
    char service[64] = "";
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(22);
    ASSERT_EQ(evl_getnameinfo(t.w.loop, t.op(), &in, sizeof in, 0, nullptr, 0, service, sizeof service), 0);
    t.w.run();
    EXPECT_TRUE(std::string(service) == "ssh" || std::string(service) == "22") << service;
}

// At most four at a time, and the executor's threads are others.
TEST(Names, LookUpsHaveThreadsOfTheirOwn) {
    Script resolver;
    Scene t;
    resolver.hold();
    std::vector<evl_addresses *> lists(6);
    for (auto &list : lists)
        ASSERT_EQ(evl_getaddrinfo(t.w.loop, t.op(), "h", "1", 0, &list), 0);
    resolver.wait_calls(4);
    EXPECT_EQ(threads(), t.before + 4);
    std::atomic<bool> ran = false;
    auto job = [](void *arg) { *static_cast<std::atomic<bool> *>(arg) = true; };
    ASSERT_EQ(evl_executor_submit(nullptr, t.w.loop, t.op(), job, &ran, nullptr, 0), 0);
    while (t.results.empty())
        t.w.once();
    EXPECT_TRUE(ran) << "jobs do not wait for names";
    EXPECT_EQ(resolver.called(), 4);
    resolver.release();
    t.w.run(); // a look-up keeps the loop alive
    EXPECT_EQ(t.results.size(), 7u);
    for (auto list : lists) {
        EXPECT_EQ(list_text(list), "10.0.0.1:7");
        evl_addresses_free(list);
    }
}

// Cancelled, timed out, closed: at once, though the resolver does not answer; and later it answers nobody.
TEST(Names, Contract_04_ALookUpThatHangs) {
    Script resolver;
    Scene t;
    resolver.hold();
    evl_op *cancelled = t.op(), *late = t.op(), *closed = t.op(), *queued = t.op();
    for (evl_op *op : {cancelled, late, closed, t.op(), queued})
        ASSERT_EQ(evl_getaddrinfo(t.w.loop, op, "h", "1", 0, &t.list), 0);
    resolver.wait_calls(4);
    EXPECT_EQ(evl_op_cancel(queued), 1) << "one that has not begun";
    evl_blocker blockers[4] = {};
    EXPECT_EQ(evl_loop_blockers(t.w.loop, blockers, 4), 1) << "and whose memory nobody has to run for";
    EXPECT_EQ(blockers[0].kind, EVL_KIND_OP);
    EXPECT_EQ(evl_op_cancel(cancelled), 1);
    EXPECT_EQ(evl_op_deadline(late, evl_now(t.w.loop) + ms), 0);
    EXPECT_EQ(evl_op_close(closed), 0);
    while (t.results.size() < 3)
        t.w.once();
    EXPECT_EQ(t.results, (std::vector<int64_t>{EVL_ECANCELED, EVL_ECANCELED, EVL_ETIMEDOUT}));
    resolver.release();
    t.w.run();
    EXPECT_EQ(t.results.size(), 4u);
    EXPECT_EQ(t.results[3], 1);
    EXPECT_EQ(resolver.called(), 4) << "the one that had not begun never did";
    EXPECT_EQ(t.w.close(), 0);
    EXPECT_EQ(list_text(t.list), "10.0.0.1:7");
    t.all_gone();
}

// It holds up neither close, once nobody waits for it, nor destroy.
TEST(Names, Contract_12_ALookUpThatHangsDoesNotHoldUpTheEnd) {
    for (bool destroy : {false, true}) {
        Script resolver;
        Scene t;
        resolver.hold();
        evl_op *op = t.op();
        ASSERT_EQ(evl_getaddrinfo(t.w.loop, op, "h", "1", 0, &t.list), 0);
        resolver.wait_calls(1);
        EXPECT_EQ(t.w.close(), EVL_EBUSY);
        if (!destroy) {
            EXPECT_EQ(evl_op_close(op), 0);
            EXPECT_EQ(t.w.close(), 0);
        } else
            EXPECT_EQ(t.w.destroy(), 0);
        resolver.release();
        t.all_gone();
        EXPECT_EQ(t.list, nullptr);
        EXPECT_TRUE(t.results.empty());
    }
}

// Found, queued for delivery, and closed before: freed, and nothing is written.
TEST(Names, Contract_05_WhatNobodyTakesIsFreed) {
    Script resolver;
    Scene t;
    Address a;
    char host[64] = "-";
    ASSERT_EQ(evl_address_parse("10.1.2.3", 80, a.bytes, sizeof a.bytes, &a.length), 0);
    for (bool names : {false, true}) {
        evl_op *op = t.op();
        int32_t rc = names
                         ? evl_getnameinfo(t.w.loop, op, a.bytes, a.length, 0, host, sizeof host, nullptr, 0)
                         : evl_getaddrinfo(t.w.loop, op, "h", "1", 0, &t.list);
        ASSERT_EQ(rc, 0);
        until([&] { // the thread has handed it back
            evl_poll_row rows[8];
            int64_t timeout = -1;
            EXPECT_GE(evl_loop_prepare(t.w.loop, rows, 8, &timeout), 0);
            return timeout == 0;
        });
        t.w.call([&] { // stands in line before the completion
            EXPECT_EQ(evl_op_cancel(op), 0) << "too late";
            EXPECT_EQ(evl_op_close(op), 0);
        });
        t.w.run();
        EXPECT_TRUE(t.results.empty());
        EXPECT_EQ(t.list, nullptr);
        EXPECT_STREQ(host, "-");
    }
}

TEST(Names, IntoAFuture) {
    Script resolver;
    Scene t;
    evl_future *future = nullptr;
    ASSERT_EQ(evl_future_new(t.w.loop, &future), 0);
    ASSERT_EQ(evl_getaddrinfo(t.w.loop, evl_future_op(future), "h", "1", 0, &t.list), 0);
    int64_t value = 0;
    EXPECT_EQ(evl_loop_run_until(t.w.loop, future, &value), 0);
    EXPECT_EQ(value, 1);
    EXPECT_EQ(list_text(t.list), "10.0.0.1:7");
    evl_future_unref(future);
}

TEST(Names, NamesOfAnAddress) {
    Script resolver;
    Scene t;
    Address a;
    ASSERT_EQ(evl_address_parse("10.1.2.3", 80, a.bytes, sizeof a.bytes, &a.length), 0);
    char host[64] = "-", service[64] = "-";
    auto ask = [&](uint32_t flags, char *h, size_t hc, char *s, size_t sc) {
        std::strcpy(host, "-");
        std::strcpy(service, "-");
        t.results.clear();
        int32_t rc = evl_getnameinfo(t.w.loop, t.op(), a.bytes, a.length, flags, h, hc, s, sc);
        if (rc < 0)
            return std::string(evl_err_name(rc));
        EXPECT_STREQ(host, "-");
        t.w.run();
        EXPECT_EQ(t.results.size(), 1u);
        int32_t result = t.results.empty() ? -1 : static_cast<int32_t>(t.results[0]);
        return result < 0 ? evl_err_name(result) + std::string(" ") + host + " " + service
                          : std::string(host) + " " + service;
    };
    EXPECT_EQ(ask(0, host, sizeof host, service, sizeof service), "host.example service");
    EXPECT_EQ(resolver.flags, 0);
    EXPECT_EQ(ask(EVL_NAME_REQUIRED | EVL_NAME_DATAGRAM, host, sizeof host, nullptr, 0), "host.example -");
    EXPECT_EQ(resolver.flags, NI_NAMEREQD | NI_DGRAM);
    EXPECT_EQ(ask(EVL_NAME_NUMERIC_HOST, nullptr, 0, service, sizeof service), "- service");
    EXPECT_EQ(ask(0, host, 12, service, sizeof service), "EVL_EAI_OVERFLOW - -") << "both or neither";
    EXPECT_EQ(ask(0, host, 13, service, 7), "EVL_EAI_OVERFLOW - -");
    EXPECT_EQ(ask(0, host, 13, service, 8), "host.example service");
    EXPECT_EQ(ask(EVL_NAME_NUMERIC_HOST, host, sizeof host, nullptr, 0), "10.1.2.3 -");
    EXPECT_EQ(ask(EVL_NAME_NUMERIC_SERVICE, nullptr, 0, service, sizeof service), "- 80");
    resolver.err = -EVL_EAI_NONAME;
    EXPECT_EQ(ask(0, host, sizeof host, service, sizeof service), "EVL_EAI_NONAME - -");
    EXPECT_EQ(ask(0, nullptr, 0, nullptr, 0), "EVL_EINVAL");
    EXPECT_EQ(ask(0, nullptr, 4, service, 4), "EVL_EINVAL");
    EXPECT_EQ(ask(EVL_NAME_PASSIVE, host, 4, service, 4), "EVL_EINVAL");
    a.length = 3;
    EXPECT_EQ(ask(0, host, sizeof host, service, sizeof service), "EVL_EINVAL");
    ASSERT_EQ(evl_address_parse("/path", 0, a.bytes, sizeof a.bytes, &a.length), 0);
    EXPECT_EQ(ask(0, host, sizeof host, service, sizeof service), "EVL_EAI_FAMILY");
}

// A jumping clock does not jump over a look-up.
TEST(Names, AVirtualClockWaitsForTheResolver) {
    Script resolver;
    World w;
    resolver.hold();
    evl_addresses *list = nullptr;
    ASSERT_EQ(evl_getaddrinfo(w.loop, w.op(w.says("found")), "h", "1", 0, &list), 0);
    w.timer_in(3600 * sec, w.says("an hour"));
    resolver.wait_calls(1);
    w.nowait();
    EXPECT_EQ(w.log(), "");
    resolver.release();
    w.run();
    EXPECT_EQ(w.log(), "found an hour");
    evl_addresses_free(list);
}

constexpr const char *kChildsHost = support::child_may_start_threads ? "h" : "::1";

// The threads stay with the parent; a repaired child starts its own.
TEST(Names, Contract_11_AChildLooksUpForItself) {
    Script resolver;
    Scene t;
    EXPECT_EQ(t.answer("h", "1"), "10.0.0.1:7");
    in_child([&] {
        EXPECT_EQ(t.look_up("::1", "1"), EVL_EFORK);
        ASSERT_EQ(evl_loop_fork(t.w.loop), 0);
        EXPECT_EQ(t.answer(kChildsHost, "1"), *kChildsHost == 'h' ? "10.0.0.1:7" : "[::1]:1");
        EXPECT_EQ(t.w.close(), 0);
    });
    EXPECT_EQ(t.answer("h", "1"), "10.0.0.1:7");
}

TEST(Names, Contract_13_OutOfMemoryIsACode) {
    Script resolver;
    for (const char *host : {"::1", "h"})
        for (uint64_t nth = 1;; nth++) {
            ASSERT_LT(nth, 50u);
            Scene t;
            t.w.memory.fail(nth);
            int32_t rc = t.look_up(host, "1");
            if (rc == 0)
                t.w.run();
            bool failed = t.w.memory.failed();
            t.w.memory.fail(0);
            if (rc == 0 && !failed) {
                EXPECT_EQ(t.results, std::vector<int64_t>{1});
                EXPECT_GT(nth, 1u);
                break;
            }
            if (rc < 0)
                EXPECT_EQ(rc, EVL_ENOMEM);
            else
                EXPECT_EQ(t.results, std::vector<int64_t>{EVL_ENOMEM});
            EXPECT_EQ(t.list, nullptr);
            EXPECT_EQ(t.answer(host, "1"), host[0] == ':' ? "[::1]:1" : "10.0.0.1:7") << "and then it works";
        }
}

} // namespace
