#include "fd_model.hpp"

#include <algorithm>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace model {
namespace {

constexpr uint32_t kSides = EVL_READ | EVL_WRITE;
constexpr uint32_t kTrouble = EVL_ERR | EVL_HUP;
constexpr size_t kMostFds = 40, kMostOnOne = 4;

// The model's fds have numbers that nobody else is given.
constexpr int kFirstNumber = 500;

int move_up(int fd) {
    int high = ::fcntl(fd, F_DUPFD_CLOEXEC, kFirstNumber);
    ::close(fd);
    return high;
}

} // namespace

FdModel::FdModel(const char *backend, uint64_t seed) : random_(seed), backend_(backend) {
    evl_options options{};
    options.struct_size = sizeof options;
    options.backend = backend;
    options.clock = EVL_CLOCK_MANUAL;
    options.poll_interval = 1;
    options.alloc = support::Memory::resize;
    options.alloc_ctx = &memory_;
    EXPECT_EQ(evl_loop_new(&loop_, &options), 0);
}

FdModel::~FdModel() {
    EXPECT_EQ(fault_, "");
    EXPECT_EQ(evl_loop_destroy(loop_), 0);
    for (auto &[fd, kind] : fds_)
        ::close(fd);
    if (duplicate_ >= 0)
        ::close(duplicate_);
}

void FdModel::expect(bool condition, const char *what, const Watcher *w) {
    if (condition || !fault_.empty())
        return;
    fault_ = what;
    auto tell = [&](const char *name, int64_t value) { fault_ += std::string(name) + std::to_string(value); };
    if (w) {
        tell(": fd ", w->fd);
        tell(" mask ", w->mask);
        tell(" oneshot ", w->oneshot);
        tell(" due ", w->due);
        tell(" ended ", w->ended);
    }
    tell("; lost ", lost_);
    tell(" duplicate ", duplicate_);
}

uint64_t FdModel::polls() const {
    evl_metrics m{};
    m.struct_size = sizeof m;
    (void)evl_loop_metrics(loop_, &m);
    return m.polls;
}

// --- what must be heard
// ----------------------------------------------------------------------------------------

uint32_t FdModel::wanted(const Chain &chain) const {
    uint32_t mask = 0;
    for (const Watcher *w : chain)
        mask |= w->mask;
    return mask;
}

// What the kernel reports of an fd of which `wanted` is wanted, in the words of each backend.
uint32_t FdModel::ready(int fd, uint32_t wanted) const {
    pollfd p{.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP, .revents = 0};
    if (wanted == 0 || ::poll(&p, 1, 0) < 0)
        return 0;
    auto r = static_cast<uint32_t>(p.revents);
    auto if_any = [&](uint32_t events, uint32_t mask) { return (r & events) ? mask : 0; };
    if (on("epoll"))
        return r & (wanted | kTrouble);
    if (on("select"))
        return (if_any(POLLIN | POLLHUP | POLLERR, EVL_READ) | if_any(POLLOUT | POLLERR, EVL_WRITE)) & wanted;
    // kqueue: two filters, which see the end of their own direction; POLLERR tells of an error only on a
    // socket.
    uint32_t error = fds_.at(fd) == Kind::socket ? if_any(POLLERR, EVL_ERR) : 0;
    uint32_t reported = 0;
    if ((wanted & EVL_READ) && (r & (POLLIN | POLLRDHUP | POLLHUP | POLLERR)))
        reported |= EVL_READ | error | if_any(POLLHUP | POLLERR, EVL_HUP);
    if ((wanted & EVL_WRITE) && (r & (POLLOUT | POLLHUP | POLLERR)))
        reported |= EVL_WRITE | error | if_any(POLLHUP | POLLERR, EVL_HUP);
    return reported;
}

// Trouble goes to whichever side is wanted.
uint32_t FdModel::share(const Watcher &w, uint32_t reported) const {
    if (w.mask == 0)
        return 0;
    uint32_t trouble = reported & kTrouble;
    return (reported & w.mask) | (trouble ? trouble | (w.mask & kSides) : 0);
}

