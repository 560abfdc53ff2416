// backend_test.cpp - every backend, driven through the contract in core/backend/backend.h and nothing else.
#include "child.hpp"
#include "fds.hpp"
#include "memory.hpp"
#include "sys.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <climits>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <set>
#include <string>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <thread>
#include <unistd.h>
#include <vector>

// backend.h without mem.h, whose C11 atomics C++20 does not know: an allocator is only handed through here.
#define EVL_CORE_MEM_H
#include <evloop/loop.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" // a compound literal
extern "C" {
struct evl_mem;
void evl_mem_init(evl_mem *mem, evl_realloc_fn *fn, void *ctx);
#include "backend/backend.h"
}
#pragma GCC diagnostic pop

using namespace support;
using ::testing::AnyOf;
using ::testing::Eq;

namespace {

using masks = std::initializer_list<uint32_t>;
constexpr uint32_t kTrouble = EVL_ERR | EVL_HUP;
constexpr uint64_t kWake = UINT64_C(0xfedcba9876543210);
constexpr int64_t kMs = 1'000'000;

int64_t now() {
    timespec ts{};
    ::clock_gettime(CLOCK_MONOTONIC, &ts);
    return int64_t{ts.tv_sec} * 1'000'000'000 + ts.tv_nsec;
}

std::set<int> open_numbers() {
    std::set<int> numbers;
    for (int fd = 0; fd < 4096; fd++)
        if (::fcntl(fd, F_GETFD) >= 0)
            numbers.insert(fd);
    return numbers;
}

// What a wait reported: masks by tag.
using Rows = std::map<uint64_t, uint32_t>;

// A backend that is open. Closing it gives back every byte and every fd.
class Queue {
  public:
    explicit Queue(const evl_backend *backend)
        : backend(backend), state_(static_cast<char *>(std::calloc(1, backend->state_size))) {
        evl_mem_init(mem(), Memory::resize, &memory);
        rc_ = backend->open(state_, mem(), kWake);
    }
    Queue(const Queue &) = delete;
    ~Queue() {
        if (rc_ == 0)
            backend->close(state_, 0);
        std::free(state_);
    }
    void close(int forked) {
        backend->close(state_, forked);
        rc_ = -1;
    }

    int opened() const { return rc_; }
    bool can(uint32_t cap) const { return (backend->caps & cap) != 0; }
    int add(int fd, uint32_t mask, uint64_t tag) { return backend->add(state_, fd, mask, tag); }
    int change(int fd, uint32_t old, uint32_t mask, uint64_t tag) {
        return backend->change(state_, fd, old, mask, tag);
    }
    int prove(int fd, uint32_t old, uint32_t mask, uint64_t tag) {
        return backend->prove(state_, fd, old, mask, tag);
    }
    void remove(int fd, uint32_t mask) { backend->remove(state_, fd, mask); }
    int reopen(int forked) { return backend->reopen(state_, forked); }
    void wake() { backend->wake(state_); }
    int fd() { return backend->fd(state_); }
    int arm(int64_t deadline) { return backend->arm(state_, deadline); }

    // What a wait answers when that is not rows.
    int wait_code(int64_t timeout_ns) {
        std::array<evl_kernel_event, EVL_EVENT_MAX> events;
        return backend->wait(state_, events.data(), EVL_EVENT_MAX, timeout_ns);
    }
    Rows wait(int64_t timeout_ns = 0, int cap = EVL_EVENT_MAX) {
        std::array<evl_kernel_event, EVL_EVENT_MAX> events;
        int n = backend->wait(state_, events.data(), cap, timeout_ns);
        EXPECT_GE(n, 0);
        EXPECT_LE(n, cap);
        return rows_of(events.data(), n);
    }
    std::vector<evl_poll_row> rows() {
        std::vector<evl_poll_row> rows(4096);
        int n = backend->rows(state_, rows.data(), 4096);
        EXPECT_EQ(backend->rows(state_, nullptr, 0), n);
        rows.resize(static_cast<size_t>(n));
        return rows;
    }
    Rows take(const std::vector<evl_poll_row> &rows, int cap = EVL_EVENT_MAX) {
        std::array<evl_kernel_event, EVL_EVENT_MAX> events;
        int n = backend->take(state_, rows.data(), static_cast<int>(rows.size()), events.data(), cap);
        EXPECT_LE(n, cap);
        return rows_of(events.data(), n);
    }

    const evl_backend *backend;
    Memory memory;

  private:
    evl_mem *mem() { return reinterpret_cast<evl_mem *>(mem_); }
    static Rows rows_of(const evl_kernel_event *events, int n) {
        Rows rows;
        for (int i = 0; i < n; i++) {
            uint64_t tag = EVL_EVENT_TAG(&events[i]);
            EXPECT_EQ(rows.count(tag), 0u) << "two rows for one fd";
            rows[tag] = EVL_EVENT_MASK(&events[i]);
        }
        return rows;
    }

    alignas(16) char mem_[128];
    char *state_;
    int rc_;
};

class Backend : public ::testing::TestWithParam<const evl_backend *> {
  protected:
    Queue &queue() {
        if (!queue_) {
            queue_ = std::make_unique<Queue>(GetParam());
            EXPECT_EQ(queue_->opened(), 0);
        }
        return *queue_;
    }
    bool on(const char *name) const { return std::string(GetParam()->name) == name; }

