#include "inject.hpp"
#include "errnos.h"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <evloop.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <map>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace faults {
namespace {

constexpr auto kRows = static_cast<size_t>(Call::count);

struct Shared {
    std::atomic<Call> call{Call::count}; // count: nothing fails
    std::atomic<int> err{0};
    std::atomic<uint64_t> index{0};
    std::atomic<bool> hit{false};
    std::atomic<bool> paused{false};
    std::atomic<bool> edges{false};
    std::atomic<int> waits{0};
    std::atomic<uint64_t> calls[kRows]{};
};

Shared *make_shared_page() {
    void *page = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return new (page) Shared; // for as long as the process lives
}

Shared &shared() {
    static Shared *page = make_shared_page();
    return *page;
}

evl_sys_table real;

// How this call has to fail: an errno or EVL_FAULT_*, 0 if not at all.
int due(Call call) {
    Shared &s = shared();
    if (s.paused)
        return 0;
    uint64_t n = ++s.calls[static_cast<size_t>(call)];
    if (call != s.call || n != s.index)
        return 0;
    s.hit = true;
    return s.err;
}

int fail(int err) {
    errno = err;
    return -1;
}

// Calls whose effect does not depend on what they answer: ECANCELED says that the clock was set meanwhile.
bool happens_anyway(Call call, int err) {
    return call == Call::close || (call == Call::shutdown && err == ENOTCONN) || err == ECANCELED ||
           (call == Call::write && err == EAGAIN);
}

#define FAULTS_WRAP(ret, name, params, args)                                                                 \
    ret wrap_##name params {                                                                                 \
        int err = due(Call::name);                                                                           \
        if (err == 0)                                                                                        \
            return real.name args;                                                                           \
        if (happens_anyway(Call::name, err))                                                                 \
            (void)real.name args;                                                                            \
        return fail(err);                                                                                    \
    }
EVL_SYSCALLS(FAULTS_WRAP)
#undef FAULTS_WRAP

class Waiting {
  public:
    explicit Waiting(bool blocks) : blocks_(blocks) { shared().waits += blocks; }
    Waiting(const Waiting &) = delete;
    ~Waiting() { shared().waits -= blocks_; }

  private:
    bool blocks_;
};

// Who is told of changes only may trust an EAGAIN: it cannot come while there is something.
int due_if_true(Call call, int fd, short events) {
    int err = due(call);
    pollfd row = {fd, events, 0};
    return err == EAGAIN && shared().edges && ::poll(&row, 1, 0) > 0 ? 0 : err;
}

// --- sockets that are evloop's own ------------------------------------------------------------------------
//
// Of an fd that evloop has opened and asked for before, a kernel says EBADF or ENOENT only when the program
// has closed the number behind its back, or has given it to another file. So that is what happens then:
// whoever is told so has nothing to close, and must leave the number alone. Who deletes an entry does not
// have to listen: it has gone, and whether the number is closed or not is not judged.

struct Opened {
    ino_t file = 0;
    bool known = false; // to the kernel's queue, at least once
};

struct Taken {
    ino_t file;
    bool told; // so that evloop must not close it
};

std::map<int, Opened> opened;
std::map<int, Taken> taken; // numbers that are another file's now, or may be

ino_t file_of(int fd) {
    struct stat st;
    return ::fstat(fd, &st) == 0 ? st.st_ino : 0;
}

int note_opened(int fd) {
    if (fd >= 0)
        opened[fd] = {file_of(fd), false};
    return fd;
}

void note_known(int fd) {
    auto at = opened.find(fd);
    if (at != opened.end())
        at->second.known = true;
}

bool is_own(int fd) {
    auto at = opened.find(fd);
    return at != opened.end() && at->second.known && at->second.file == file_of(fd);
}

bool close_behind_its_back(int fd) {
    if (!is_own(fd))
        return false;
    opened.erase(fd);
    return real.close(fd) == 0;
}

bool give_to_another(int fd, bool told) {
    if (!is_own(fd))
        return false;
    opened.erase(fd);
    int other = real.socket(AF_UNIX, SOCK_DGRAM, 0);
    EXPECT_EQ(::dup2(other, fd), fd);
    taken[fd] = {file_of(fd), told};
    return real.close(other) == 0;
}