// select answers nothing but EBADF, unless the number has been found out before.
bool FdModel::finds_nothing_else() const {
    if (lost_ < 0 || fds_.contains(lost_))
        return false;
    const Chain &chain = chains_.at(lost_);
    return lost_mask_ != 0 && wanted(chain) == lost_mask_ && evl_io_fd(chain.front()->handle) >= 0;
}

void FdModel::expect_reports() {
    bool only_lost = on("select") && finds_nothing_else();
    last_turn_.clear();
    for (Watcher *w : open_)
        w->mask_before = w->mask;
    for (auto &[fd, chain] : chains_) {
        if (fd == lost_ || only_lost)
            continue;
        uint32_t reported = ready(fd, wanted(chain));
        int turn = 0;
        for (int reading = 1; reading >= 0; reading--)
            for (Watcher *w : chain) {
                uint32_t mask = w->due ? 0 : share(*w, reported);
                if (mask == 0 || ((mask & EVL_READ) != 0) != (reading != 0))
                    continue;
                w->due = mask;
                w->turn = ++turn;
            }
        for (Watcher *w : chain)
            if (w->due && w->oneshot)
                w->mask = 0;
    }
}

void FdModel::expect_end(int fd, int32_t code) {
    for (Watcher *w : chains_[fd]) {
        w->ended = code;
        w->error_due = true;
        w->passes_left = 2;
        w->due = w->mask = 0;
        w->fd = -1;
    }
    chains_.erase(fd);
    if (fd == lost_)
        lost_ = -1;
}

void FdModel::end_of_pass(bool polled) {
    for (Watcher *w : open_) {
        if (w->due && !polled) { // it was busy with errors; nothing else has happened
            w->mask = w->mask_before;
            w->due = 0;
        }
        expect(w->due == 0, "ready, and not heard", w);
        expect(!w->error_due || --w->passes_left > 0, "an error that is not heard", w);
        w->due = 0;
    }
}

// --- what is heard
// ---------------------------------------------------------------------------------------------

void FdModel::on_report(void *arg, int64_t result) {
    auto *w = static_cast<Watcher *>(arg);
    w->model->hear(*w, result);
}

void FdModel::hear(Watcher &w, int64_t result) {
    reports_++;
    expect(w.handle != nullptr, "heard after it was closed", &w);
    if (w.error_due) {
        expect(result == w.ended, "another error", &w);
        w.error_due = false;
    } else if (w.fd >= 0 && w.fd == lost_) {
        hear_lost(w, result);
    } else {
        expect(w.ended == 0, "heard after it had ended", &w);
        expect(w.due != 0, "heard, and nothing is ready", &w);
        expect(w.due == result, "another mask", &w);
        expect(w.turn > last_turn_[w.fd], "writers before readers, or the younger first", &w);
        last_turn_[w.fd] = w.turn;
        w.due = 0;
    }
    if (!broken() && !quiet_ && below(4) == 0)
        act();
}

// A watcher of a lost number hears that it is lost, at any time. Before that, epoll reports the old file as
// long as it is open, and select whatever has the number now; a kqueue forgets a number that is closed.
void FdModel::hear_lost(Watcher &w, int64_t result) {
    if (result == EVL_EBADF) {
        expect_end(w.fd, EVL_EBADF);
        w.error_due = false;
        return;
    }
    bool possible = (on("epoll") && duplicate_ >= 0) || (on("select") && fds_.contains(lost_));
    expect(possible, "heard of a file that is gone, or of one that was not added", &w);
    expect(result > 0 && (result & ~int64_t{w.mask | kTrouble}) == 0, "a mask that is not wanted", &w);
    if (w.oneshot)
        w.mask = 0;
}

void FdModel::check(const Watcher &w) {
    if (w.fd == lost_ && w.fd >= 0 && evl_io_fd(w.handle) < 0)
        return; // found out, and not told yet
    expect(evl_io_fd(w.handle) == w.fd, "another fd", &w);
    expect(evl_io_mask(w.handle) == static_cast<int32_t>(w.mask), "another mask is told", &w);
    expect(evl_active(w.handle) == (w.mask != 0), "active although it is not, or not although it is", &w);
}