  private:
    std::unique_ptr<Queue> queue_;
};

std::vector<const evl_backend *> all_backends() {
    std::vector<const evl_backend *> all;
    for (int i = 0; evl_backends[i]; i++)
        all.push_back(evl_backends[i]);
    return all;
}

INSTANTIATE_TEST_SUITE_P(, Backend, ::testing::ValuesIn(all_backends()),
                         [](const auto &info) { return std::string(info.param->name); });

// Puts an fd under a number of the test's choice.
Fd renumbered(Fd fd, int number) {
    if (fd == number)
        return fd;
    EXPECT_EQ(::dup3(fd, number, O_CLOEXEC), number);
    return Fd(number);
}

// --- the table
// ------------------------------------------------------------------------------------------------

TEST_P(Backend, IsFoundByItsNameAndHasWhatItsCapabilitiesSay) {
    const evl_backend *b = GetParam();
    EXPECT_EQ(evl_backend_named(b->name), b);
    EXPECT_EQ(evl_backend_named("poll"), nullptr);
    bool loop_fd = (b->caps & EVL_CAP_LOOP_FD) != 0;
    EXPECT_EQ(b->fd != nullptr, loop_fd);
    EXPECT_EQ(b->arm != nullptr, loop_fd);
    EXPECT_EQ(b->rows != nullptr, !loop_fd);
    EXPECT_EQ(b->take != nullptr, !loop_fd);
}

TEST_P(Backend, OpensCloseOnExecAndGivesEverythingBack) {
    std::set<int> before = open_numbers();
    {
        Queue q(GetParam());
        ASSERT_EQ(q.opened(), 0);
        for (int fd : open_numbers())
            EXPECT_TRUE(before.count(fd) || (::fcntl(fd, F_GETFD) & FD_CLOEXEC)) << fd;
    }
    EXPECT_EQ(open_numbers(), before);
}

TEST_P(Backend, AFailedOpenLeavesNothingOpen) {
    std::set<int> before = open_numbers();
    for (size_t call = 0; call < static_cast<size_t>(Call::count); call++)
        for (uint64_t skip = 0; skip < 4; skip++) {
            Sys sys;
            sys.fail(static_cast<Call>(call), EMFILE, skip, 100);
            Queue q(GetParam());
            if (q.opened() != 0) {
                EXPECT_EQ(q.opened(), EVL_EMFILE);
                EXPECT_EQ(open_numbers(), before);
            }
            sys.fail(static_cast<Call>(call), 0, 0, 0);
        }
    EXPECT_EQ(open_numbers(), before);
}

// --- what is reported
// -----------------------------------------------------------------------------------------

enum class Trouble { kNone, kSome, kMaybe };

struct Stage {
    Fd fd; // the watched one
    Fd other;
};

struct Scene {
    const char *name;
    uint32_t wanted;
    uint32_t ready; // once trouble is given to whichever side is wanted, as the loop does
    Trouble trouble;
    std::function<Stage()> make;
    std::function<void(Stage &)> act;
};

Stage reader() {
    Pipe p;
    return {std::move(p.r), std::move(p.w)};
}
Stage writer() {
    Pipe p;
    return {std::move(p.w), std::move(p.r)};
}
Stage pair() {
    Pair p;
    return {std::move(p.a), std::move(p.b)};
}
Stage tcp() {
    Tcp t;
    return {std::move(t.a), std::move(t.b)};
}
Stage listener() {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    EXPECT_EQ(::listen(fd, 4), 0);
    return {std::move(fd), Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
}
// The other is bound and does not listen.
Stage stranger() {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    Fd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in addr{};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(other, reinterpret_cast<sockaddr *>(&addr), sizeof addr), 0);
    return {std::move(fd), std::move(other)};
}
void connect_to(int from, int to) {
    sockaddr_in addr{};
    socklen_t len = sizeof addr;
    EXPECT_EQ(::getsockname(to, reinterpret_cast<sockaddr *>(&addr), &len), 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)::connect(from, reinterpret_cast<sockaddr *>(&addr), len);
}
void reset(Stage &s) {
    linger hard{1, 0};
    EXPECT_EQ(::setsockopt(s.other, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
    s.other.close();
}
void nothing(Stage &) {}

const std::vector<Scene> &scenes() {
    using T = Trouble;
    static const std::vector<Scene> list = {
        {"an empty pipe", EVL_READ, 0, T::kNone, reader, nothing},
        {"data in a pipe", EVL_READ, EVL_READ, T::kNone, reader, [](Stage &s) { s.other.put(); }},
        {"room in a pipe", EVL_WRITE, EVL_WRITE, T::kNone, writer, nothing},
        {"a full pipe", EVL_WRITE, 0, T::kNone, writer, [](Stage &s) { s.fd.put(-1); }},
        {"an idle socket, reader", EVL_READ, 0, T::kNone, pair, nothing},
        {"an idle socket, both", EVL_READ | EVL_WRITE, EVL_WRITE, T::kNone, pair, nothing},
        {"data on a socket, both", EVL_READ | EVL_WRITE, EVL_READ | EVL_WRITE, T::kNone, pair,
         [](Stage &s) { s.other.put(); }},
        {"data on a full socket", EVL_READ | EVL_WRITE, EVL_READ, T::kNone, pair,
         [](Stage &s) {
             s.fd.put(-1);
             s.other.put();
         }},
        {"a connection to accept", EVL_READ, EVL_READ, T::kNone, listener,
         [](Stage &s) { connect_to(s.other, s.fd); }},
        {"a pipe without writers", EVL_READ, EVL_READ, T::kSome, reader, [](Stage &s) { s.other.close(); }},
        {"a pipe without writers, data left", EVL_READ, EVL_READ, T::kSome, reader,
         [](Stage &s) {
             s.other.put();
             s.other.close();
         }},
        {"a pipe without readers", EVL_WRITE, EVL_WRITE, T::kSome, writer, [](Stage &s) { s.other.close(); }},
        {"a full pipe without readers", EVL_WRITE, EVL_WRITE, T::kSome, writer,
         [](Stage &s) {
             s.fd.put(-1);
             s.other.close();
         }},
        {"a peer that closed, reader", EVL_READ, EVL_READ, T::kSome, pair, [](Stage &s) { s.other.close(); }},
        {"a peer that closed, writer", EVL_WRITE, EVL_WRITE, T::kSome, pair,
         [](Stage &s) { s.other.close(); }},
        {"a peer that will not write", EVL_READ, EVL_READ, T::kMaybe, tcp,
         [](Stage &s) { ::shutdown(s.other, SHUT_WR); }},
        {"a reset, reader", EVL_READ, EVL_READ, T::kSome, tcp, reset},
        {"a reset, writer", EVL_WRITE, EVL_WRITE, T::kSome, tcp, reset},
        {"a refused connect", EVL_WRITE, EVL_WRITE, T::kSome, stranger,
         [](Stage &s) { connect_to(s.fd, s.other); }},
        {"urgent data", EVL_PRI, EVL_PRI, T::kNone, tcp,
         [](Stage &s) { EXPECT_EQ(::send(s.other, "!", 1, MSG_OOB), 1); }},
        {"plain data, urgent wanted", EVL_PRI, 0, T::kNone, tcp, [](Stage &s) { s.other.put(); }},
        {"everything at once", EVL_READ | EVL_WRITE | EVL_PRI, EVL_READ | EVL_WRITE | EVL_PRI, T::kNone, tcp,
         [](Stage &s) {
             s.other.put();
             EXPECT_EQ(::send(s.other, "!", 1, MSG_OOB), 1);
         }},
    };
    return list;
}

// The kernel may need a moment for TCP.
Rows wait_for(Queue &q, uint64_t tag, uint32_t ready, uint32_t wanted) {
    Rows rows;
    for (int64_t end = now() + 2000 * kMs; now() < end;) {
        rows = q.wait(ready ? 10 * kMs : 0);
        uint32_t mask = rows.count(tag) ? rows[tag] : 0;
        uint32_t sides = mask & kTrouble ? wanted & (EVL_READ | EVL_WRITE) : 0;
        if (((mask | sides) & wanted) == ready)
            break;
    }
    return rows;
}

// What a backend cannot do the loop does not ask of it.
bool is_for(const Scene &scene, const Queue &q) { return !(scene.wanted & EVL_PRI) || q.can(EVL_CAP_PRI); }

void expect_scene(Queue &q, const Scene &scene, uint64_t tag) {
    Rows rows = wait_for(q, tag, scene.ready, scene.wanted);
    uint32_t mask = rows.count(tag) ? rows[tag] : 0;
    uint32_t sides = mask & kTrouble ? scene.wanted & (EVL_READ | EVL_WRITE) : 0;
    EXPECT_EQ((mask | sides) & scene.wanted, scene.ready);
    EXPECT_EQ(mask & ~(scene.wanted | kTrouble), 0u) << "not wanted";
    if (scene.trouble == Trouble::kNone || !q.can(EVL_CAP_HUP)) {
        EXPECT_EQ(mask & kTrouble, 0u);
    } else if (scene.trouble == Trouble::kSome) {
        EXPECT_NE(mask & kTrouble, 0u);
    }
}

TEST_P(Backend, ReportsWhatIsReadyAsOftenAsItIsAsked) {
    for (const Scene &scene : scenes())
        for (bool before : {true, false}) {
            SCOPED_TRACE(std::string(scene.name) + (before ? ", then added" : ", after it was added"));
            Queue q(GetParam());
            if (!is_for(scene, q))
                continue;
            Stage stage = scene.make();
            if (before)
                scene.act(stage);
            ASSERT_EQ(q.add(stage.fd, scene.wanted, 7), 0);
            if (!before)
                scene.act(stage);
            for (int i = 0; i < 3; i++)
                expect_scene(q, scene, 7);
            q.remove(stage.fd, scene.wanted);
            EXPECT_EQ(q.wait(), Rows{});
        }
}

TEST_P(Backend, ChangedMasksReportTheSame) {
    for (const Scene &scene : scenes())
        for (uint32_t first : masks{EVL_READ, EVL_WRITE, EVL_READ | EVL_WRITE}) {
            SCOPED_TRACE(std::string(scene.name) + " after " + std::to_string(first));
            Queue q(GetParam());
            if (!is_for(scene, q))
                continue;
            Stage stage = scene.make();
            ASSERT_EQ(q.add(stage.fd, first, 7), 0);
            (void)q.wait();
            scene.act(stage);
            ASSERT_EQ(q.change(stage.fd, first, scene.wanted, 8), 0);
            for (int i = 0; i < 3; i++)
                expect_scene(q, scene, 8);
            ASSERT_EQ(q.prove(stage.fd, scene.wanted, scene.wanted, 9), 0);
            expect_scene(q, scene, 9);
        }
}

TEST_P(Backend, EdgesAreReportedOnce) {
    Queue &q = queue();
    if (!q.can(EVL_CAP_EDGE))
        return; // the loop answers EVL_ENOTSUP
    Pipe p;
    ASSERT_EQ(q.add(p.r, EVL_READ | EVL_MASK_EDGE, 7), 0);
    EXPECT_EQ(q.wait(), Rows{});
    for (int i = 0; i < 3; i++) {
        p.w.put();
        EXPECT_EQ(q.wait(), (Rows{{7, EVL_READ}})) << "new data is a new edge, also behind old data";
        EXPECT_EQ(q.wait(), Rows{});
    }
    ASSERT_EQ(q.prove(p.r, EVL_READ | EVL_MASK_EDGE, EVL_READ | EVL_MASK_EDGE, 8), 0);
    EXPECT_EQ(q.wait(), (Rows{{8, EVL_READ}})) << "a change looks again";
    EXPECT_EQ(q.wait(), Rows{});
    ASSERT_EQ(q.change(p.r, EVL_READ | EVL_MASK_EDGE, EVL_READ, 9), 0);
    EXPECT_EQ(q.wait(), (Rows{{9, EVL_READ}})) << "a level from now on";
    EXPECT_EQ(q.wait(), (Rows{{9, EVL_READ}}));
    ASSERT_EQ(q.change(p.r, EVL_READ, EVL_READ | EVL_MASK_EDGE, 10), 0);
    EXPECT_EQ(q.wait(), (Rows{{10, EVL_READ}}));
    EXPECT_EQ(q.wait(), Rows{});
}

TEST_P(Backend, EdgesOfAPipeWhoseReaderWentFirst) {
    Queue &q = queue();
    if (!q.can(EVL_CAP_EDGE))
        return;
    Pipe p;
    p.r.close();
    ASSERT_EQ(q.add(p.w, EVL_WRITE | EVL_MASK_EDGE, 7), 0);
    EXPECT_EQ(q.wait().count(7), 1u);
    EXPECT_EQ(q.wait(), Rows{});
    q.remove(p.w, EVL_WRITE | EVL_MASK_EDGE);
}

// --- interest
// -------------------------------------------------------------------------------------------------

TEST_P(Backend, MasksAndTagsAreWhatWasToldLast) {
    Queue &q = queue();
    Pair p;
    p.b.put();
    struct {
        uint32_t mask;
        uint32_t reported;
    } steps[] = {
        {EVL_READ, EVL_READ},
        {EVL_WRITE, EVL_WRITE},
        {EVL_READ | EVL_WRITE, EVL_READ | EVL_WRITE},
        {EVL_READ | EVL_WRITE, EVL_READ | EVL_WRITE},
        {EVL_READ, EVL_READ},
        {0, 0},
        {EVL_WRITE, EVL_WRITE},
        {0, 0},
        {EVL_READ, EVL_READ},
    };
    for (bool proven : {false, true}) {
        uint32_t old = 0;
        uint64_t tag = 100;
        for (auto step : steps) {
            tag++;
            if (proven && old && step.mask) {
                ASSERT_EQ(q.prove(p.a, old, step.mask, tag), 0);
            } else {
                ASSERT_EQ(q.change(p.a, old, step.mask, tag), 0);
            }
            for (int i = 0; i < 2; i++)
                EXPECT_EQ(q.wait(), step.mask ? (Rows{{tag, step.reported}}) : Rows{});
            old = step.mask;
        }
        ASSERT_EQ(q.change(p.a, old, 0, 0), 0);
    }
}

TEST_P(Backend, ChangesWithoutAWaitBetweenThem) {
    Queue &q = queue();
    Pair p;
    p.b.put();
    ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
    ASSERT_EQ(q.change(p.a, EVL_READ, EVL_WRITE, 2), 0);
    ASSERT_EQ(q.change(p.a, EVL_WRITE, EVL_READ | EVL_WRITE, 3), 0);
    ASSERT_EQ(q.change(p.a, EVL_READ | EVL_WRITE, EVL_WRITE, 4), 0);
    ASSERT_EQ(q.prove(p.a, EVL_WRITE, EVL_READ, 5), 0);
    ASSERT_EQ(q.change(p.a, EVL_READ, EVL_WRITE, 6), 0);
    EXPECT_EQ(q.wait(), (Rows{{6, EVL_WRITE}}));
    ASSERT_EQ(q.change(p.a, EVL_WRITE, EVL_READ, 7), 0);
    ASSERT_EQ(q.change(p.a, EVL_READ, 0, 8), 0);
    EXPECT_EQ(q.wait(), Rows{});
    ASSERT_EQ(q.add(p.a, EVL_WRITE, 9), 0);
    ASSERT_EQ(q.change(p.a, EVL_WRITE, EVL_READ, 10), 0);
    q.remove(p.a, EVL_READ);
    EXPECT_EQ(q.wait(), Rows{});
}

TEST_P(Backend, NothingIsReportedAfterRemove) {
    Queue &q = queue();
    Pair p;
    for (uint32_t mask : masks{EVL_READ, EVL_WRITE, EVL_READ | EVL_WRITE}) {
        ASSERT_EQ(q.add(p.a, mask, 1), 0);
        p.b.put();
        q.remove(p.a, mask);
        EXPECT_EQ(q.wait(), Rows{});
    }
    int number = p.a;
    ASSERT_EQ(q.add(p.a, EVL_READ, 2), 0);
    q.remove(p.a, EVL_READ);
    p.a.close();
    Pair other;
    Fd again = renumbered(std::move(other.a), number);
    other.b.put();
    EXPECT_EQ(q.wait(), Rows{}) << "a new file under an old number";
    ASSERT_EQ(q.add(again, EVL_READ, 3), 0);
    EXPECT_EQ(q.wait(), (Rows{{3, EVL_READ}}));
}

TEST_P(Backend, WhatCannotBeWaitedOnIsRefusedAtOnce) {
    Queue &q = queue();
    Fd file = regular_file();
    Fd directory(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    Pipe p;
    int closed = p.r;
    p.r.close();
    for (uint32_t mask : masks{EVL_READ, EVL_WRITE, EVL_READ | EVL_WRITE, EVL_READ | EVL_PRI}) {
        EXPECT_EQ(q.add(file, mask, 1), EVL_EPERM);
        EXPECT_EQ(q.add(directory, mask, 1), EVL_EPERM);
        for (int fd : {closed, -1, -2, 1 << 20, INT_MAX, INT_MIN})
            EXPECT_EQ(q.add(fd, mask, 1), EVL_EBADF) << fd;
    }
    EXPECT_EQ(q.wait(), Rows{});
}

TEST_P(Backend, NumbersThatWereNeverAddedAreForgottenAlready) {
    Queue &q = queue();
    Pipe p;
    for (int fd : {static_cast<int>(p.r), -1, 1 << 20, INT_MAX, INT_MIN}) {
        q.remove(fd, EVL_READ);
        EXPECT_THAT(q.prove(fd, EVL_READ, EVL_WRITE, 1), AnyOf(EVL_ENOENT, EVL_EBADF)) << fd;
        EXPECT_THAT(q.change(fd, EVL_READ, EVL_WRITE, 1), AnyOf(EVL_ENOENT, EVL_EBADF)) << fd;
        EXPECT_EQ(q.change(fd, 0, 0, 1), 0);
    }
    EXPECT_EQ(q.wait(), Rows{});
}

TEST_P(Backend, ItsOwnFdsAreNotForWatching) {
    if (on("epoll"))
        return; // keeps no table: the loop never sees these numbers, and the kernel takes them
    std::set<int> before = open_numbers();
    Queue &q = queue();
    for (int fd : open_numbers())
        if (!before.count(fd)) {
            int rc = q.add(fd, EVL_READ, 1);
            if (rc == 0)
                q.remove(fd, EVL_READ);
            (void)q.prove(fd, EVL_READ, EVL_WRITE, 1);
            (void)q.change(fd, EVL_READ, 0, 1);
            q.remove(fd, EVL_READ);
        }
    q.wake();
    EXPECT_EQ(q.wait(), (Rows{{kWake, EVL_READ}}));
    EXPECT_EQ(q.wait(), Rows{});
}

// --- numbers that change hands
// ----------------------------------------------------------------------------------

TEST_P(Backend, ProveFindsANumberThatWasClosed) {
    Queue &q = queue();
    Pair p;
    int number = p.a;
    ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
    p.a.close();
    EXPECT_THAT(q.prove(number, EVL_READ, EVL_READ | EVL_WRITE, 2), AnyOf(EVL_ENOENT, EVL_EBADF));
    EXPECT_EQ(q.wait(), Rows{}) << "nothing of it is left";
}

TEST_P(Backend, ProveAndChangeFindANumberThatWasUsedAgain) {
    for (bool prove : {true, false})
        for (bool waited : {true, false})
            for (uint32_t old : masks{EVL_READ, EVL_WRITE, EVL_READ | EVL_WRITE})
                for (uint32_t mask : masks{EVL_READ, EVL_WRITE, EVL_READ | EVL_WRITE, 0}) {
                    if (prove && mask == 0)
                        continue;
                    SCOPED_TRACE(std::to_string(prove) + std::to_string(waited) + std::to_string(old) +
                                 std::to_string(mask));
                    Queue q(GetParam());
                    Pair p;
                    int number = p.a;
                    ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
                    ASSERT_EQ(q.change(p.a, EVL_READ, old, 1), 0);
                    if (waited)
                        (void)q.wait();
                    p.a.close();
                    Pair other;
                    Fd again = renumbered(std::move(other.a), number);
                    other.b.put();
                    int rc = prove ? q.prove(number, old, mask, 2) : q.change(number, old, mask, 2);
                    if (!prove && rc == 0) { // carried by the wait
                        EXPECT_EQ(q.wait(), (Rows{{2, EVL_MASK_GONE}}));
                    } else {
                        EXPECT_THAT(rc, AnyOf(EVL_ENOENT, EVL_EBADF));
                    }
                    EXPECT_EQ(q.wait(), Rows{}) << "the new file is nobody's business";
                    ASSERT_EQ(q.add(again, EVL_READ, 3), 0);
                    EXPECT_EQ(q.wait(), (Rows{{3, EVL_READ}}));
                }
}

TEST_P(Backend, AClosedNumberNeverSpinsNorFails) {
    Queue &q = queue();
    std::vector<Pipe> pipes(700);
    std::set<uint64_t> closed;
    for (size_t i = 0; i < pipes.size(); i++)
        ASSERT_EQ(q.add(pipes[i].r, EVL_READ, i), 0);
    for (size_t i = 0; i < pipes.size(); i += 2) {
        pipes[i].r.close();
        closed.insert(i);
    }
    pipes[601].w.put();
    std::set<uint64_t> gone;
    Rows rows;
    while ((rows = q.wait(1000 * kMs)).count(601) == 0)
        for (auto &[tag, mask] : rows) {
            EXPECT_EQ(mask, EVL_MASK_GONE);
            EXPECT_TRUE(gone.insert(tag).second) << "told twice";
        }
    EXPECT_EQ(rows, (Rows{{601, EVL_READ}}));
    // The kernel forgets them in silence where it has a queue, and complains where it has none.
    EXPECT_EQ(gone, on("select") ? closed : std::set<uint64_t>{});
}

TEST_P(Backend, AnFdThatCannotBeLookedAtIsNotClosed) {
    Sys sys;
    Queue q(GetParam());
    Pipe p, closed;
    p.w.put();
    ASSERT_EQ(q.add(p.r, EVL_READ, 1), 0);
    ASSERT_EQ(q.add(closed.r, EVL_READ, 2), 0);
    closed.r.close();
    sys.fail(Call::get_fd_flags, EINTR, 0, 2);
    EXPECT_EQ(q.wait(), on("select") ? (Rows{{2, EVL_MASK_GONE}}) : (Rows{{1, EVL_READ}}));
    sys.fail(Call::get_fd_flags, 0, 0, 0);
    EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}}));
}

