// errors_test.cpp - codes, names and texts; out of memory and out of fds: a code, nothing changed, nothing
// left.
#include "world.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <set>

using namespace support;

namespace {

// --- 6: codes
// ---------------------------------------------------------------------------------------------------------

struct Code {
    int32_t code;
    const char *name;
    int native; // errno, 0 where it has none
};

#define NATIVE(name) {EVL_##name, "EVL_" #name, name}
#define OWN(name)    {EVL_##name, "EVL_" #name, 0}
const Code codes[] = {
    NATIVE(EPERM),
    NATIVE(ENOENT),
    NATIVE(ESRCH),
    NATIVE(EINTR),
    NATIVE(EIO),
    NATIVE(ENXIO),
    NATIVE(E2BIG),
    NATIVE(ENOEXEC),
    NATIVE(EBADF),
    NATIVE(ECHILD),
    NATIVE(EAGAIN),
    NATIVE(ENOMEM),
    NATIVE(EACCES),
    NATIVE(EFAULT),
    NATIVE(EBUSY),
    NATIVE(EEXIST),
    NATIVE(EXDEV),
    NATIVE(ENODEV),
    NATIVE(ENOTDIR),
    NATIVE(EISDIR),
    NATIVE(EINVAL),
    NATIVE(ENFILE),
    NATIVE(EMFILE),
    NATIVE(ENOTTY),
    NATIVE(ETXTBSY),
    NATIVE(EFBIG),
    NATIVE(ENOSPC),
    NATIVE(ESPIPE),
    NATIVE(EROFS),
    NATIVE(EMLINK),
    NATIVE(EPIPE),
    NATIVE(EDOM),
    NATIVE(ERANGE),
    NATIVE(EDEADLK),
    NATIVE(ENAMETOOLONG),
    NATIVE(ENOSYS),
    NATIVE(ENOTEMPTY),
    NATIVE(ELOOP),
    NATIVE(EPROTO),
    NATIVE(EOVERFLOW),
    NATIVE(EILSEQ),
    NATIVE(ENOTSOCK),
    NATIVE(EDESTADDRREQ),
    NATIVE(EMSGSIZE),
    NATIVE(EPROTOTYPE),
    NATIVE(ENOPROTOOPT),
    NATIVE(EPROTONOSUPPORT),
    NATIVE(ESOCKTNOSUPPORT),
    NATIVE(ENOTSUP),
    NATIVE(EAFNOSUPPORT),
    NATIVE(EADDRINUSE),
    NATIVE(EADDRNOTAVAIL),
    NATIVE(ENETDOWN),
    NATIVE(ENETUNREACH),
    NATIVE(ECONNABORTED),
    NATIVE(ECONNRESET),
    NATIVE(ENOBUFS),
    NATIVE(EISCONN),
    NATIVE(ENOTCONN),
    NATIVE(ESHUTDOWN),
    NATIVE(ETIMEDOUT),
    NATIVE(ECONNREFUSED),
    NATIVE(EHOSTDOWN),
    NATIVE(EHOSTUNREACH),
    NATIVE(EALREADY),
    NATIVE(EINPROGRESS),
    NATIVE(ESTALE),
    NATIVE(EDQUOT),
    NATIVE(ECANCELED),
    OWN(ECLOSED),
    OWN(EFORK),
    OWN(ETHREAD),
    OWN(ERUNNING),
    OWN(EUSER),
    OWN(EBROKEN),
    OWN(EEOF),
    OWN(EAI_AGAIN),
    OWN(EAI_ADDRFAMILY),
    OWN(EAI_BADFLAGS),
    OWN(EAI_FAIL),
    OWN(EAI_FAMILY),
    OWN(EAI_NODATA),
    OWN(EAI_NONAME),
    OWN(EAI_OVERFLOW),
    OWN(EAI_SERVICE),
    OWN(EAI_SOCKTYPE),
    OWN(EAI_UNKNOWN),
};

TEST(Errors, Contract_06_EveryCodeHasItsNameItsTextAndItsErrno) {
    std::set<std::string> texts;
    for (const Code &row : codes) {
        SCOPED_TRACE(row.name);
        EXPECT_LT(row.code, 0);
        EXPECT_STREQ(evl_err_name(row.code), row.name);
        EXPECT_TRUE(texts.insert(evl_strerror(row.code)).second) << evl_strerror(row.code);
        EXPECT_STRNE(evl_strerror(row.code), "unknown error");
        EXPECT_EQ(evl_err_to_errno(row.code), row.native);
        if (row.native) {
            EXPECT_EQ(evl_err_from_errno(row.native), row.code);
            EXPECT_EQ(row.code, -row.native); // Linux's numbers, everywhere
        }
    }
}

TEST(Errors, Contract_06_WhatHasNoNameIsStillTold) {
    EXPECT_EQ(evl_err_from_errno(0), 0);
    EXPECT_EQ(evl_err_to_errno(0), 0);
    EXPECT_EQ(evl_err_from_errno(EKEYREJECTED), -(2000 + EKEYREJECTED));
    EXPECT_EQ(evl_err_to_errno(-(2000 + EKEYREJECTED)), EKEYREJECTED);
    EXPECT_EQ(evl_err_from_errno(EWOULDBLOCK), EVL_EAGAIN);
    EXPECT_EQ(evl_err_from_errno(EOPNOTSUPP), EVL_ENOTSUP);
    EXPECT_STREQ(evl_err_name(0), "EVL_OK");
    EXPECT_STREQ(evl_strerror(7), "success");
    for (int32_t none : {-15, -99999, INT32_MIN, -1007}) {
        EXPECT_STREQ(evl_strerror(none), "unknown error") << none;
        EXPECT_STREQ(evl_err_name(none), "EVL_E?") << none;
    }
    EXPECT_EQ(evl_err_to_errno(-1007), 0);
}

// What a callback is given goes in as it is.
TEST(Errors, ResultsOf64BitsAreCodesToo) {
    const int64_t sum = INT64_C(0x1'0000'0000);
    EXPECT_STREQ(evl_strerror(sum - 12), "success"); // many bytes, whose low half looks like EVL_ENOMEM
    EXPECT_STREQ(evl_err_name(INT64_MAX), "EVL_OK");
    EXPECT_STREQ(evl_strerror(int64_t{EVL_ENOMEM}), evl_strerror(EVL_ENOMEM));
    for (int64_t none : {EVL_ENOMEM - sum, INT64_MIN}) {
        EXPECT_STREQ(evl_strerror(none), "unknown error");
        EXPECT_STREQ(evl_err_name(none), "EVL_E?");
    }
}

TEST(Errors, Contract_06_TheVersionIsThatOfTheHeader) {
    EXPECT_EQ(evl_version(), EVL_VERSION_MAJOR * 10000 + EVL_VERSION_MINOR * 100 + EVL_VERSION_PATCH);
    std::string text = std::to_string(EVL_VERSION_MAJOR) + "." + std::to_string(EVL_VERSION_MINOR) + "." +
                       std::to_string(EVL_VERSION_PATCH);
    EXPECT_EQ(evl_version_string(), text);
}

// --- 13: out of memory
// ---------------------------------------------------------------------------------------------------

// Fails the first allocation of a call, then the second, until it succeeds undisturbed. Every failure answers
// EVL_ENOMEM and leaves everything as it was.
int walk(World &w, const std::function<int32_t()> &call) {
    for (uint64_t nth = 1; nth < 1000; nth++) {
        size_t bytes = w.memory.bytes();
        int32_t alive = evl_loop_alive(w.loop), open = evl_loop_walk(w.loop, nullptr, 0);
        int32_t blockers = evl_loop_blockers(w.loop, nullptr, 0);
        w.memory.fail(nth);
        int32_t rc = call();
        bool failed = w.memory.failed();
        w.memory.fail(0);
        if (!failed) {
            EXPECT_GE(rc, 0);
            return static_cast<int>(nth) - 1;
        }
        EXPECT_EQ(rc, EVL_ENOMEM) << "allocation " << nth;
        EXPECT_EQ(evl_loop_alive(w.loop), alive);
        EXPECT_EQ(evl_loop_walk(w.loop, nullptr, 0), open);
        EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), blockers);
        EXPECT_LE(w.memory.bytes(), bytes + 65536); // room that was made may stay for the next attempt
    }
    ADD_FAILURE() << "never succeeded";
    return 0;
}

