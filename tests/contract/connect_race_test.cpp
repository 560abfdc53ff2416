// connect_race_test.cpp - the race of addresses against a scripted resolver and a table of connects, in
// virtual time.
#include "streams.hpp"

#include <arpa/inet.h>
#include <map>
#include <netdb.h>
#include <netinet/in.h>

using namespace streams;

namespace {

// A network that the test plays. A socket is one of a pair, full until its connect is answered.
class Net {
  public:
    Net() {
        one = this;
        real = evl_sys;
        evl_sys.getaddrinfo = look_up;
        evl_sys.freeaddrinfo = give_back;
        evl_sys.socket = make;
        evl_sys.connect = begin;
        evl_sys.getsockopt = ask;
        evl_sys.bind = bind_to;
    }
    ~Net() { // row by row: a thread of the resolver may be using another one to tell the loop
        evl_sys.getaddrinfo = real.getaddrinfo;
        evl_sys.freeaddrinfo = real.freeaddrinfo;
        evl_sys.socket = real.socket;
        evl_sys.connect = real.connect;
        evl_sys.getsockopt = real.getsockopt;
        evl_sys.bind = real.bind;
        EXPECT_EQ(lists, 0);
        one = nullptr;
    }
    struct Attempt {
        std::string address;
        int64_t at;
        int fd;
        Fd peer;
        int error = 0;
    };
    // Answers the connect to an address: 0, or an errno.
    void answer(const std::string &address, int error) {
        for (Attempt &a : attempts)
            if (a.address == address) {
                a.error = error;
                got(a.peer);
                return;
            }
        ADD_FAILURE() << "no attempt at " << address;
    }
    std::string tried() const {
        std::string text;
        for (const Attempt &a : attempts)
            text += (text.empty() ? "" : " ") + a.address;
        return text;
    }
    bool open(const std::string &address) const {
        for (const Attempt &a : attempts)
            if (a.address == address) {
                got(a.peer); // what filled it
                return !at_end(a.peer);
            }
        return false;
    }
    std::vector<std::string> found;
    std::map<std::string, int> at_once; // what connect itself answers
    int lookup_error = 0;
    int socket_error = 0, bind_error = 0;
    std::vector<Attempt> attempts;
    World *w = nullptr;