TEST_P(Backend, AFileThatLivesOnUnderAnotherNumberIsGotRidOf) {
    Queue &q = queue();
    Pipe p, other;
    int number = p.r;
    Fd twin(::fcntl(p.r, F_DUPFD_CLOEXEC, 200));
    ASSERT_EQ(q.add(p.r, EVL_READ, 1), 0);
    p.r.close();
    Fd again = renumbered(std::move(other.r), number);
    q.remove(number, EVL_READ);
    p.w.put();
    (void)q.wait(); // epoll goes on with the old tag, which the loop knows to be stale
    ASSERT_EQ(q.reopen(0), 0);
    EXPECT_EQ(q.wait(), Rows{});
    ASSERT_EQ(q.add(again, EVL_READ, 2), 0);
    EXPECT_EQ(q.wait(), Rows{});
    other.w.put();
    EXPECT_EQ(q.wait(), (Rows{{2, EVL_READ}}));
}

// --- place
// ----------------------------------------------------------------------------------------------------

TEST_P(Backend, RowsThatDoNotFitKeepTheirPlace) {
    for (int cap : {1, 3, 256}) {
        SCOPED_TRACE(cap);
        Queue q(GetParam());
        std::vector<Pipe> pipes(cap < 256 ? 8 : 600);
        for (size_t i = 0; i < pipes.size(); i++) {
            ASSERT_EQ(q.add(pipes[i].r, EVL_READ, i), 0);
            pipes[i].w.put();
        }
        // Everybody has a turn before anybody has a third.
        std::map<uint64_t, int> turns;
        for (size_t left = pipes.size() * 2; left > 0;) {
            Rows rows = q.wait(0, cap);
            ASSERT_FALSE(rows.empty());
            for (auto &row : rows)
                turns[row.first]++;
            left -= std::min(left, rows.size());
        }
        EXPECT_EQ(turns.size(), pipes.size());
        for (auto &[tag, n] : turns)
            EXPECT_LE(n, 3) << tag;
    }
}