void say_that_it_has_gone(int fd) {
    if (is_own(fd))
        taken[fd] = {file_of(fd), false};
}

void give_back() {
    for (auto [fd, what] : taken) {
        bool there = file_of(fd) == what.file;
        EXPECT_TRUE(there || !what.told) << "evloop has closed what it knew to be another file";
        if (there)
            real.close(fd);
    }
    taken.clear();
    opened.clear();
}

int own_socket(int domain, int type, int protocol) {
    return note_opened(wrap_socket(domain, type, protocol));
}

int own_accept(int fd, sockaddr *address, socklen_t *len) {
    return note_opened(wrap_accept(fd, address, len));
}

int own_reopen(int fd, int flags) { return note_opened(wrap_reopen(fd, flags)); }

int true_fstat(int fd, struct stat *st) {
    int err = due(Call::fstat);
    if (err != 0 && (err != EBADF || !close_behind_its_back(fd)))
        return fail(err);
    if (!shared().edges) // nobody else is asked
        note_known(fd);
    return real.fstat(fd, st);
}

ssize_t short_read(int fd, void *buf, size_t len) {
    int err = due_if_true(Call::read, fd, POLLIN);
    struct stat st;
    if (err == ECANCELED && ::fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
        err = 0; // that is for clocks
    if (err == 0)
        return real.read(fd, buf, len);
    return err == EVL_FAULT_SHORT ? real.read(fd, buf, 1) : fail(err);
}

// TCP reads are short only where nothing is left, and a stream trusts that where it is told of changes only.
bool is_tcp(int fd) {
    int type = 0;
    sockaddr_storage address{};
    socklen_t len = sizeof address, size = sizeof type;
    return real.getsockname(fd, reinterpret_cast<sockaddr *>(&address), &len) == 0 &&
           real.getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && address.ss_family != AF_UNIX &&
           type == SOCK_STREAM;
}

ssize_t short_recv(int fd, void *buf, size_t len, int flags) {
    int err = due_if_true(Call::recv, fd, POLLIN);
    err = err == EVL_FAULT_SHORT && shared().edges && is_tcp(fd) ? 0 : err;
    return err > 0 ? fail(err) : real.recv(fd, buf, err ? 1 : len, flags);
}

ssize_t true_recvmsg(int fd, msghdr *msg, int flags) {
    int err = due_if_true(Call::recvmsg, fd, POLLIN);
    return err > 0 ? fail(err) : real.recvmsg(fd, msg, flags);
}

// One that is interrupted goes on by itself, except where it would have waited for room.
int odd_connect(int fd, const sockaddr *address, socklen_t len) {
    int err = due(Call::connect);
    if (err == EINPROGRESS || (err == EINTR && address->sa_family != AF_UNIX))
        (void)real.connect(fd, address, len);
    return err != 0 ? fail(err) : real.connect(fd, address, len);
}

ssize_t short_send(int fd, const void *buf, size_t len, int flags) {
    int err = due_if_true(Call::send, fd, POLLOUT);
    return err > 0 ? fail(err) : real.send(fd, buf, err ? 1 : len, flags);
}

// A socket takes less than it is given when it is full, and reports when it is not any more. Only where it is
// asked every time can it be said to be full when it is not.
ssize_t short_sendmsg(int fd, const msghdr *msg, int flags) {
    int err = due_if_true(Call::sendmsg, fd, POLLOUT);
    pollfd row = {fd, POLLOUT, 0};
    if (err == 0 || (err == EVL_FAULT_SHORT && shared().edges && ::poll(&row, 1, 0) == 1))
        return real.sendmsg(fd, msg, flags);
    iovec one = {msg->msg_iov->iov_base, 1};
    msghdr part = *msg;
    part.msg_iov = &one;
    part.msg_iovlen = 1;
    return err > 0 ? fail(err) : real.sendmsg(fd, &part, flags);
}

ssize_t short_write_pipe(int fd, const iovec *iov, int n) {
    int err = due_if_true(Call::write_pipe, fd, POLLOUT);
    iovec one = {iov->iov_base, 1};
    return err > 0 ? fail(err) : real.write_pipe(fd, err ? &one : iov, err ? 1 : n);
}

ssize_t short_sendfile(int out, int in, int64_t *offset, size_t len) {
    int err = due_if_true(Call::sendfile, out, POLLOUT);
    return err > 0 ? fail(err) : real.sendfile(out, in, offset, err ? 1 : len);
}

ssize_t short_splice(int from, int to, size_t len) {
    int err = due(Call::splice);
    pollfd rows[] = {{from, POLLIN, 0}, {to, POLLOUT, 0}};
    if (err == EAGAIN && shared().edges && ::poll(rows, 2, 0) == 2)
        err = 0;
    return err > 0 ? fail(err) : real.splice(from, to, err ? 1 : len);
}

ssize_t short_splice_out(int from, int to, size_t len) {
    int err = due_if_true(Call::splice_out, to, POLLOUT);
    return err > 0 ? fail(err) : real.splice_out(from, to, err ? 1 : len);
}

// Who watches a path may trust that nothing is there: it is told when something comes.
int true_open(const char *path, int flags) {
    int err = due(Call::open_cloexec);
    if (err == 0 || (err == ENOENT && (flags & O_NONBLOCK) && ::access(path, F_OK) == 0))
        return real.open_cloexec(path, flags);
    return fail(err);
}

ssize_t short_pread(int fd, void *buf, size_t len, int64_t offset) {
    int err = due(Call::pread);
    return err > 0 ? fail(err) : real.pread(fd, buf, err ? 1 : len, offset);
}

// Somebody else was faster; that cannot be before the child has ended.
int true_wait_child(int pidfd, int pid, int *status, int flags) {
    int err = due(Call::wait_child);
    if (err != 0 && err != ECHILD)
        return fail(err);
    int rc = real.wait_child(pidfd, pid, status, err == ECHILD ? flags & ~WNOWAIT : flags);
    return err == ECHILD && rc > 0 ? fail(ECHILD) : rc;
}

// The first row alone.
int short_sendmmsg(int fd, evl_mmsg *rows, unsigned n, int flags) {
    int err = due_if_true(Call::sendmmsg, fd, POLLOUT);
    return err > 0 ? fail(err) : real.sendmmsg(fd, rows, err ? 1 : n, flags);
}

int short_recvmmsg(int fd, evl_mmsg *rows, unsigned n, int flags) {
    int err = due(Call::recvmmsg);
    return err > 0 ? fail(err) : real.recvmmsg(fd, rows, err ? 1 : n, flags);
}

int wait_select(int n, fd_set *r, fd_set *w, fd_set *e, timeval *t) {
    if (int err = due(Call::select))
        return fail(err);
    Waiting here(!t || t->tv_sec != 0 || t->tv_usec != 0);
    return real.select(n, r, w, e, t);
}

#if EVL_HAVE_EPOLL
// That an entry is there already is true, and it is somebody else's.
int true_epoll_ctl(int ep, int op, int fd, epoll_event *ev) {
    int err = due(Call::epoll_ctl);
    epoll_event odd = {0, {}};
    bool gone = false;
    if (err == EEXIST && op == EPOLL_CTL_ADD)
        (void)real.epoll_ctl(ep, EPOLL_CTL_ADD, fd, &odd);
    else if ((err == EBADF || err == ENOENT) && op == EPOLL_CTL_DEL) {
        (void)real.epoll_ctl(ep, EPOLL_CTL_DEL, fd, ev);
        say_that_it_has_gone(fd);
    } else if (err == EBADF || (err == ENOENT && op == EPOLL_CTL_ADD))
        gone = close_behind_its_back(fd);
    else if (err == ENOENT)
        gone = give_to_another(fd, true);
    if (err != 0 && !gone)
        return fail(err);
    int rc = real.epoll_ctl(ep, op, fd, ev);
    if (rc == 0)
        note_known(fd);
    return rc;
}

int settime(int fd, int flags, const itimerspec *now, itimerspec *old) {
    Shared &s = shared();
    bool can = (flags & TFD_TIMER_CANCEL_ON_SET) || s.call != Call::timerfd_settime || s.err != ECANCELED;
    return can ? wrap_timerfd_settime(fd, flags, now, old) : real.timerfd_settime(fd, flags, now, old);
}

int wait_epoll_wait(int ep, epoll_event *ev, int cap, int ms) {
    int err = due(Call::epoll_wait);
    if (err != 0 && err != EVL_FAULT_SHORT)
        return fail(err);
    Waiting here(ms != 0);
    return real.epoll_wait(ep, ev, err ? 1 : cap, ms);
}

int wait_epoll_pwait2(int ep, epoll_event *ev, int cap, const timespec *t) {
    int err = due(Call::epoll_pwait2);
    if (err != 0 && err != EVL_FAULT_SHORT)
        return fail(err);
    Waiting here(true);
    return real.epoll_pwait2(ep, ev, err ? 1 : cap, t);
}
#endif

#if EVL_HAVE_KQUEUE
constexpr timespec kAtOnce{};

bool all_have(const struct kevent *changes, int n, int flag) {
    for (int i = 0; i < n; i++)
        if (!(changes[i].flags & flag))
            return false;
    return n > 0;
}

// A kernel that answers ENOENT to a deletion has deleted it; and one that takes part in a call without an
// error of its own is made.
int kevent_with_bad_row(int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                        int err) {
    struct kevent first = changes[0];
    bool receipts = all_have(changes, n, EV_RECEIPT);
    if (first.flags & EV_DELETE)
        (void)real.kevent(kq, &first, 1, events, receipts ? 1 : 0, &kAtOnce);
    first.flags = EV_ERROR;
    first.data = err;
    int rest = 0;
    if (n > 1)
        rest = real.kevent(kq, changes + 1, n - 1, receipts ? events + 1 : nullptr, receipts ? cap - 1 : 0,
                           &kAtOnce);
    events[0] = first;
    return 1 + (rest > 0 ? rest : 0);
}

// What the first change of a call can answer: a knote that is made can be refused, one that is changed or
// deleted can only be gone.
bool row_can(int err, const struct kevent &change) {
    return (change.flags & EV_ADD) ? err != ENOENT : err == ENOENT || err == EBADF;
}

// Whether a call can fail in this way: an error row needs a change and room, EINTR something to wait for; the
// trigger of a knote that is there can only be interrupted, and a deletion cannot fail and leave the knote.
bool kevent_can(int err, const struct kevent *changes, int n, int cap) {
    bool trigger = n == 1 && cap == 0 && changes[0].filter == EVFILT_USER;
    if (err == EBADF && all_have(changes, n, EV_RECEIPT)) // of the queue: no fd is gone
        return false;
    if (err == EINTR)
        return trigger || !all_have(changes, n, EV_RECEIPT);
    if (trigger)
        return false;
    if (err == EVL_FAULT_SHORT)
        return n == 0;
    return err < 0 ? n > 0 && cap > 0 && row_can(EVL_FAULT_ROW(0) - err, changes[0])
                   : !all_have(changes, n, EV_DELETE);
}

bool is_of_fd(const struct kevent &change) {
    return change.filter != EVFILT_USER && change.filter != EVFILT_TIMER && change.filter != EVFILT_PROC;
}

// Whether the fd that the first change is of has gone behind evloop's back, now.
bool is_gone(int err, const struct kevent *changes, int n) {
    if (n == 0 || !is_of_fd(changes[0]))
        return false;
    auto fd = static_cast<int>(changes[0].ident);
    if ((changes[0].flags & EV_DELETE) && (err == EVL_FAULT_ROW(EBADF) || err == EVL_FAULT_ROW(ENOENT))) {
        say_that_it_has_gone(fd);
        return false;
    }
    return (err == EVL_FAULT_ROW(EBADF) && close_behind_its_back(fd)) ||
           (err == EVL_FAULT_ROW(ENOENT) && give_to_another(fd, false));
}

int wait_kevent(int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                const timespec *t) {
    Shared &s = shared();
    int wanted = s.call == Call::kevent ? s.err.load() : 0;
    int err = wanted == 0 || kevent_can(wanted, changes, n, cap) ? due(Call::kevent) : 0;
    bool gone = is_gone(err, changes, n);
    if (err < EVL_FAULT_SHORT && !gone)
        return kevent_with_bad_row(kq, changes, n, events, cap, EVL_FAULT_ROW(0) - err);
    err = gone ? 0 : err;
    if (err == EINTR && n > 0 && cap > 0)
        (void)real.kevent(kq, changes, n, nullptr, 0, &kAtOnce); // the changes were made, the wait was not
    if (err > 0)
        return fail(err);
    for (int i = 0; i < n; i++)
        if (is_of_fd(changes[i]))
            note_known(static_cast<int>(changes[i].ident));
    Waiting here(cap > 0 && !all_have(changes, n, EV_RECEIPT) && (!t || t->tv_sec != 0 || t->tv_nsec != 0));
    return real.kevent(kq, changes, n, events, err ? 1 : cap, t);
}
#endif

} // namespace