TEST(Errors, Contract_13_OutOfMemoryIsACodeAndChangesNothing) {
    const struct {
        const char *name;
        std::function<int32_t(World &, const Pair &)> call;
    } table[] = {
        {"io",
         [](World &w, const Pair &p) {
             evl_io *out = nullptr;
             int32_t rc = evl_io_new(w.loop, p.a, EVL_READ, 0, World::done(), w.arg([] {}), &out);
             EXPECT_EQ(out != nullptr, rc == 0);
             return rc;
         }},
        {"timer",
         [](World &w, const Pair &) {
             evl_timer *out = nullptr;
             int32_t rc = evl_timer_new(w.loop, World::done(), w.arg([] {}), &out);
             EXPECT_EQ(out != nullptr, rc == 0);
             return rc;
         }},
        {"signal",
         [](World &w, const Pair &) {
             evl_signal *out = nullptr;
             struct sigaction before{}, after{};
             ::sigaction(SIGUSR1, nullptr, &before);
             int32_t rc = evl_signal_new(w.loop, SIGUSR1, World::done(), w.arg([] {}), &out);
             EXPECT_EQ(out != nullptr, rc == 0);
             ::sigaction(SIGUSR1, nullptr, &after);
             EXPECT_TRUE(rc == 0 || before.sa_handler == after.sa_handler);
             return rc;
         }},
        {"hook",
         [](World &w, const Pair &) {
             evl_hook *out = nullptr;
             int32_t rc = evl_hook_new(w.loop, 0, World::always, w.arg([] {}), &out);
             EXPECT_EQ(out != nullptr, rc == 0);
             return rc;
         }},
        {"call", [](World &w, const Pair &) { return evl_call_soon(w.loop, World::plain(), w.arg([] {})); }},
        {"post", [](World &w, const Pair &) { return w.post([] {}); }},
        {"close_later", [](World &w, const Pair &) { return evl_close_later(w.loop, 1); }},
    };
    for (auto &row : table) {
        SCOPED_TRACE(row.name);
        World w;
        Pair p;
        int failures = 0;
        for (int i = 0; i < 300; i++) // across the borders of what is allocated at once
            failures += walk(w, [&] { return row.call(w, p); });
        EXPECT_GT(failures, 0);
        w.nowait();
    }
}