TEST_P(Backend, EdgesThatDoNotFitAreNotLost) {
    Queue &q = queue();
    if (!q.can(EVL_CAP_EDGE))
        return;
    std::vector<Pair> pairs(400);
    for (size_t i = 0; i < pairs.size(); i++) {
        pairs[i].b.put();
        ASSERT_EQ(q.add(pairs[i].a, EVL_READ | EVL_WRITE | EVL_MASK_EDGE, i), 0);
    }
    std::map<uint64_t, uint32_t> seen;
    for (Rows rows; !(rows = q.wait(0, 7)).empty();)
        for (auto &[tag, mask] : rows)
            seen[tag] |= mask;
    EXPECT_EQ(seen.size(), pairs.size());
    for (auto &[tag, mask] : seen)
        EXPECT_EQ(mask, uint32_t{EVL_READ | EVL_WRITE}) << tag;
}

TEST_P(Backend, AWakeHasItsTurnAmongBusyFds) {
    for (int cap : {1, 2, 4}) {
        Queue q(GetParam());
        std::vector<Pipe> pipes(8);
        for (size_t i = 0; i < pipes.size(); i++) {
            ASSERT_EQ(q.add(pipes[i].r, EVL_READ, i), 0);
            pipes[i].w.put();
        }
        q.wake();
        int waits = 1;
        while (q.wait(0, cap).count(kWake) == 0)
            ASSERT_LE(++waits, 20) << cap;
        std::set<uint64_t> others;
        for (int i = 0; i < 40; i++) {
            q.wake();
            for (auto &row : q.wait(0, cap))
                others.insert(row.first);
        }
        EXPECT_EQ(others.size(), pipes.size() + 1) << "and they have theirs";
    }
}