const char *name_of(Call call) {
    static const char *const names[] = {
#define FAULTS_NAME(ret, name, params, args) #name,
        EVL_SYSCALLS(FAULTS_NAME)
#undef FAULTS_NAME
    };
    return names[static_cast<size_t>(call)];
}

const std::vector<int> &errnos_of(Call call) {
    static const std::vector<int> lists[] = {
#define FAULTS_LIST(ret, name, params, args) {EVL_ERRNOS_##name},
        EVL_SYSCALLS(FAULTS_LIST)
#undef FAULTS_LIST
    };
    return lists[static_cast<size_t>(call)];
}

std::string describe(const Fault &fault) {
    std::string how = fault.err == EVL_FAULT_SHORT ? "short"
                      : fault.err < 0              ? std::string("a row of ") +
                                            evl_err_name(evl_err_from_errno(EVL_FAULT_ROW(0) - fault.err))
                                      : evl_err_name(evl_err_from_errno(fault.err));
    return std::string(name_of(fault.call)) + " number " + std::to_string(fault.index) + ": " + how;
}

Injector::Injector() {
    real = evl_sys;
#define FAULTS_SET(ret, name, params, args) evl_sys.name = wrap_##name;
    EVL_SYSCALLS(FAULTS_SET)
#undef FAULTS_SET
    evl_sys.read = short_read;
    evl_sys.fstat = true_fstat;
    evl_sys.socket = own_socket;
    evl_sys.accept = own_accept;
    evl_sys.reopen = own_reopen;
    evl_sys.recv = short_recv;
    evl_sys.recvmsg = true_recvmsg;
    evl_sys.connect = odd_connect;
    evl_sys.send = short_send;
    evl_sys.sendmsg = short_sendmsg;
    evl_sys.write_pipe = short_write_pipe;
    evl_sys.sendfile = short_sendfile;
    evl_sys.splice = short_splice;
    evl_sys.splice_out = short_splice_out;
    evl_sys.pread = short_pread;
    evl_sys.open_cloexec = true_open;
    evl_sys.wait_child = true_wait_child;
    evl_sys.sendmmsg = short_sendmmsg;
    evl_sys.recvmmsg = short_recvmmsg;
    evl_sys.select = wait_select;
#if EVL_HAVE_EPOLL
    evl_sys.epoll_ctl = true_epoll_ctl;
    evl_sys.timerfd_settime = settime;
    evl_sys.epoll_wait = wait_epoll_wait;
    evl_sys.epoll_pwait2 = wait_epoll_pwait2;
#endif
#if EVL_HAVE_KQUEUE
    evl_sys.kevent = wait_kevent;
#endif
    arm_nothing();
}

Injector::~Injector() { evl_sys = real; }

void Injector::arm(const Fault &fault) {
    Shared &s = shared();
    s.call = fault.call;
    s.err = fault.err;
    s.index = fault.index;
    s.hit = false;
    for (auto &count : s.calls)
        count = 0;
}

void Injector::end() { give_back(); }

void Injector::arm_nothing() { arm({Call::count, 0, 0}); }

bool Injector::hit() const { return shared().hit; }

uint64_t Injector::calls(Call call) const { return shared().calls[static_cast<size_t>(call)]; }

Paused::Paused() : before_(shared().paused.exchange(true)) {}

Paused::~Paused() { shared().paused = before_; }

void give(int fd) {
    (void)note_opened(fd);
    note_known(fd);
}

void edges(bool only) { shared().edges = only; }

bool waiting() { return shared().waits > 0; }

} // namespace faults