  private:
    static int look_up(const char *, const char *, const addrinfo *, addrinfo **out) {
        if (one->lookup_error != 0) {
            errno = one->lookup_error;
            return -1;
        }
        addrinfo *first = nullptr, **end = &first;
        for (const std::string &text : one->found) {
            auto *item = new addrinfo{};
            auto *address = new sockaddr_in6{};
            bool six = text.find(':') != std::string::npos;
            item->ai_family = six ? AF_INET6 : AF_INET;
            item->ai_addr = reinterpret_cast<sockaddr *>(address);
            item->ai_addrlen = six ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
            auto *four = reinterpret_cast<sockaddr_in *>(address);
            address->sin6_family = static_cast<sa_family_t>(item->ai_family);
            ::inet_pton(item->ai_family, text.c_str(),
                        six ? static_cast<void *>(&address->sin6_addr)
                            : static_cast<void *>(&four->sin_addr));
            *end = item;
            end = &item->ai_next;
        }
        one->lists++;
        *out = first;
        return 0;
    }
    static int give_back(addrinfo *list) {
        while (addrinfo *item = list) {
            list = item->ai_next;
            delete reinterpret_cast<sockaddr_in6 *>(item->ai_addr);
            delete item;
        }
        one->lists--;
        return 0;
    }
    static int make(int, int, int) {
        if (one->socket_error != 0) {
            errno = one->socket_error;
            return -1;
        }
        Pair pair;
        pair.a.put(-1);
        int fd = give(pair.a);
        one->attempts.push_back({"?", evl_time(one->w->loop), fd, std::move(pair.b)});
        return fd;
    }
    static int begin(int fd, const sockaddr *address, socklen_t) {
        char text[64] = {};
        const void *where =
            address->sa_family == AF_INET6
                ? static_cast<const void *>(&reinterpret_cast<const sockaddr_in6 *>(address)->sin6_addr)
                : &reinterpret_cast<const sockaddr_in *>(address)->sin_addr;
        ::inet_ntop(address->sa_family, where, text, sizeof text);
        EXPECT_EQ(one->attempts.back().fd, fd);
        one->attempts.back().address = text;
        auto known = one->at_once.find(text);
        if (known != one->at_once.end() && known->second == 0)
            return 0;
        errno = known != one->at_once.end() ? known->second : EINPROGRESS;
        return -1;
    }
    static int ask(int fd, int level, int name, void *value, socklen_t *len) {
        if (level == SOL_SOCKET && name == SO_ERROR)
            for (const Attempt &a : one->attempts)
                if (a.fd == fd) {
                    *static_cast<int *>(value) = a.error;
                    return 0;
                }
        return one->real.getsockopt(fd, level, name, value, len);
    }
    static int bind_to(int, const sockaddr *, socklen_t) {
        errno = one->bind_error;
        return one->bind_error == 0 ? 0 : -1;
    }
    static inline Net *one;
    evl_sys_table real;
    std::atomic<int> lists = 0;
};

struct Race {
    explicit Race(std::vector<std::string> found) {
        net.found = std::move(found);
        net.w = &w;
        begin = evl_time(w.loop);
        options.struct_size = sizeof options;
        options.errors = errors;
        options.errors_cap = 4;
        std::fill(std::begin(errors), std::end(errors), 77);
    }
    void start() { ASSERT_EQ(evl_connect(w.loop, op.op, "host", "80", &options, &s), 0); }
    // Until so many attempts have begun.
    void attempts(size_t n) {
        while (net.attempts.size() < n && !op.done())
            w.once();
        ASSERT_EQ(net.attempts.size(), n);
    }
    int64_t at(size_t i) const { return net.attempts[i].at - begin; }
    World w;
    Net net;
    Wait op{w};
    evl_stream *s = nullptr;
    evl_connect_options options{};
    int32_t errors[4];
    int64_t begin;
};

// Something that lets time pass in the records sink too: a record comes every 10 ms.
evl_timer *ticks(World &w) {
    return w.timer_at(evl_time(w.loop), [] {}, 10 * ms);
}

TEST(ConnectRace, Asyncio_146_FamiliesAlternateAndEachHasAQuarterOfASecond) {
    Race r({"::1", "::2", "::3", "10.0.0.1"});
    ticks(r.w);
    r.start();
    r.attempts(4);
    EXPECT_EQ(r.net.tried(), "::1 10.0.0.1 ::2 ::3");
    for (size_t i = 1; i < 4; i++)
        EXPECT_EQ(r.net.attempts[i].at - r.net.attempts[i - 1].at, 250 * ms);
    EXPECT_FALSE(r.op.done());
    r.net.answer("::2", 0);
    pump(r.w, [&] { return r.op.done(); });
    EXPECT_EQ(r.op.result, 0);
    EXPECT_EQ(info(r.s).fd, r.net.attempts[2].fd);
    EXPECT_TRUE(r.net.open("::2"));
    for (const char *loser : {"::1", "10.0.0.1", "::3"})
        EXPECT_FALSE(r.net.open(loser)) << loser;
    for (int32_t error : r.errors)
        EXPECT_EQ(error, 0) << "given up, not failed";
}

TEST(ConnectRace, TheNextAtOnceAfterAFailure) {
    Race r({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
    ticks(r.w);
    r.net.at_once["10.0.0.1"] = ENETUNREACH;
    r.start();
    r.attempts(2);
    EXPECT_EQ(r.at(0), r.at(1)) << "which failed at once";
    r.net.answer("10.0.0.2", ECONNREFUSED);
    int64_t then = evl_time(r.w.loop);
    r.attempts(3);
    EXPECT_LE(r.net.attempts[2].at - then, 10 * ms) << "which failed later";
    EXPECT_FALSE(r.net.open("10.0.0.2"));
    r.net.answer("10.0.0.3", 0);
    pump(r.w, [&] { return r.op.done(); });
    EXPECT_EQ(r.op.result, 0);
    EXPECT_EQ(r.errors[0], EVL_ENETUNREACH);
    EXPECT_EQ(r.errors[1], EVL_ECONNREFUSED);
    EXPECT_EQ(r.errors[2], 0);
    EXPECT_EQ(r.errors[3], 0) << "there is no such address";
}

TEST(ConnectRace, AFailureRestartsTheStagger) {
    Race r({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
    ticks(r.w);
    r.start();
    r.attempts(1);
    int64_t from = evl_time(r.w.loop);
    while (evl_time(r.w.loop) < from + 100 * ms)
        r.w.once();
    r.net.answer("10.0.0.1", ECONNREFUSED);
    r.attempts(3);
    EXPECT_EQ(r.net.attempts[2].at - r.net.attempts[1].at, 250 * ms);
}

TEST(ConnectRace, TheErrorIsTheFirstAddresses) {
    Race r({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
    ticks(r.w);
    r.start();
    r.attempts(3);
    r.net.answer("10.0.0.3", EHOSTUNREACH);
    passes(r.w);
    EXPECT_FALSE(r.op.done());
    r.net.answer("10.0.0.1", ECONNREFUSED);
    r.net.answer("10.0.0.2", ETIMEDOUT);
    pump(r.w, [&] { return r.op.done(); });
    EXPECT_EQ(r.op.result, EVL_ECONNREFUSED);
    EXPECT_EQ(r.errors[1], EVL_ETIMEDOUT);
    EXPECT_EQ(r.errors[2], EVL_EHOSTUNREACH);
    EXPECT_EQ(r.s, nullptr);
}

TEST(ConnectRace, ConnectedAtOnce) {
    Race r({"10.0.0.1", "10.0.0.2"});
    r.net.at_once["10.0.0.1"] = 0;
    r.start();
    while (!r.op.done())
        r.w.once();
    EXPECT_EQ(r.op.result, 0);
    EXPECT_EQ(r.net.tried(), "10.0.0.1");
}

TEST(ConnectRace, Asyncio_039_AnInterruptedConnectGoesOnAndIsNotRepeated) {
    Race r({"10.0.0.1"});
    ticks(r.w);
    r.net.at_once["10.0.0.1"] = EINTR;
    r.start();
    r.attempts(1);
    passes(r.w);
    EXPECT_FALSE(r.op.done());
    r.net.answer("10.0.0.1", 0);
    pump(r.w, [&] { return r.op.done(); });
    EXPECT_EQ(r.op.result, 0);
    EXPECT_EQ(r.net.attempts.size(), 1u);
}

TEST(ConnectRace, CancelledAtEveryStep) {
    for (size_t step = 0; step < 5; step++) {
        for (bool close : {false, true}) {
            Race r({"10.0.0.1", "::1", "10.0.0.2"});
            evl_timer *timer = ticks(r.w);
            r.start();
            if (step > 0 && step < 4)
                r.attempts(step);
            if (step == 4) { // it has been answered, and not told yet
                r.attempts(2);
                r.net.answer("::1", 0);
                bool late = false;
                r.w.call([&] { late = true; });
                while (!late)
                    r.w.step();
            }
            if (step == 4 && r.op.done()) {
                EXPECT_EQ(evl_close(r.s), 0); // told in the same pass
            } else if (close) {
                EXPECT_EQ(evl_op_close(r.op.op), 0);
            } else {
                int32_t rc = evl_op_cancel(r.op.op);
                EXPECT_TRUE(rc == 1 || (step == 4 && rc == 0)) << rc;
                while (!r.op.done())
                    r.w.once();
                EXPECT_TRUE(r.op.result == EVL_ECANCELED || step == 4) << r.op.result;
            }
            for (const auto &a : r.net.attempts)
                EXPECT_FALSE(r.net.open(a.address)) << step << a.address;
            EXPECT_EQ(evl_close(timer), 0);
            r.w.run();
        }
    }
}

TEST(ConnectRace, Deadline) {
    Race r({"10.0.0.1", "10.0.0.2", "10.0.0.3"});
    r.options.stagger_ns = 100 * ms;
    r.start();
    EXPECT_EQ(evl_op_deadline(r.op.op, r.begin + 150 * ms), 0);
    while (!r.op.done())
        r.w.once();
    EXPECT_EQ(r.op.result, EVL_ETIMEDOUT);
    EXPECT_EQ(r.net.tried(), "10.0.0.1 10.0.0.2");
    EXPECT_FALSE(r.net.open("10.0.0.1"));
    EXPECT_FALSE(r.net.open("10.0.0.2"));
}

TEST(ConnectRace, TheLookUpFails) {
    Race r({});
    r.net.lookup_error = -EVL_EAI_NONAME;
    r.start();
    while (!r.op.done())
        r.w.once();
    EXPECT_EQ(r.op.result, EVL_EAI_NONAME);
    for (int32_t error : r.errors)
        EXPECT_EQ(error, 0) << "nothing was tried";
}

TEST(ConnectRace, NoSocketAndNoMemory) {
    Race r({"10.0.0.1", "10.0.0.2"});
    r.net.socket_error = EMFILE;
    r.start();
    while (!r.op.done())
        r.w.once();
    EXPECT_EQ(r.op.result, EVL_EMFILE);
}

TEST(ConnectRace, LocalAddress) {
    Race r({"::1", "10.0.0.1", "::2", "10.0.0.2"});
    sockaddr_in local{};
    local.sin_family = AF_INET;
    r.options.local = &local;
    r.options.local_length = sizeof local;
    ticks(r.w);
    r.start();
    r.attempts(2);
    EXPECT_EQ(r.net.tried(), "10.0.0.1 10.0.0.2") << "of another family: not even a socket";
    r.net.answer("10.0.0.1", ECONNREFUSED);
    r.net.answer("10.0.0.2", ETIMEDOUT);
    pump(r.w, [&] { return r.op.done(); });
    EXPECT_EQ(r.op.result, EVL_ECONNREFUSED);
    EXPECT_EQ(r.errors[0], EVL_ECONNREFUSED);
    EXPECT_EQ(r.errors[1], EVL_ETIMEDOUT);
    EXPECT_EQ(r.errors[2], 0);
}

TEST(ConnectRace, NoAddressTheLocalOneReaches) {
    Race r({"::1", "::2"});
    sockaddr_in local{};
    local.sin_family = AF_INET;
    r.options.local = &local;
    r.options.local_length = sizeof local;
    r.start();
    while (!r.op.done())
        r.w.once();
    EXPECT_EQ(r.op.result, EVL_EADDRNOTAVAIL);
    EXPECT_TRUE(r.net.attempts.empty());
}

TEST(ConnectRace, FamiliesHoldForAListAndAnAddressToo) {
    Race r({"::1", "10.0.0.1", "::2"});
    evl_addresses *list = nullptr;
    Wait found(r.w), none(r.w);
    ASSERT_EQ(evl_getaddrinfo(r.w.loop, found.op, "host", "80", 0, &list), 0);
    while (!found.done())
        r.w.once();
    ASSERT_EQ(found.result, 3);
    r.options.flags = EVL_NAME_IPV4;
    ASSERT_EQ(evl_connect_any(r.w.loop, r.op.op, list, &r.options, &r.s), 0);
    evl_addresses_free(list);
    r.w.timer_in(10 * sec, [] {});
    r.w.once();
    EXPECT_EQ(r.net.tried(), "10.0.0.1");
    r.net.answer("10.0.0.1", 0);
    pump(r.w, [&] { return r.op.done(); });
    EXPECT_EQ(r.op.result, 0);
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    ASSERT_EQ(evl_connect_to(r.w.loop, none.op, &six, sizeof six, &r.options, &r.s), 0);
    pump(r.w, [&] { return none.done(); });
    EXPECT_EQ(none.result, EVL_EADDRNOTAVAIL);
    EXPECT_EQ(r.net.attempts.size(), 1u);
}

TEST(ConnectRace, LocalAddressThatIsTaken) {
    Race r({"10.0.0.1"});
    sockaddr_in local{};
    local.sin_family = AF_INET;
    r.options.local = &local;
    r.options.local_length = sizeof local;
    r.net.bind_error = EADDRINUSE;
    r.start();
    while (!r.op.done())
        r.w.once();
    EXPECT_EQ(r.op.result, EVL_EADDRINUSE);
}

TEST(ConnectRace, Destroyed) {
    for (size_t step = 0; step < 3; step++) {
        Race r({"10.0.0.1", "::1", "10.0.0.2"});
        ticks(r.w);
        r.start();
        if (step > 0)
            r.attempts(step);
        EXPECT_EQ(r.w.destroy(), 0);
        EXPECT_FALSE(r.op.done());
        for (const auto &a : r.net.attempts)
            EXPECT_FALSE(r.net.open(a.address));
    }
}

// --- without a script -------------------------------------------------------------------------------------

TEST(Connect, BadInput) {
    World w;
    Wait op(w);
    evl_stream *s = nullptr;
    sockaddr_in in{};
    in.sin_family = AF_INET;
    evl_connect_options o{};
    EXPECT_EQ(evl_connect_to(w.loop, op.op, nullptr, sizeof in, nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_connect_to(w.loop, op.op, &in, 1, nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_connect_to(w.loop, op.op, &in, sizeof in, nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_connect_to(w.loop, nullptr, &in, sizeof in, nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_connect_to(w.loop, op.op, &in, sizeof in, &o, &s), EVL_EINVAL) << "struct_size 0";
    o.struct_size = sizeof o;
    o.flags = 0x80;
    EXPECT_EQ(evl_connect_to(w.loop, op.op, &in, sizeof in, &o, &s), EVL_EINVAL);
    o.flags = 0;
    o.errors_cap = 1;
    EXPECT_EQ(evl_connect_to(w.loop, op.op, &in, sizeof in, &o, &s), EVL_EINVAL);
    in.sin_family = AF_PACKET;
    EXPECT_EQ(evl_connect_to(w.loop, op.op, &in, sizeof in, nullptr, &s), EVL_EAFNOSUPPORT);
    EXPECT_EQ(evl_connect_unix(w.loop, op.op, std::string(300, 'x').c_str(), &s), EVL_ENAMETOOLONG);
    EXPECT_EQ(evl_connect_unix(w.loop, op.op, nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_connect_any(w.loop, op.op, nullptr, nullptr, &s), EVL_EINVAL);
    EXPECT_EQ(evl_op_active(op.op), 0);
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
}

TEST(Connect, Refused) {
    World w;
    Wait op(w), path(w), hidden(w);
    evl_stream *s = nullptr;
    Fd bound(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof in;
    ASSERT_EQ(::bind(bound, reinterpret_cast<sockaddr *>(&in), len), 0); // and it does not listen
    ASSERT_EQ(::getsockname(bound, reinterpret_cast<sockaddr *>(&in), &len), 0);
    EXPECT_EQ(evl_connect_to(w.loop, op.op, &in, sizeof in, nullptr, &s), 0);
    EXPECT_EQ(evl_connect_unix(w.loop, path.op, "/tmp/evloop-nobody", &s), 0);
    EXPECT_EQ(evl_connect_unix(w.loop, hidden.op, "@evloop-nobody", &s), 0);
    EXPECT_FALSE(path.done()) << "never inside the call";
    pump(w, [&] { return op.done() && path.done() && hidden.done(); });
    EXPECT_EQ(op.result, EVL_ECONNREFUSED);
    EXPECT_EQ(path.result, EVL_ENOENT);
    EXPECT_EQ(hidden.result, EVL_ECONNREFUSED);
}

TEST(Connect, AUnixListenerWithoutRoomIsTriedAgain) {
    World w;
    Sys sys;
    sys.freeze_time();
    Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    std::string name = "@evloop-full-" + std::to_string(::getpid());
    char bytes[EVL_ADDRESS_SIZE];
    uint32_t length = 0;
    ASSERT_EQ(evl_address_parse(name.c_str(), 0, bytes, sizeof bytes, &length), 0);
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr *>(bytes), length), 0);
    ASSERT_EQ(::listen(listener, 0), 0);
    evl_stream *s[3] = {};
    Wait a(w), b(w), c(w);
    Wait *ops[] = {&a, &b, &c};
    for (int i = 0; i < 3; i++)
        EXPECT_EQ(evl_connect_unix(w.loop, ops[i]->op, name.c_str(), &s[i]), 0);
    passes(w, 20);
    EXPECT_FALSE(a.done() && b.done() && c.done());
    std::vector<Fd> accepted;
    int64_t begin = sys.now(), time = evl_time(w.loop);
    while (!(a.done() && b.done() && c.done())) {
        int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0)
            accepted.emplace_back(fd);
        w.once();
    }
    EXPECT_LT(sys.now() - begin, sec);
    EXPECT_GT(sys.now() - begin, ms);
    EXPECT_EQ(evl_time(w.loop), time) << "time that only the loop has makes no room";
    for (Wait *op : ops)
        EXPECT_EQ(op->result, 0);
}

} // namespace