TEST_P(Backend, ThousandsOfFds) {
    Queue &q = queue();
    rlimit files{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
    size_t count = std::min<size_t>(9000, files.rlim_cur - 100);
    ASSERT_GT(count, 2000u) << "beyond FD_SETSIZE";
    std::vector<Fd> fds;
    for (size_t i = 0; i < count; i++) {
        fds.emplace_back(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        ASSERT_EQ(q.add(fds[i], EVL_READ, i), 0);
    }
    EXPECT_EQ(q.wait(), Rows{});
    uint64_t one = 1;
    for (size_t i : {size_t{0}, size_t{1500}, count - 1}) {
        ASSERT_EQ(::write(fds[i], &one, sizeof one), ssize_t{sizeof one});
        EXPECT_EQ(q.wait(), (Rows{{i, EVL_READ}}));
        ASSERT_EQ(::read(fds[i], &one, sizeof one), ssize_t{sizeof one});
    }
    for (size_t i = 0; i < count; i++)
        ASSERT_EQ(q.change(fds[i], EVL_READ, EVL_READ | EVL_WRITE, i), 0);
    std::set<uint64_t> seen;
    for (int i = 0; i < 100 && seen.size() < count; i++)
        for (auto &row : q.wait())
            seen.insert(row.first);
    EXPECT_EQ(seen.size(), count);
    for (Fd &fd : fds)
        q.remove(fd, EVL_READ | EVL_WRITE);
    EXPECT_EQ(q.wait(), Rows{});
}

// --- time
// -----------------------------------------------------------------------------------------------------

TEST_P(Backend, TimeoutsAreNeverShort) {
    Queue &q = queue();
    for (int round = 0; round < 5; round++)
        for (int64_t ns : {int64_t{0}, int64_t{1}, int64_t{999}, int64_t{1000}, int64_t{1001},
                           int64_t{999'999}, int64_t{1'000'001}, int64_t{3'000'017}}) {
            int64_t begin = now();
            EXPECT_EQ(q.wait(ns), Rows{});
            EXPECT_GE(now() - begin, ns);
        }
}

#if EVL_HAVE_EPOLL
TEST_P(Backend, TimeoutsAreNeverShortOnAnOlderKernel) {
    Sys sys;
    for (int err : {ENOSYS, EPERM}) {
        Queue q(GetParam());
        sys.fail(Call::epoll_pwait2, err, 0, 1000);
        for (int64_t ns : {1, 1'000'001}) {
            int64_t begin = now();
            EXPECT_EQ(q.wait(ns), Rows{});
            EXPECT_GE(now() - begin, ns);
        }
    }
}
#endif

TEST_P(Backend, HugeTimeoutsWait) {
    Queue &q = queue();
    for (int64_t ns :
         {int64_t{-1}, INT64_MIN, INT64_MAX, INT64_MAX - 1, int64_t{40} * 86400 * 1'000'000'000}) {
        int64_t begin = now();
        std::thread thread([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            q.wake();
        });
        EXPECT_EQ(q.wait(ns), (Rows{{kWake, EVL_READ}}));
        EXPECT_GE(now() - begin, 15 * kMs);
        thread.join();
    }
}

TEST_P(Backend, HugeTimeoutsLastAsLongAsTheySay) {
    Sys sys;
    Queue q(GetParam());
    constexpr int64_t kDay = int64_t{86400} * 1'000'000'000;
    sys.freeze_time();
    for (int64_t ns : {30 * kDay + 1, 31 * kDay, 31 * kDay + 1, 400 * kDay, 40000 * kDay}) {
        int64_t begin = sys.now();
        EXPECT_EQ(q.wait(ns), Rows{});
        EXPECT_GE(sys.now() - begin, ns);
        EXPECT_LT(sys.now() - begin, ns + kMs);
    }
}

// --- signals and wakes
// ------------------------------------------------------------------------------------------

std::atomic<Queue *> woken_by_signal{nullptr};

std::atomic<int> errnos_spoilt{0};

extern "C" void on_signal(int) {
    int saved = errno;
    errno = ERANGE;
    if (Queue *q = woken_by_signal)
        q->wake();
    errnos_spoilt += errno != ERANGE;
    errno = saved;
}

// While it lives SIGALRM comes every few milliseconds and interrupts.
class Alarm {
  public:
    explicit Alarm(Queue *wakes) {
        woken_by_signal = wakes;
        struct sigaction action{};
        action.sa_handler = on_signal;
        ::sigaction(SIGALRM, &action, &before_);
        itimerval every{{0, 5000}, {0, 5000}};
        ::setitimer(ITIMER_REAL, &every, &timer_);
    }
    ~Alarm() {
        ::setitimer(ITIMER_REAL, &timer_, nullptr);
        ::sigaction(SIGALRM, &before_, nullptr);
    }

  private:
    struct sigaction before_;
    itimerval timer_;
};

TEST_P(Backend, ASignalEndsTheWait) {
    Queue &q = queue();
    Alarm alarm(nullptr);
    for (int64_t ns : {int64_t{-1}, 10'000 * kMs})
        EXPECT_EQ(q.wait_code(ns), EVL_EINTR);
}

TEST_P(Backend, AWakeFromASignalHandler) {
    Queue &q = queue();
    Alarm alarm(&q);
    for (int i = 0; i < 20; i++) {
        int rc;
        do
            rc = q.wait_code(-1);
        while (rc == EVL_EINTR);
        ASSERT_EQ(rc, 1);
    }
    EXPECT_EQ(errnos_spoilt, 0);
}

TEST_P(Backend, WakesBeforeTheWaitAreOne) {
    Queue &q = queue();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 100'000; i += round ? 1 : 100'000)
            q.wake(); // never blocks, however many
        EXPECT_EQ(q.wait(-1), (Rows{{kWake, EVL_READ}}));
        EXPECT_EQ(q.wait(), Rows{});
    }
}

TEST_P(Backend, WakesFromThreads) {
    Queue &q = queue();
    std::atomic<int> asked{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; i++)
        threads.emplace_back([&] {
            for (int k = 0; k < 1000; k++) {
                asked++;
                q.wake();
            }
        });
    // After the last of them one wait at most has nothing to say.
    Pipe p;
    ASSERT_EQ(q.add(p.r, EVL_READ, 1), 0);
    while (asked < 3000)
        EXPECT_EQ(q.wait(-1), (Rows{{kWake, EVL_READ}}));
    for (std::thread &thread : threads)
        thread.join();
    (void)q.wait();
    EXPECT_EQ(q.wait(), Rows{});
}

TEST_P(Backend, AnInterruptedWaitLosesNoChange) {
    Sys sys;
    Queue q(GetParam());
    Pair p;
    p.b.put();
    uint32_t old = EVL_READ;
    ASSERT_EQ(q.add(p.a, old, 1), 0);
    for (uint32_t mask : masks{EVL_WRITE, EVL_READ | EVL_WRITE, EVL_READ, EVL_WRITE, EVL_READ}) {
        ASSERT_EQ(q.change(p.a, old, mask, mask), 0);
        sys.fail_wait(EINTR);
        EXPECT_EQ(q.wait_code(-1), EVL_EINTR);
        for (int i = 0; i < 2; i++)
            EXPECT_EQ(q.wait(), (Rows{{mask, mask}}));
        old = mask;
    }
}

TEST_P(Backend, AFailedWaitIsAnswered) {
    Sys sys;
    Queue q(GetParam());
    for (auto [err, code] : {std::pair{ENOMEM, EVL_ENOMEM}, {EINVAL, EVL_EINVAL}, {EINTR, EVL_EINTR}}) {
        sys.fail_wait(err);
        EXPECT_EQ(q.wait_code(0), code);
        EXPECT_EQ(q.wait(), Rows{});
    }
}

// --- a new queue
// ------------------------------------------------------------------------------------------------

TEST_P(Backend, AReopenedQueueHasNothingAdded) {
    Queue &q = queue();
    Pair p;
    p.b.put();
    ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
    ASSERT_EQ(q.change(p.a, EVL_READ, EVL_READ | EVL_WRITE, 2), 0);
    bool has_fd = (GetParam()->caps & EVL_CAP_LOOP_FD) != 0;
    int fd = has_fd ? q.fd() : -1;
    size_t before = open_numbers().size();
    ASSERT_EQ(q.reopen(0), 0);
    EXPECT_EQ(open_numbers().size(), before);
    EXPECT_EQ(has_fd ? q.fd() : -1, fd);
    EXPECT_EQ(q.wait(), Rows{});
    q.wake();
    EXPECT_EQ(q.wait(-1), (Rows{{kWake, EVL_READ}}));
    ASSERT_EQ(q.add(p.a, EVL_READ, 3), 0);
    EXPECT_EQ(q.wait(), (Rows{{3, EVL_READ}}));
}

TEST_P(Backend, AFailedReopenLeavesTheOldQueue) {
    Sys sys;
    for (int forked : {0, 1})
        for (size_t call = 0; call < static_cast<size_t>(Call::count); call++)
            for (uint64_t skip = 0; skip < 3; skip++) {
                if (static_cast<Call>(call) == Call::close)
                    continue; // closes all the same
                Queue q(GetParam());
                Pipe p;
                p.w.put();
                ASSERT_EQ(q.add(p.r, EVL_READ, 1), 0);
                int fd = (GetParam()->caps & EVL_CAP_LOOP_FD) ? q.fd() : -1;
                int kq = on("kqueue") ? fd : -1;
                std::set<int> before = open_numbers();
                sys.fail(static_cast<Call>(call), EMFILE, skip);
                int rc = q.reopen(forked);
                sys.fail(static_cast<Call>(call), 0, 0, 0);
                if (rc != 0) {
                    EXPECT_EQ(rc, EVL_EMFILE);
                    EXPECT_EQ(open_numbers(), before);
                    EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}}));
                } else if (kq >= 0 && forked) {
                    EXPECT_EQ(evl_sys.close(kq), 0) << "in a child the number would be somebody else's";
                }
            }
}

TEST_P(Backend, AChildMakesAQueueOfItsOwn) {
    Queue &q = queue();
    Pair p;
    p.b.put();
    ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
    in_child([&] {
        // These take the numbers of whatever is not inherited.
        std::vector<Pipe> mine(8);
        ASSERT_EQ(q.reopen(1), 0);
        EXPECT_EQ(q.wait(), Rows{});
        q.wake();
        EXPECT_EQ(q.wait(-1), (Rows{{kWake, EVL_READ}}));
        ASSERT_EQ(q.add(p.a, EVL_WRITE, 2), 0);
        EXPECT_EQ(q.wait(), (Rows{{2, EVL_WRITE}}));
        q.remove(p.a, EVL_WRITE);
        for (Pipe &pipe : mine)
            EXPECT_EQ(pipe.w.put(), 1) << "nobody else's fd was closed";
        q.wake();
        q.close(0);
        for (Pipe &pipe : mine)
            EXPECT_EQ(pipe.r.drain(), 1);
    });
    EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}})) << "the parent knows nothing of it";
}

TEST_P(Backend, AChildClosesWithoutTouchingAnFd) {
    Queue &q = queue();
    Pipe p;
    ASSERT_EQ(q.add(p.r, EVL_READ, 1), 0);
    in_child([&] {
        std::vector<Pipe> mine(8);
        std::set<int> before = open_numbers();
        q.close(1);
        EXPECT_EQ(open_numbers(), before);
        EXPECT_EQ(q.memory.bytes(), 0u);
    });
    p.w.put();
    EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}}));
}

// --- memory
// -----------------------------------------------------------------------------------------------------

TEST_P(Backend, OutOfMemoryChangesNothing) {
    Queue &q = queue();
    Pipe p;
    p.w.put();
    ASSERT_EQ(q.add(p.r, EVL_READ, 1), 0);
    Fd high(::fcntl(p.r, F_DUPFD_CLOEXEC, 3000));
    bool failed = false;
    for (uint64_t nth = 1;; nth++) {
        q.memory.fail(nth);
        int rc = q.add(high, EVL_READ, 2);
        if (!q.memory.failed()) {
            EXPECT_EQ(rc, 0);
            break;
        }
        failed = true;
        EXPECT_EQ(rc, EVL_ENOMEM);
        EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}}));
    }
    q.memory.fail(0);
    EXPECT_EQ(failed, !on("epoll")) << "epoll keeps no table";
    EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}, {2, EVL_READ}}));
    uint64_t calls = q.memory.calls();
    for (int i = 0; i < 100; i++) {
        q.remove(high, EVL_READ);
        ASSERT_EQ(q.add(high, EVL_READ, 2), 0);
        ASSERT_EQ(q.change(high, EVL_READ, EVL_READ | EVL_WRITE, 2), 0);
        EXPECT_EQ(q.wait().size(), 2u);
    }
    EXPECT_EQ(q.memory.calls(), calls) << "warm";
}

// --- the fd that others wait on
// ---------------------------------------------------------------------------------

bool polls_readable(int fd, int ms = 0) {
    pollfd p{fd, POLLIN, 0};
    return ::poll(&p, 1, ms) == 1 && (p.revents & POLLIN);
}