void FdModel::pass() {
    bool busy = std::any_of(open_.begin(), open_.end(), [](const Watcher *w) { return w->error_due; });
    bool was_quiet = std::exchange(quiet_, quiet_ || busy);
    uint64_t before = polls();
    expect_reports();
    running_ = true;
    expect(evl_loop_run(loop_, EVL_RUN_NOWAIT) >= 0, "run fails");
    running_ = false;
    quiet_ = was_quiet;
    expect(busy || polls() == before + 1, "a pass with nothing ready and without a poll");
    end_of_pass(polls() != before);
    for (const Watcher *w : open_)
        check(*w);
}

// --- what can happen
// -------------------------------------------------------------------------------------------

void FdModel::add(int fd, Kind kind) {
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
    fds_[fd] = kind;
    if (fd == lost_ && lost_mask_ == 0)
        lost_ = -1; // the kernel knew nothing that it could be wrong about
}

void FdModel::open_pair() {
    int ends[2];
    bool sockets = below(2) != 0;
    if ((sockets ? ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : ::pipe(ends)) != 0)
        return;
    add(move_up(ends[0]), sockets ? Kind::socket : Kind::pipe_r);
    add(move_up(ends[1]), sockets ? Kind::socket : Kind::pipe_w);
}

// Something is sent, as much as there is room for at times; something is taken; a direction ends.
void FdModel::talk(int fd) {
    static char bytes[65536];
    bool writes = fds_[fd] != Kind::pipe_r && below(2);
    if (fds_[fd] == Kind::socket && below(40) == 0)
        ::shutdown(fd, SHUT_WR);
    else if (writes && below(4)) // MSG_NOSIGNAL is for sockets only; SIGPIPE is ignored around the walk
        (void)!::write(fd, bytes, static_cast<size_t>(1 + below(100)));
    else if (writes)
        while (::write(fd, bytes, sizeof bytes) > 0) {
        }
    else if (fds_[fd] != Kind::pipe_w)
        while (::read(fd, bytes, sizeof bytes) == static_cast<ssize_t>(sizeof bytes)) {
        }
}

uint32_t FdModel::random_mask(int fd) {
    uint32_t sides = kSides;
    if (fds_.contains(fd) && fds_[fd] != Kind::socket)
        sides = fds_[fd] == Kind::pipe_r ? EVL_READ : EVL_WRITE;
    return ((below(2) ? EVL_READ : 0) | (below(2) ? EVL_WRITE : 0)) & sides;
}

void FdModel::new_watcher(int fd) {
    Watcher &w = all_.emplace_back();
    w.model = this;
    w.fd = fd;
    w.mask = random_mask(fd);
    w.oneshot = below(3) == 0;
    int32_t rc = evl_io_new(loop_, fd, w.mask, w.oneshot ? EVL_IO_ONESHOT : 0, on_report, &w, &w.handle);
    if (fd == lost_) // which is found out now
        expect_end(fd, EVL_EBADF);
    if (!fds_.contains(fd)) {
        expect(rc == EVL_EBADF, "a closed number is watched", &w);
        return;
    }
    expect(rc == 0, "no watcher", &w);
    w.index = open_.size();
    open_.push_back(&w);
    chains_[fd].push_back(&w);
}

void FdModel::set_mask(Watcher &w, uint32_t mask) {
    int32_t rc = evl_io_set(w.handle, mask);
    if (w.ended) {
        expect(rc == (mask ? w.ended : 0), "a watcher that has ended takes a mask", &w);
        return;
    }
    expect(rc == 0, "the mask is refused", &w);
    if (w.due) {
        w.due &= mask | kTrouble;
        if (mask == 0 || (w.due & kSides) == 0)
            w.due = 0;
        else if (w.oneshot)
            return; // the report that is due is the one
    }
    w.mask = mask;
    check(w);
}

void FdModel::close_watcher(Watcher &w) {
    expect(evl_close(std::exchange(w.handle, nullptr)) == 0, "not closed", &w);
    w.due = 0;
    w.error_due = false;
    open_.back()->index = w.index;
    std::swap(open_[w.index], open_.back());
    open_.pop_back();
    if (w.fd < 0)
        return;
    std::erase(chains_[w.fd], &w);
    if (!chains_[w.fd].empty())
        return;
    chains_.erase(w.fd);
    if (w.fd == lost_)
        lost_ = -1;
}

