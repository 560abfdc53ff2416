#include "sys.hpp"

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>

namespace support {
namespace {

constexpr auto kRows = static_cast<size_t>(Call::count);

struct Row {
    std::atomic<uint64_t> calls{0};
    std::atomic<uint64_t> fail_from{0}; // 0: never
    std::atomic<uint64_t> fail_until{0};
    std::atomic<int> err{0};
};

// The table's functions have no context, so there is one of everything.
std::array<Row, kRows> rows;
evl_sys_table real;
std::atomic<bool> active{false};
std::atomic<uint64_t> change_count{0};
std::atomic<bool> frozen{false};
std::atomic<bool> shortened{false};
std::atomic<int64_t> frozen_now{0};
std::atomic<bool> wall_set{false};
std::atomic<int64_t> wall_offset{0};
std::atomic<uint64_t> wait_failures{0};
std::atomic<int> wait_err{0};
std::mutex waits_mutex;
std::vector<int64_t> wait_list;

Row &row(Call call) { return rows[static_cast<size_t>(call)]; }

// Counts a call; true when it is to fail, with errno set.
bool refuse(Call call) {
    Row &r = row(call);
    uint64_t n = r.calls.fetch_add(1) + 1;
    uint64_t from = r.fail_from.load();
    if (from == 0 || n < from || n >= r.fail_until.load())
        return false;
    errno = r.err.load();
    return true;
}

#define SUPPORT_WRAP(ret, name, params, args)                                                                \
    ret wrap_##name params {                                                                                 \
        if (refuse(Call::name))                                                                              \
            return -1;                                                                                       \
        return real.name args;                                                                               \
    }
EVL_SYSCALLS(SUPPORT_WRAP)
#undef SUPPORT_WRAP

int64_t to_ns(const timespec &t) { return int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; }

// Notes a wait of `ns`; true when it is to fail.
bool refuse_wait(int64_t ns) {
    {
        std::lock_guard lock(waits_mutex);
        wait_list.push_back(ns);
    }
    uint64_t left = wait_failures.load();
    if (left == 0)
        return false;
    wait_failures.store(left - 1);
    errno = wait_err.load();
    return true;
}

void forget_last_wait() {
    std::lock_guard lock(waits_mutex);
    if (!wait_list.empty())
        wait_list.pop_back();
}

bool stands_still(int64_t ns) { return frozen && ns > 0; }

int after_wait(int rc, int64_t ns) {
    if (rc == 0)
        frozen_now += shortened && ns > 1000 ? ns / 2 : ns;
    return rc;
}

int wait_clock_gettime(clockid_t id, timespec *ts) {
    if (refuse(Call::clock_gettime))
        return -1;
    if (!frozen || (id != CLOCK_MONOTONIC && (id != CLOCK_REALTIME || !wall_set)))
        return real.clock_gettime(id, ts);
    int64_t now = frozen_now.load() + (id == CLOCK_REALTIME ? wall_offset.load() : 0);
    *ts = {};
    ts->tv_sec = static_cast<time_t>(now / 1'000'000'000);
    ts->tv_nsec = static_cast<long>(now % 1'000'000'000);
    return 0;
}

int wait_select(int n, fd_set *r, fd_set *w, fd_set *e, timeval *t) {
    if (refuse(Call::select))
        return -1;
    int64_t ns = t ? int64_t{t->tv_sec} * 1'000'000'000 + int64_t{t->tv_usec} * 1000 : -1;
    if (refuse_wait(ns))
        return -1;
    if (!stands_still(ns))
        return real.select(n, r, w, e, t);
    timeval zero{};
    return after_wait(real.select(n, r, w, e, &zero), ns);
}

#if EVL_HAVE_EPOLL
int count_epoll_ctl(int ep, int op, int fd, epoll_event *ev) {
    change_count++;
    return wrap_epoll_ctl(ep, op, fd, ev);
}

int wait_epoll_wait(int ep, epoll_event *ev, int cap, int ms) {
    if (refuse(Call::epoll_wait))
        return -1;
    int64_t ns = ms < 0 ? -1 : int64_t{ms} * 1'000'000;
    if (refuse_wait(ns))
        return -1;
    if (!stands_still(ns))
        return real.epoll_wait(ep, ev, cap, ms);
    return after_wait(real.epoll_wait(ep, ev, cap, 0), ns);
}

int wait_epoll_pwait2(int ep, epoll_event *ev, int cap, const timespec *t) {
    if (refuse(Call::epoll_pwait2))
        return -1;
    int64_t ns = t ? to_ns(*t) : -1;
    if (refuse_wait(ns))
        return -1;
    timespec zero{};
    int rc = real.epoll_pwait2(ep, ev, cap, stands_still(ns) ? &zero : t);
    if (rc < 0 && errno == ENOSYS) // no wait at all: Valgrind does not know the call
        forget_last_wait();
    return stands_still(ns) ? after_wait(rc, ns) : rc;
}
#endif

#if EVL_HAVE_KQUEUE
int wait_kevent(int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                const timespec *t) {
    if (refuse(Call::kevent))
        return -1;
    for (int i = 0; i < n; i++)
        change_count += (changes[i].filter == EVFILT_READ || changes[i].filter == EVFILT_WRITE) &&
                        (i == 0 || changes[i].ident != changes[i - 1].ident);
    bool receipts = n > 0 && (changes[0].flags & EV_RECEIPT) != 0;
    int64_t ns = t ? to_ns(*t) : -1;
    if (cap == 0 || receipts)
        return real.kevent(kq, changes, n, events, cap, t);
    if (refuse_wait(ns))
        return -1;
    if (!stands_still(ns))
        return real.kevent(kq, changes, n, events, cap, t);
    timespec zero{};
    return after_wait(real.kevent(kq, changes, n, events, cap, &zero), ns);
}
#endif

} // namespace

Sys::Sys() {
    if (active.exchange(true)) {
        std::fprintf(stderr, "two support::Sys at once\n");
        std::abort();
    }
    for (Row &r : rows) {
        r.calls = 0;
        r.fail_from = 0;
    }
    change_count = 0;
    frozen = shortened = wall_set = false;
    wait_failures = 0;
    forget_waits();
    real = evl_sys;
#define SUPPORT_SET(ret, name, params, args) evl_sys.name = wrap_##name;
    EVL_SYSCALLS(SUPPORT_SET)
#undef SUPPORT_SET
    evl_sys.clock_gettime = wait_clock_gettime;
    evl_sys.select = wait_select;
#if EVL_HAVE_EPOLL
    evl_sys.epoll_ctl = count_epoll_ctl;
    evl_sys.epoll_wait = wait_epoll_wait;
    evl_sys.epoll_pwait2 = wait_epoll_pwait2;
#endif
#if EVL_HAVE_KQUEUE
    evl_sys.kevent = wait_kevent;
#endif
}

Sys::~Sys() {
    evl_sys = real;
    active = false;
}

uint64_t Sys::calls(Call call) const { return row(call).calls.load(); }

void Sys::fail(Call call, int err, uint64_t skip, uint64_t times) {
    Row &r = row(call);
    r.err = err;
    r.fail_until = r.calls + skip + 1 + times;
    r.fail_from = times ? r.calls + skip + 1 : 0;
}

void Sys::fail_wait(int err, uint64_t times) {
    wait_err = err;
    wait_failures = times;
}

uint64_t Sys::changes() const { return change_count.load(); }

std::vector<int64_t> Sys::waits() const {
    std::lock_guard lock(waits_mutex);
    return wait_list;
}

void Sys::forget_waits() {
    std::lock_guard lock(waits_mutex);
    wait_list.clear();
}

void Sys::freeze_time() {
    timespec now{};
    real.clock_gettime(CLOCK_MONOTONIC, &now);
    frozen_now = to_ns(now);
    frozen = true;
}

void Sys::shorten_waits() { shortened = true; }

void Sys::advance(int64_t ns) { frozen_now += ns; }

void Sys::set_wall(int64_t unix_ns) {
    wall_offset = unix_ns - frozen_now;
    wall_set = true;
}

int64_t Sys::now() const { return frozen_now.load(); }

} // namespace support