TEST_P(Backend, ItsFdPollsReadableWheneverAWaitWouldReport) {
    Queue &q = queue();
    if (!q.can(EVL_CAP_LOOP_FD))
        return;
    Pair p;
    p.b.put();
    ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
    ASSERT_EQ(q.change(p.a, EVL_READ, EVL_WRITE, 2), 0); // not waited for yet
    p.a.drain();
    int fd = q.fd();
    EXPECT_TRUE(polls_readable(fd)) << "what was pending has been sent";
    EXPECT_EQ(q.wait(), (Rows{{2, EVL_WRITE}}));
    ASSERT_EQ(q.change(p.a, EVL_WRITE, EVL_READ, 3), 0);
    EXPECT_FALSE(polls_readable(fd)) << "from now on changes are sent at once";
    p.b.put();
    EXPECT_TRUE(polls_readable(fd));
    EXPECT_EQ(q.wait(), (Rows{{3, EVL_READ}}));
    EXPECT_TRUE(polls_readable(fd)) << "a level";
    p.a.drain();
    EXPECT_FALSE(polls_readable(fd));
    q.wake();
    EXPECT_TRUE(polls_readable(fd));
    EXPECT_EQ(q.wait(), (Rows{{kWake, EVL_READ}}));
    EXPECT_FALSE(polls_readable(fd));
    ASSERT_EQ(q.change(p.a, EVL_READ, EVL_READ | EVL_WRITE, 4), 0);
    EXPECT_TRUE(polls_readable(fd));
    q.remove(p.a, EVL_READ | EVL_WRITE);
    EXPECT_FALSE(polls_readable(fd));
    EXPECT_EQ(q.fd(), fd);
    ASSERT_EQ(q.reopen(0), 0);
    EXPECT_EQ(q.fd(), fd) << "a host need not ask again";
}

TEST_P(Backend, ItsFdPollsReadableForABrokenPipe) {
    Queue &q = queue();
    if (!q.can(EVL_CAP_LOOP_FD))
        return;
    int fd = q.fd();
    Pipe p;
    p.r.close();
    ASSERT_EQ(q.add(p.w, EVL_WRITE, 1), 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_TRUE(polls_readable(fd));
        EXPECT_EQ(q.wait().count(1), 1u);
    }
    q.remove(p.w, EVL_WRITE);
    (void)q.wait();
    EXPECT_FALSE(polls_readable(fd));
}

TEST_P(Backend, ItsFdPollsReadableWhenItIsTime) {
    Queue &q = queue();
    if (!q.can(EVL_CAP_LOOP_FD))
        return;
    int fd = q.fd();
    for (int64_t delay : {-5000 * kMs, int64_t{0}, int64_t{1}, 20 * kMs}) {
        int64_t deadline = now() + delay;
        ASSERT_EQ(q.arm(deadline), 0);
        EXPECT_TRUE(polls_readable(fd, 5000));
        EXPECT_GE(now(), deadline);
        EXPECT_EQ(q.wait(), (Rows{{kWake, EVL_READ}}));
        EXPECT_FALSE(polls_readable(fd, 5)) << "once";
    }
    ASSERT_EQ(q.arm(INT64_MIN), 0);
    EXPECT_EQ(q.wait(-1), (Rows{{kWake, EVL_READ}}));
    for (int64_t far : {EVL_NEVER, EVL_NEVER - 1, now() + 3'600'000 * kMs}) {
        ASSERT_EQ(q.arm(now() + 10 * kMs), 0);
        ASSERT_EQ(q.arm(far), 0);
        EXPECT_FALSE(polls_readable(fd, 30)) << "moved, or taken back";
    }
    ASSERT_EQ(q.arm(now() + kMs), 0);
    EXPECT_TRUE(polls_readable(fd, 5000)) << "moved earlier";
    EXPECT_EQ(q.wait(), (Rows{{kWake, EVL_READ}}));
}

// --- rows for others
// ----------------------------------------------------------------------------------------------

// What a poll(2) of the rows reports.
std::vector<evl_poll_row> polled(std::vector<evl_poll_row> rows) {
    for (evl_poll_row &row : rows) {
        pollfd p{row.fd, static_cast<short>(row.wanted), 0};
        (void)::poll(&p, 1, 0);
        row.reported = static_cast<uint32_t>(p.revents);
    }
    return rows;
}

TEST_P(Backend, RowsAreWhatAHostHasToWaitFor) {
    Queue &q = queue();
    if (q.can(EVL_CAP_LOOP_FD))
        return;
    Pair p, unused;
    ASSERT_EQ(q.rows().size(), 1u) << "the wake";
    ASSERT_EQ(q.add(p.a, EVL_READ | EVL_WRITE, 1), 0);
    ASSERT_EQ(q.add(p.b, EVL_READ | EVL_PRI, 2), 0);
    ASSERT_EQ(q.add(unused.a, EVL_READ, 3), 0);
    q.remove(unused.a, EVL_READ);
    std::map<int, uint32_t> wanted;
    for (const evl_poll_row &row : q.rows()) {
        wanted[row.fd] = row.wanted;
        EXPECT_EQ(row.reported, 0u);
    }
    EXPECT_EQ(wanted.size(), 3u);
    EXPECT_EQ(wanted[p.a], uint32_t{EVL_READ | EVL_WRITE});
    EXPECT_EQ(wanted[p.b], uint32_t{EVL_READ | EVL_PRI});

    EXPECT_EQ(q.take(polled(q.rows())), (Rows{{1, EVL_WRITE}}));
    q.wake();
    EXPECT_EQ(q.take(polled(q.rows())), (Rows{{1, EVL_WRITE}, {kWake, EVL_READ}}));
    EXPECT_EQ(q.take(polled(q.rows())), (Rows{{1, EVL_WRITE}})) << "taken";
    p.b.close();
    q.remove(wanted.rbegin()->first, 0);
    EXPECT_EQ(q.take({}), Rows{});
}

TEST_P(Backend, RowsComeBackAsAHostPleases) {
    Queue &q = queue();
    if (q.can(EVL_CAP_LOOP_FD))
        return;
    Pair p;
    Tcp t;
    ASSERT_EQ(q.add(p.a, EVL_READ | EVL_WRITE, 1), 0);
    ASSERT_EQ(q.add(p.b, EVL_READ, 2), 0);
    ASSERT_EQ(q.add(t.a, EVL_PRI, 3), 0);
    int a = p.a, b = p.b, c = t.a;
    struct {
        const char *name;
        std::vector<evl_poll_row> rows;
        Rows expected;
    } cases[] = {
        {"nothing", {{a, EVL_READ, 0}}, {}},
        {"what is wanted", {{a, EVL_READ, EVL_READ}}, {{1, EVL_READ}}},
        {"more than is wanted", {{b, EVL_READ, EVL_READ | EVL_WRITE | EVL_PRI}}, {{2, EVL_READ}}},
        {"what is not wanted", {{b, 0, EVL_WRITE}}, {}},
        {"a hangup", {{a, 0, EVL_HUP}, {b, 0, EVL_HUP}}, {{1, EVL_READ | EVL_WRITE}, {2, EVL_READ}}},
        {"an error", {{a, 0, EVL_ERR}}, {{1, EVL_READ | EVL_WRITE}}},
        {"urgent", {{c, 0, EVL_PRI}}, {{3, EVL_PRI}}},
        {"a hangup where only PRI is wanted", {{c, 0, EVL_HUP}}, {{3, EVL_PRI}}},
        {"an fd twice", {{a, 0, EVL_READ}, {a, 0, EVL_WRITE}, {a, 0, EVL_READ}}, {{1, EVL_READ | EVL_WRITE}}},
        {"strangers", {{-1, 0, 255}, {INT_MAX, 0, 255}, {INT_MIN, 0, 255}, {2000, 0, 255}, {0, 0, 255}}, {}},
        {"a lie about a closed fd", {{a, 0, EVL_MASK_GONE}}, {}},
        {"bits nobody knows", {{a, 0, ~uint32_t{0}}}, {{1, EVL_READ | EVL_WRITE}}},
    };
    for (const auto &c : cases) {
        SCOPED_TRACE(c.name);
        EXPECT_EQ(q.take(c.rows), c.expected);
        EXPECT_EQ(q.take({}), Rows{}) << "nothing lingers";
    }
    p.b.close();
    EXPECT_EQ(q.take({{a, 0, EVL_READ}, {b, 0, EVL_MASK_GONE}}), (Rows{{2, EVL_MASK_GONE}}));
    EXPECT_EQ(q.rows().size(), 3u);
}

TEST_P(Backend, RowsThatDoNotFitComeBackLater) {
    Queue &q = queue();
    if (q.can(EVL_CAP_LOOP_FD))
        return;
    std::vector<Pipe> pipes(10);
    for (size_t i = 0; i < pipes.size(); i++) {
        ASSERT_EQ(q.add(pipes[i].r, EVL_READ, i), 0);
        pipes[i].w.put();
    }
    std::set<uint64_t> seen;
    for (int i = 0; i < 4; i++)
        for (auto &row : q.take(polled(q.rows()), 3))
            seen.insert(row.first);
    EXPECT_EQ(seen.size(), pipes.size());
}