// As a program should: first the watchers, then the fd.
void FdModel::close_fd(int fd) {
    if (below(2)) {
        auto found = chains_.find(fd);
        auto n = static_cast<int32_t>(found == chains_.end() ? 0 : found->second.size());
        expect(evl_fd_closing(loop_, fd) == n, "another number of watchers ends");
        if (n > 0)
            expect_end(fd, EVL_ECLOSED);
    } else {
        while (chains_.contains(fd))
            close_watcher(*chains_[fd].back());
    }
    ::close(fd);
    fds_.erase(fd);
}

FdModel::Watcher *FdModel::any_watcher() {
    if (open_.empty())
        return nullptr;
    return open_[static_cast<size_t>(below(static_cast<int64_t>(open_.size())))];
}

int FdModel::any_fd() {
    if (fds_.empty())
        return -1;
    auto it = std::next(fds_.begin(), below(static_cast<int64_t>(fds_.size())));
    return it->first == lost_ ? -1 : it->first;
}

// --- numbers closed behind the watchers' backs
// -----------------------------------------------------------------

// Until the kernel knows of every change.
void FdModel::settle() {
    quiet_ = true;
    for (bool changed = true; changed && !broken();) {
        uint64_t before = polls();
        pass();
        changed = polls() == before;
        for (const Watcher *w : open_)
            changed |= w->mask != w->mask_before || w->error_due;
    }
    quiet_ = false;
}

void FdModel::lose(int fd) {
    settle();
    // A kqueue has no knote for a pipe without readers, and so nothing that could prove the number.
    pollfd p{.fd = fd, .events = 0, .revents = 0};
    bool no_proof = on("kqueue") && fds_[fd] == Kind::pipe_w && ::poll(&p, 1, 0) > 0;
    if (broken() || no_proof || !chains_.contains(fd))
        return;
    losses_++;
    if (duplicate_ >= 0)
        ::close(std::exchange(duplicate_, -1));
    if (below(3) == 0)
        duplicate_ = move_up(::dup(fd));
    ::close(fd);
    fds_.erase(fd);
    if (below(2))
        open_pair(); // takes the number, if it is the lowest that is free
    // What the kernel never knew, or has forgotten, is whatever has the number now.
    lost_mask_ = wanted(chains_[fd]);
    if (lost_mask_ != 0 || !fds_.contains(fd))
        lost_ = fd;
}

// What makes the loop look at the number, or makes the loss nobody's.
void FdModel::find_out() {
    int fd = lost_;
    if (evl_io_fd(chains_[fd].front()->handle) < 0) { // when another of its watchers was closed
        expect_end(fd, EVL_EBADF);
        return;
    }
    switch (below(4)) {
    case 0:
        while (chains_.contains(fd))
            close_watcher(*chains_[fd].back());
        break;
    case 1: {
        Watcher &w = *chains_[fd].front();
        set_mask(w, w.mask ^ EVL_READ);
        if (wanted(chains_[fd]) == lost_mask_)
            break;
        expect_end(fd, EVL_EBADF); // when the kernel is told, which is now
        pass();
        break;
    }
    default:
        new_watcher(fd);
    }
}

// --- random steps
// ----------------------------------------------------------------------------------------------

// What a callback may do as well.
void FdModel::act() {
    int64_t what = below(20);
    int fd = any_fd();
    Watcher *w = any_watcher();
    if (what < 8 && fd >= 0)
        talk(fd);
    else if (what < 12 && w && (w->fd < 0 || w->fd != lost_))
        set_mask(*w, w->fd < 0 ? static_cast<uint32_t>(below(2)) : random_mask(w->fd));
    else if (what < 15 && w)
        close_watcher(*w);
    else if (what < 19 && fd >= 0 && chains_[fd].size() < kMostOnOne)
        new_watcher(fd);
    else if (what == 19 && fd >= 0)
        close_fd(fd);
    std::erase_if(chains_, [](const auto &item) { return item.second.empty(); });
}

void FdModel::step() {
    int64_t what = below(100);
    int fd = any_fd();
    if (broken())
        return;
    if (fds_.size() < kMostFds && what < 10)
        open_pair();
    else if (what < 40)
        pass();
    else if (what < 42 && lost_ >= 0)
        find_out();
    else if (what == 42 && lost_ < 0 && fd >= 0 && chains_.contains(fd))
        lose(fd);
    else
        act();
}

} // namespace model