TEST(Errors, Contract_13_NamesAndDropsRunOutOfMemoryToo) {
    World w;
    std::vector<evl_timer *> timers;
    for (int i = 0; i < 100; i++)
        timers.push_back(w.timer([] {}));
    int failures = 0;
    for (evl_timer *timer : timers) {
        failures += walk(w, [&] { return evl_set_name(timer, "name"); });
        failures += walk(w, [&] { return evl_set_drop(timer, World::drop); });
        EXPECT_STREQ(evl_name(timer), "name");
        EXPECT_EQ(evl_set_drop(timer, nullptr), 0);
    }
    EXPECT_GT(failures, 0);
}

TEST(Errors, Contract_13_ALoopThatCannotBeMadeLeavesNothing) {
    for (uint64_t nth = 1; nth < 100; nth++) {
        Memory memory;
        evl_options options{};
        options.struct_size = sizeof options;
        options.alloc = Memory::resize;
        options.alloc_ctx = &memory;
        memory.fail(nth);
        evl_loop *loop = nullptr;
        int fds = open_fds();
        int32_t rc = evl_loop_new(&loop, &options);
        if (rc == 0) {
            EXPECT_FALSE(memory.failed());
            EXPECT_GT(nth, 1u);
            EXPECT_EQ(evl_loop_close(loop), 0);
            return;
        }
        EXPECT_EQ(rc, EVL_ENOMEM);
        EXPECT_EQ(loop, nullptr);
        EXPECT_EQ(memory.bytes(), 0u);
        EXPECT_EQ(open_fds(), fds);
    }
    FAIL() << "never succeeded";
}

TEST(Errors, Contract_13_OutOfFdsLeavesNothing) {
    for (Call call : {
             Call::pipe_cloexec,
#if EVL_HAVE_EPOLL
             Call::epoll_create1,
             Call::eventfd,
#endif
#if EVL_HAVE_KQUEUE
             Call::kqueue,
#endif
         })
        for (int err : {EMFILE, ENFILE, ENOMEM}) {
            Sys sys;
            sys.fail(call, err, 0, 100);
            evl_loop *loop = nullptr;
            int fds = open_fds();
            int32_t rc = evl_loop_new(&loop, nullptr);
            if (rc == 0) { // not a call of this backend
                EXPECT_EQ(evl_loop_close(loop), 0);
            } else {
                EXPECT_EQ(rc, -err);
                EXPECT_EQ(loop, nullptr);
            }
            EXPECT_EQ(open_fds(), fds);
        }
}

// A steady loop does without the allocator altogether.
TEST(Errors, Contract_16_SteadyStateAllocatesNothing) {
    World w({.cap = 256});
    std::vector<Pair> pairs(32);
    evl_timer *timer = w.timer_in(0, [] {}, 1 * ms);
    for (Pair &p : pairs)
        w.io(p.a, EVL_READ, [&] {
            p.a.drain();
            evl_timer_start_in(timer, 1 * ms, 1 * ms);
        });
    uint64_t before = 0;
    for (int round = 0; round < 20; round++) {
        if (round == 5)
            before = w.memory.calls();
        for (Pair &p : pairs)
            p.b.put();
        static int ignored;
        for (int i = 0; i < 10; i++) {
            evl_call_soon(w.loop, [](void *) {}, &ignored);
            evl_post(w.loop, [](void *) {}, &ignored);
        }
        w.nowait();
        w.nowait();
    }
    EXPECT_EQ(w.memory.calls(), before);
}

} // namespace