// --- the habits of kqueues
// ------------------------------------------------------------------------------------

#if EVL_HAVE_KQUEUE

// While it lives, kevent is what the test says. `real` is the kernel's.
class Kernel {
  public:
    using Kevent =
        std::function<int(int, const struct kevent *, int, struct kevent *, int, const timespec *)>;
    explicit Kernel(Kevent kevent) {
        real = evl_sys.kevent;
        current_ = std::move(kevent);
        evl_sys.kevent = [](int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                            const timespec *t) { return current_(kq, changes, n, events, cap, t); };
    }
    Kernel(const Kernel &) = delete;
    ~Kernel() { evl_sys.kevent = real; }

    static inline decltype(evl_sys.kevent) real;

  private:
    static inline Kevent current_;
};

constexpr timespec kAtOnce{0, 0};

struct kevent error_row(struct kevent change, int err, bool keeps_flags) {
    change.flags = static_cast<unsigned short>(keeps_flags ? change.flags | EV_ERROR : EV_ERROR);
    change.data = err;
    return change;
}

// A kernel that refuses some changes.
Kernel::Kevent refusing(std::function<int(const struct kevent &)> verdict, bool keeps_flags = false) {
    return
        [=](int kq, const struct kevent *changes, int n, struct kevent *events, int cap, const timespec *t) {
            int rows = 0;
            for (int i = 0; i < n; i++) {
                struct kevent change = changes[i], receipt;
                change.flags |= EV_RECEIPT;
                int err = verdict(changes[i]);
                if (err == 0 && Kernel::real(kq, &change, 1, &receipt, 1, &kAtOnce) == 1)
                    err = static_cast<int>(receipt.data);
                if (err == 0 && !(changes[i].flags & EV_RECEIPT))
                    continue;
                if (rows < cap)
                    events[rows++] = error_row(changes[i], err, keeps_flags);
                else if (err != 0) {
                    errno = err;
                    return -1;
                }
            }
            return rows > 0 || cap == 0 ? rows : Kernel::real(kq, nullptr, 0, events, cap, t);
        };
}

auto refusing_write(int err) {
    return [err](const struct kevent &change) {
        return change.filter == EVFILT_WRITE && (change.flags & EV_ADD) ? err : 0;
    };
}

class Kqueue : public ::testing::Test {
  protected:
    const evl_backend *backend = evl_backend_named("kqueue");
};

TEST_F(Kqueue, WakesByAPipeWhereUserEventsDoNotWork) {
    auto absent =
        refusing([](const struct kevent &change) { return change.filter == EVFILT_USER ? EINVAL : 0; });
    auto mute = [](int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                   const timespec *t) {
        return n == 1 && (changes->fflags & NOTE_TRIGGER) ? 0 : Kernel::real(kq, changes, n, events, cap, t);
    };
    for (bool there : {false, true}) {
        Kernel kernel(there ? Kernel::Kevent(mute) : absent);
        std::set<int> before = open_numbers();
        Queue q(backend);
        ASSERT_EQ(q.opened(), 0);
        for (int i = 0; i < 100'000; i++)
            q.wake();
        int fd = q.fd();
        EXPECT_TRUE(polls_readable(fd));
        Rows rows;
        while (!(rows = q.wait()).empty())
            EXPECT_EQ(rows, (Rows{{kWake, EVL_READ}}));
        EXPECT_FALSE(polls_readable(fd));
        ASSERT_EQ(q.reopen(0), 0);
        q.wake();
        EXPECT_EQ(q.wait(-1), (Rows{{kWake, EVL_READ}}));
        for (int own : open_numbers())
            if (!before.count(own) && own != fd) {
                EXPECT_THAT(q.add(own, EVL_READ, 1), AnyOf(EVL_EEXIST, EVL_EPERM, 0)) << own;
                q.remove(own, EVL_READ);
            }
        in_child([&] {
            std::vector<Pipe> mine(8);
            ASSERT_EQ(q.reopen(1), 0);
            q.wake();
            EXPECT_EQ(q.wait(-1), (Rows{{kWake, EVL_READ}}));
            for (Pipe &pipe : mine)
                EXPECT_EQ(pipe.w.put(), 1);
        });
        EXPECT_EQ(q.wait(), Rows{}) << "a child wakes itself alone";
    }
}

TEST_F(Kqueue, WhatAnErrnoOfAnAddMeans) {
    struct {
        int err;
        int beside_read, alone; // what add answers
    } cases[] = {
        {EINVAL, 0, EVL_EPERM},           {EPERM, 0, EVL_EPERM},
        {ENODEV, 0, EVL_EPERM},           {EOPNOTSUPP, 0, EVL_EPERM},
        {ENOMEM, EVL_ENOMEM, EVL_ENOMEM}, {ENOSPC, EVL_ENOSPC, EVL_ENOSPC},
        {EBADF, EVL_EBADF, EVL_EBADF},
    };
    for (auto c : cases) {
        SCOPED_TRACE(c.err);
        Kernel kernel(refusing(refusing_write(c.err)));
        Queue q(backend);
        Pair p;
        p.b.put();
        EXPECT_EQ(q.add(p.a, EVL_WRITE, 1), c.alone);
        EXPECT_EQ(q.wait(), Rows{});
        EXPECT_EQ(q.add(p.a, EVL_READ | EVL_WRITE, 1), c.beside_read);
        EXPECT_EQ(q.wait(), c.beside_read == 0 ? (Rows{{1, EVL_READ}}) : Rows{});
        q.remove(p.a, EVL_READ | EVL_WRITE);
        ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
        if (c.err != EBADF) { // proves that nothing had happened
            EXPECT_EQ(q.prove(p.a, EVL_READ, EVL_WRITE, 2), c.alone);
            EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}}));
            EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}}));
        }
    }
}

TEST_F(Kqueue, WhatAnErrnoOfACarriedChangeMeans) {
    struct {
        int err;
        uint32_t mask, reported;
        bool lost;
    } cases[] = {
        {EINVAL, EVL_READ | EVL_WRITE, EVL_READ, false},
        {EPERM, EVL_READ | EVL_WRITE, EVL_READ, false},
        {EPIPE, EVL_READ | EVL_WRITE, EVL_READ | EVL_WRITE | EVL_HUP, false},
        {EPIPE, EVL_WRITE, EVL_WRITE | EVL_HUP, false},
        {EINVAL, EVL_WRITE, EVL_MASK_GONE_BY(EVL_EPERM), true},
        {EINVAL, EVL_READ | EVL_WRITE | EVL_MASK_RDHUP, EVL_MASK_GONE_BY(EVL_EPERM), true},
        {ENOMEM, EVL_WRITE, EVL_MASK_GONE_BY(EVL_ENOMEM), true},
        {ENOMEM, EVL_READ | EVL_WRITE, EVL_MASK_GONE_BY(EVL_ENOMEM), true},
        {ENOENT, EVL_READ | EVL_WRITE, EVL_MASK_GONE, true},
        {EBADF, EVL_READ | EVL_WRITE, EVL_MASK_GONE, true},
    };
    for (bool keeps_flags : {false, true})
        for (bool many : {false, true})
            for (auto c : cases) {
                SCOPED_TRACE(std::to_string(c.err) + " " + std::to_string(c.mask) + (many ? " of many" : ""));
                Queue q(backend);
                Pair p, innocent;
                p.b.put();
                innocent.b.put();
                ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
                ASSERT_EQ(q.add(innocent.a, EVL_READ, 2), 0);
                std::vector<Pipe> others(many ? 200 : 0); // more than fit into the waiting call
                for (Pipe &other : others) {
                    ASSERT_EQ(q.add(other.r, EVL_READ, 3), 0);
                    ASSERT_EQ(q.change(other.r, EVL_READ, EVL_READ, 3), 0);
                    ASSERT_EQ(q.change(other.r, EVL_READ, EVL_READ | EVL_PRI, 3), 0);
                }
                ASSERT_EQ(q.change(p.a, EVL_READ, c.mask, 1), 0);
                Kernel kernel(refusing(refusing_write(c.err), keeps_flags));
                EXPECT_EQ(q.wait(-1), (Rows{{1, c.reported}, {2, EVL_READ}}));
                if (!c.lost) {
                    EXPECT_EQ(q.wait(-1), (Rows{{1, c.reported}, {2, EVL_READ}}));
                    continue;
                }
                EXPECT_EQ(q.wait(-1), (Rows{{2, EVL_READ}}));
                EXPECT_EQ(q.change(p.a, c.mask, EVL_READ, 1), EVL_ENOENT);
                ASSERT_EQ(q.add(p.a, EVL_READ, 4), 0);
                EXPECT_EQ(q.wait(), (Rows{{4, EVL_READ}, {2, EVL_READ}}));
            }
}

TEST_F(Kqueue, ErrorsThatDoNotFitAreNotLost) {
    Queue q(backend);
    std::vector<Pair> pairs(3), others(3);
    std::vector<Fd> again;
    for (size_t i = 0; i < pairs.size(); i++) {
        ASSERT_EQ(q.add(pairs[i].a, EVL_READ, i), 0);
        ASSERT_EQ(q.change(pairs[i].a, EVL_READ, EVL_READ | EVL_WRITE, i), 0);
        int number = pairs[i].a;
        pairs[i].a.close();
        again.push_back(renumbered(std::move(others[i].a), number));
    }
    std::set<uint64_t> gone;
    for (size_t i = 0; i < pairs.size(); i++)
        for (auto &[tag, mask] : q.wait(0, 1)) {
            EXPECT_EQ(mask, EVL_MASK_GONE);
            gone.insert(tag);
        }
    EXPECT_EQ(gone.size(), pairs.size());
    EXPECT_EQ(q.wait(), Rows{});
}

TEST_F(Kqueue, BrokenPipesLeaveTheOthersTheirTurn) {
    Queue q(backend);
    std::vector<Pipe> broken(300);
    for (size_t i = 0; i < broken.size(); i++) {
        broken[i].r.close();
        ASSERT_EQ(q.add(broken[i].w, EVL_WRITE, i), 0);
    }
    Pipe p;
    p.w.put();
    ASSERT_EQ(q.add(p.r, EVL_READ, 1000), 0);
    q.wake();
    std::map<uint64_t, int> turns;
    for (int i = 0; i < 12; i++) {
        q.wake();
        for (auto &row : q.wait())
            turns[row.first]++;
    }
    EXPECT_EQ(turns.size(), broken.size() + 2);
    EXPECT_EQ(turns[1000], 12);
    EXPECT_EQ(turns[kWake], 12);
    for (auto &[tag, n] : turns)
        EXPECT_GE(n, 4) << tag;
}

TEST_F(Kqueue, AnInterruptedCallMayHaveMadeItsChanges) {
    bool applies = false, interrupts = false;
    Kernel kernel(
        [&](int kq, const struct kevent *changes, int n, struct kevent *events, int cap, const timespec *t) {
            if (!interrupts || n == 0 || (changes->flags & EV_RECEIPT))
                return Kernel::real(kq, changes, n, events, cap, t);
            for (int i = 0; applies && i < n; i++)
                (void)Kernel::real(kq, &changes[i], 1, nullptr, 0, nullptr);
            interrupts = false;
            errno = EINTR;
            return -1;
        });
    const uint32_t kinds[] = {EVL_READ, EVL_WRITE, EVL_READ | EVL_WRITE, EVL_READ | EVL_MASK_EDGE};
    for (bool reused : {false, true})
        for (uint32_t old : kinds)
            for (uint32_t mask : kinds) {
                applies = !applies;
                SCOPED_TRACE(std::to_string(old) + " " + std::to_string(mask) + (applies ? " applied" : ""));
                Queue q(backend);
                Pair p, other;
                p.b.put();
                other.b.put();
                int number = p.a;
                ASSERT_EQ(q.add(p.a, old, 1), 0);
                ASSERT_EQ(q.change(p.a, old, mask, 2), 0);
                interrupts = true;
                EXPECT_EQ(q.wait_code(-1), EVL_EINTR);
                uint32_t level = mask & ~EVL_MASK_EDGE;
                if (!reused) {
                    EXPECT_EQ(q.wait(), (Rows{{2, level}}));
                    EXPECT_EQ(q.wait(), mask == level ? (Rows{{2, level}}) : Rows{});
                    continue;
                }
                p.a.close();
                Fd again = renumbered(std::move(other.a), number);
                EXPECT_EQ(q.wait(), (Rows{{2, EVL_MASK_GONE}}));
                EXPECT_EQ(q.wait(), Rows{});
            }
}

TEST_F(Kqueue, CallsThatDoNotWaitAreNotInterrupted) {
    Sys sys;
    Queue q(backend);
    Pair p;
    p.b.put();
    sys.fail(Call::kevent, EINTR, 0, 2);
    ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
    sys.fail(Call::kevent, EINTR, 0, 2);
    ASSERT_EQ(q.prove(p.a, EVL_READ, EVL_READ, 2), 0);
    sys.fail(Call::kevent, EINTR, 0, 2);
    q.wake();
    sys.fail(Call::kevent, 0, 0, 0);
    EXPECT_EQ(q.wait(), (Rows{{2, EVL_READ}, {kWake, EVL_READ}}));
    sys.fail(Call::kevent, EINTR, 0, 2);
    q.remove(p.a, EVL_READ);
    sys.fail(Call::kevent, EINTR, 0, 2);
    ASSERT_EQ(q.arm(1), 0);
    EXPECT_EQ(q.wait(-1), (Rows{{kWake, EVL_READ}}));
}

TEST_F(Kqueue, AFailedCallChangesNothing) {
    Sys sys;
    Queue q(backend);
    Pair p;
    p.b.put();
    sys.fail(Call::kevent, ENOMEM);
    EXPECT_EQ(q.add(p.a, EVL_READ, 1), EVL_ENOMEM);
    EXPECT_EQ(q.wait(), Rows{});
    ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
    for (uint32_t mask : masks{EVL_WRITE, EVL_READ | EVL_WRITE}) {
        sys.fail(Call::kevent, ENOMEM);
        EXPECT_EQ(q.prove(p.a, EVL_READ, mask, 2), EVL_ENOMEM);
        EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}}));
    }
}

TEST_F(Kqueue, RowsThatMakeNoSenseAreIgnored) {
    Queue q(backend);
    Pair p;
    ASSERT_EQ(q.add(p.a, EVL_READ, 1), 0);
    uintptr_t a = static_cast<uintptr_t>(static_cast<int>(p.a));
    const struct kevent junk[] = {
        {a, EVFILT_WRITE, 0, 0, 0, nullptr},
        {a, EVFILT_EXCEPT, 0, NOTE_OOB, 0, nullptr},
        {a, -77, 0, 0, 0, nullptr},
        {a, EVFILT_READ, EV_ERROR, 0, ENOENT, nullptr},
        {a, EVFILT_READ, EV_ERROR, 0, 0, nullptr},
        {99999, EVFILT_READ, 0, 0, 0, nullptr},
        {99999, EVFILT_READ, EV_ERROR, 0, EBADF, nullptr},
        {UINTPTR_MAX, EVFILT_READ, 0, 0, 0, nullptr},
        {UINTPTR_MAX, EVFILT_READ, EV_ERROR, 0, EBADF, nullptr},
        {uintptr_t{1} << (sizeof(uintptr_t) * 8 - 1) | a, EVFILT_READ, 0, 0, 0, nullptr},
    };
    for (const struct kevent &row : junk)
        for (bool changing : {false, true}) {
            if (changing && row.ident == a && (row.flags & EV_ERROR) && row.data != 0)
                continue; // makes sense
            EXPECT_EQ(changing ? q.change(p.a, EVL_READ, EVL_READ, 1) : 0, 0);
            Kernel kernel([&](int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                              const timespec *t) {
                int rc = Kernel::real(kq, changes, n, events, cap, t);
                if (rc == 0 && cap > 0)
                    events[rc++] = row;
                return rc;
            });
            EXPECT_EQ(q.wait(), Rows{});
        }
    p.b.put();
    EXPECT_EQ(q.wait(), (Rows{{1, EVL_READ}}));
}

TEST_F(Kqueue, NoTimerIsLongerThanAKernelTakes) {
    int64_t longest = 0;
    Kernel kernel(
        [&](int kq, const struct kevent *changes, int n, struct kevent *events, int cap, const timespec *t) {
            if (n > 0 && changes->filter == EVFILT_TIMER)
                longest = std::max<int64_t>(longest, changes->data);
            return Kernel::real(kq, changes, n, events, cap, t);
        });
    Queue q(backend);
    ASSERT_EQ(q.arm(EVL_NEVER - 1), 0);
    EXPECT_GT(longest, 0);
    EXPECT_LE(longest, int64_t{31} * 86400 * 1'000'000'000);
}

TEST_F(Kqueue, ATimerThatIsEarlyIsSetAgain) {
    Kernel kernel(
        [](int kq, const struct kevent *changes, int n, struct kevent *events, int cap, const timespec *t) {
            std::vector<struct kevent> copy(changes, changes + n);
            for (struct kevent &change : copy)
                if (change.filter == EVFILT_TIMER)
                    change.data = change.data / 3 + 1;
            return Kernel::real(kq, copy.data(), n, events, cap, t);
        });
    Queue q(backend);
    int64_t deadline = now() + 20 * kMs;
    ASSERT_EQ(q.arm(deadline), 0);
    while (q.wait(1000 * kMs).empty())
        EXPECT_LT(now(), deadline + 1000 * kMs);
    EXPECT_GE(now(), deadline);
}

#endif

} // namespace
