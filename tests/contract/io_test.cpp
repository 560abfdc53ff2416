// io_test.cpp - fd watchers: masks, one-shot and edge, many per fd, folded changes, numbers that are used
// again.
#include "world.hpp"

#include <algorithm>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace support;

namespace {

using masks = std::initializer_list<uint32_t>;

// Notes "name:mask", with HUP and ERR left out: these differ by backend and have tests of their own.
Action reports(World &w, std::string name) {
    return [&w, name](int64_t result) {
        std::string text = name + ":";
        if (result < 0) {
            text += evl_err_name(static_cast<int32_t>(result));
        } else {
            text += result & EVL_READ ? "r" : "";
            text += result & EVL_PRI ? "p" : "";
            text += result & EVL_WRITE ? "w" : "";
        }
        w.note(text);
    };
}

// Runs a few passes and answers how many events came; for "does not spin" and "is silent".
std::string quiet_passes(World &w) {
    w.clear();
    for (int i = 0; i < 4; i++)
        w.nowait();
    return w.log();
}

// Puts another file under a number that is open, or was.
void renumber(const Fd &file, int number) { ASSERT_EQ(::dup3(file, number, O_CLOEXEC), number); }

// --- reporting
// -------------------------------------------------------------------------------------------------------

TEST(Io, ReportsOnceAPassWhileTheConditionHolds) {
    World w;
    Pair p;
    evl_io *io = w.io(p.a, EVL_READ, reports(w, "io"));
    EXPECT_EQ(quiet_passes(w), "");
    p.b.put();
    EXPECT_EQ(quiet_passes(w), "io:r io:r io:r io:r");
    p.a.drain();
    EXPECT_EQ(quiet_passes(w), "");
    EXPECT_EQ(evl_io_set(io, EVL_READ | EVL_WRITE), 0);
    EXPECT_EQ(quiet_passes(w), "io:w io:w io:w io:w");
    p.b.put();
    EXPECT_EQ(quiet_passes(w), "io:rw io:rw io:rw io:rw");
    p.a.drain();
    p.a.put(-1); // full
    EXPECT_EQ(quiet_passes(w), "");
    p.b.drain();
    EXPECT_EQ(quiet_passes(w), "io:w io:w io:w io:w");
}

TEST(Io, TellsItsFdAndItsMask) {
    World w;
    Pair p;
    evl_io *io = w.io(p.a, 0, [] {});
    EXPECT_EQ(evl_io_fd(io), p.a);
    EXPECT_EQ(evl_io_mask(io), 0);
    EXPECT_EQ(evl_active(io), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE); // a mask of 0 keeps nothing alive
    EXPECT_EQ(evl_io_set(io, EVL_READ | EVL_WRITE), 0);
    EXPECT_EQ(evl_io_mask(io), EVL_READ | EVL_WRITE);
    EXPECT_EQ(evl_active(io), 1);
}

TEST(Io, OneShotDisarmsWhenItReports) {
    World w;
    Pair p;
    p.b.put();
    evl_io *io = nullptr;
    io = w.io(
        p.a, EVL_READ,
        [&] {
            w.note("io");
            EXPECT_EQ(evl_io_mask(io), 0);
            EXPECT_EQ(evl_active(io), 0);
        },
        EVL_IO_ONESHOT);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(quiet_passes(w), "");
    EXPECT_EQ(evl_io_set(io, EVL_READ), 0);
    EXPECT_EQ(quiet_passes(w), "io");
}

TEST(Io, OneShotArmedAgainInItsOwnCallback) {
    World w;
    Pair p;
    p.b.put();
    evl_io *io = nullptr;
    int left = 3;
    io = w.io(
        p.a, EVL_READ,
        [&] {
            w.note("io");
            if (--left > 0)
                evl_io_set(io, EVL_READ);
        },
        EVL_IO_ONESHOT);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "io io io");
}

TEST(Io, EdgeReportsChangesOnlyWhereTheKernelHasIt) {
    World w;
    Pair p;
    if (!(w.caps() & EVL_CAP_EDGE)) {
        evl_io *out = nullptr;
        EXPECT_EQ(evl_io_new(w.loop, p.a, EVL_READ, EVL_IO_EDGE, nullptr, nullptr, &out), EVL_ENOTSUP);
        EXPECT_EQ(out, nullptr);
        return;
    }
    evl_io *io = w.io(p.a, EVL_READ, reports(w, "io"), EVL_IO_EDGE);
    p.b.put();
    EXPECT_EQ(quiet_passes(w), "io:r"); // not drained, and silent
    p.b.put();
    EXPECT_EQ(quiet_passes(w), "io:r");
    evl_close(io);
    w.io(p.a, EVL_READ, reports(w, "new"), EVL_IO_EDGE); // what is there already is reported first
    EXPECT_EQ(quiet_passes(w), "new:r");
}

TEST(Io, EdgeAndLevelDoNotMixOnOneFd) {
    World w;
    Pair p;
    evl_io *out = nullptr;
    int32_t answer = w.caps() & EVL_CAP_EDGE ? EVL_EEXIST : EVL_ENOTSUP;
    w.io(p.a, EVL_READ, [] {});
    EXPECT_EQ(evl_io_new(w.loop, p.a, EVL_WRITE, EVL_IO_EDGE, nullptr, nullptr, &out), answer);
    if (w.caps() & EVL_CAP_EDGE) {
        evl_io *edge = w.io(p.b, EVL_READ, [] {}, EVL_IO_EDGE);
        EXPECT_EQ(evl_io_new(w.loop, p.b, EVL_READ, 0, nullptr, nullptr, &out), EVL_EEXIST);
        w.io(p.b, EVL_WRITE, [] {}, EVL_IO_EDGE);
        EXPECT_EQ(evl_close(edge), 0);
    }
}

TEST(Io, PriorityDataWhereTheBackendHasIt) {
    World w;
    Tcp tcp;
    evl_io *out = nullptr;
    if (!(w.caps() & EVL_CAP_PRI)) {
        EXPECT_EQ(evl_io_new(w.loop, tcp.a, EVL_PRI, 0, nullptr, nullptr, &out), EVL_ENOTSUP);
        EXPECT_EQ(evl_io_set(w.io(tcp.a, EVL_READ, [] {}), EVL_READ | EVL_PRI), EVL_ENOTSUP);
        return;
    }
    w.io(tcp.a, EVL_PRI, reports(w, "pri"), EVL_IO_ONESHOT);
    w.io(tcp.a, EVL_READ, reports(w, "read"), EVL_IO_ONESHOT);
    EXPECT_EQ(::send(tcp.b, "!", 1, MSG_OOB), 1);
    w.nowait();
    EXPECT_EQ(w.log(), "pri:p");
}

// --- hangup and error
// ----------------------------------------------------------------------------------------------------

struct Hangup {
    const char *name;
    std::function<void(Pair &)> cause;
    uint32_t wanted;
};

void hangup_goes_to_the_side_that_is_wanted() {
    const Hangup table[] = {
        {"end of file", [](Pair &p) { ::shutdown(p.b, SHUT_WR); }, EVL_READ},
        {"gone, for a reader", [](Pair &p) { p.b.close(); }, EVL_READ},
        {"gone, for a writer", [](Pair &p) { p.b.close(); }, EVL_WRITE},
        {"gone, for both", [](Pair &p) { p.b.close(); }, EVL_READ | EVL_WRITE},
    };
    for (const Hangup &row : table) {
        SCOPED_TRACE(row.name);
        World w;
        Pair p;
        int64_t seen = 0;
        evl_io *io = w.io(p.a, row.wanted, [&](int64_t result) { seen = result; });
        row.cause(p);
        w.nowait();
        ASSERT_GT(seen, 0);
        EXPECT_EQ(static_cast<uint32_t>(seen) & row.wanted, row.wanted);
        EXPECT_EQ(static_cast<uint32_t>(seen) & ~(row.wanted | EVL_ERR | EVL_HUP), 0u); // nothing unwanted
        if (!(w.caps() & EVL_CAP_HUP)) {
            EXPECT_EQ(seen & (EVL_ERR | EVL_HUP), 0);
        }
        evl_close(io);
    }
}

TEST(Io, Contract_10_HangupGoesToWhicheverSideIsWanted) { hangup_goes_to_the_side_that_is_wanted(); }

TEST(Io, Contract_10_HangupIsToldApartWhereTheBackendCan) {
    World w;
    Pair p;
    int64_t seen = 0;
    w.io(p.a, EVL_READ, [&](int64_t result) { seen = result; });
    p.b.close();
    w.nowait();
    EXPECT_EQ((seen & EVL_HUP) != 0, (w.caps() & EVL_CAP_HUP) != 0);
}

// The other end has said all that it had to say, and still listens.
TEST(Io, Contract_10_AnEndOfFileIsNoHangup) {
    World w;
    Pair p;
    int64_t seen = 0;
    w.io(p.a, EVL_READ, [&](int64_t result) { seen = result; });
    ::shutdown(p.b, SHUT_WR);
    w.nowait();
    EXPECT_EQ(seen, EVL_READ);
    p.b.close();
    w.nowait();
    EXPECT_EQ(seen, EVL_READ | ((w.caps() & EVL_CAP_HUP) ? EVL_HUP : 0));
}

TEST(Io, Contract_10_ErrorGoesToTheWriterOfAPipeWithoutReader) {
    World w;
    Pipe p;
    p.w.put(-1); // full: only the error makes it ready
    int64_t seen = 0;
    w.io(p.w, EVL_WRITE, [&](int64_t result) { seen = result; });
    w.nowait();
    EXPECT_EQ(seen, 0);
    p.r.close();
    w.nowait();
    EXPECT_TRUE(seen & EVL_WRITE);
}

void no_interest_no_spin() {
    World w;
    Pair p;
    Pipe full;
    evl_io *a = w.io(p.a, EVL_READ, w.says("a"));
    evl_io *b = w.io(full.w, EVL_WRITE, w.says("b"));
    p.b.close();
    full.r.close();
    evl_io_set(a, 0);
    evl_io_set(b, 0);
    EXPECT_EQ(quiet_passes(w), "");
    uint64_t events = w.metrics().events;
    w.timer_in(1 * sec, [] {});
    w.run();
    EXPECT_EQ(w.metrics().events, events); // the kernel does not even mention them
}

TEST(Io, Contract_10_HangupWithoutInterestIsSilentAndDoesNotSpin) { no_interest_no_spin(); }

// --- many watchers of one fd
// ------------------------------------------------------------------------------------------------

TEST(Io, ManyWatchersOfOneFdEachWithItsOwnMask) {
    World w;
    Pair p;
    evl_io *r1 = w.io(p.a, EVL_READ, reports(w, "r1"));
    evl_io *w1 = w.io(p.a, EVL_WRITE, reports(w, "w1"));
    evl_io *both = w.io(p.a, EVL_READ | EVL_WRITE, reports(w, "both"));
    w.io(p.a, 0, reports(w, "none"));
    w.nowait();
    EXPECT_EQ(w.log(), "w1:w both:w");
    p.b.put();
    w.clear();
    w.nowait();
    for (const char *word : {"r1:r", "w1:w", "both:rw"})
        EXPECT_NE(w.log().find(word), std::string::npos) << w.log();
    evl_close(w1);
    w.clear();
    w.nowait();
    EXPECT_EQ(w.log(), "r1:r both:rw");
    evl_close(r1);
    evl_io_set(both, EVL_WRITE);
    EXPECT_EQ(quiet_passes(w), "both:w both:w both:w both:w");
    evl_close(both);
    EXPECT_EQ(quiet_passes(w), "");
}

TEST(Io, AReportAlreadyDueIsNarrowedOrTakenBack) {
    World w;
    Pair p;
    p.b.put();
    evl_io *narrowed = nullptr, *taken = nullptr, *widened = nullptr;
    w.io(
        p.a, EVL_READ,
        [&] {
            evl_io_set(narrowed, EVL_WRITE);
            evl_io_set(taken, 0);
            evl_io_set(widened, EVL_READ | EVL_WRITE);
            w.note("first");
        },
        EVL_IO_ONESHOT);
    narrowed = w.io(p.a, EVL_READ | EVL_WRITE, reports(w, "narrowed"), EVL_IO_ONESHOT);
    taken = w.io(p.a, EVL_READ, reports(w, "taken"), EVL_IO_ONESHOT);
    widened = w.io(p.a, EVL_READ, reports(w, "widened"), EVL_IO_ONESHOT);
    w.nowait();
    EXPECT_EQ(w.log(), "first narrowed:w widened:r");
    evl_io_set(taken, EVL_READ);
    EXPECT_EQ(quiet_passes(w), "taken:r");
}

// --- what it costs
// ----------------------------------------------------------------------------------------------------------

TEST(Io, ChangesBetweenTwoPollsAreFolded) {
    Sys sys;
    World w;
    std::vector<Pair> pairs(10);
    std::vector<evl_io *> ios;
    for (Pair &p : pairs)
        ios.push_back(w.io(p.a, EVL_READ, [] {}));
    w.nowait();
    uint64_t before = sys.changes();
    for (evl_io *io : ios)
        for (uint32_t mask : masks{EVL_READ | EVL_WRITE, 0, EVL_WRITE, EVL_READ | EVL_WRITE, EVL_READ})
            EXPECT_EQ(evl_io_set(io, mask), 0);
    w.nowait();
    EXPECT_EQ(sys.changes(), before) << "they cancel out";
    for (evl_io *io : ios)
        for (uint32_t mask : masks{0, EVL_READ | EVL_WRITE, EVL_READ, EVL_READ | EVL_WRITE})
            EXPECT_EQ(evl_io_set(io, mask), 0);
    EXPECT_EQ(sys.changes(), before) << "not before the poll";
    w.nowait();
    EXPECT_EQ(sys.changes(), before + (w.on("select") ? 0 : 10));
    for (evl_io *io : ios)
        evl_close(io);
}

TEST(Io, Contract_06_TheFirstAddAndTheLastRemovalAreImmediate) {
    Sys sys;
    World w;
    Pair p;
    uint64_t one = w.on("select") ? 0 : 1, before = sys.changes();
    evl_io *first = w.io(p.a, EVL_READ, [] {});
    EXPECT_EQ(sys.changes(), before + one);
    evl_io *second = w.io(p.a, EVL_READ, [] {});
    EXPECT_GE(sys.changes(), before + 2 * one); // proves that the number is still the same file
    before = sys.changes();
    EXPECT_EQ(evl_close(second), 0);
    EXPECT_EQ(sys.changes(), before);
    EXPECT_EQ(evl_close(first), 0);
    EXPECT_EQ(sys.changes(), before + one);
    w.nowait();
    EXPECT_EQ(sys.changes(), before + one);
}

TEST(Io, Contract_16_SteadyStateMakesNoChangesAndAllocatesNothing) {
    Sys sys;
    World w({.cap = 64});
    std::vector<Pair> pairs(20);
    for (Pair &p : pairs)
        w.io(p.a, EVL_READ, [&] { p.a.drain(); });
    uint64_t changes = 0, allocations = 0;
    for (int round = 0; round < 10; round++) {
        if (round == 2) {
            changes = sys.changes();
            allocations = w.memory.calls();
        }
        for (Pair &p : pairs)
            p.b.put();
        w.nowait();
    }
    EXPECT_EQ(sys.changes(), changes);
    EXPECT_EQ(w.memory.calls(), allocations);
}

// --- 6: errors come from the call that caused them
// ---------------------------------------------------------------------------

void bad_fds_fail_in_the_call() {
    World w;
    Fd file = regular_file(), directory(::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int closed;
    {
        Pipe gone;
        closed = gone.r;
    }
    evl_io *out = nullptr;
    const struct {
        int fd;
        int32_t answer;
    } table[] = {{-1, EVL_EBADF},
                 {closed, EVL_EBADF},
                 {INT32_MAX, EVL_EBADF},
                 {file, EVL_EPERM},
                 {directory, EVL_EPERM}};
    for (auto &row : table)
        for (uint32_t mask : masks{0, EVL_READ, EVL_READ | EVL_WRITE})
            EXPECT_EQ(evl_io_new(w.loop, row.fd, mask, 0, nullptr, nullptr, &out), row.answer)
                << row.fd << " mask " << mask;
    EXPECT_EQ(out, nullptr);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 0);
}

TEST(Io, Contract_06_ABadFdOrARegularFileFailsInTheCallThatAddsIt) { bad_fds_fail_in_the_call(); }

TEST(Io, BadInput) {
    World w;
    Pipe p;
    evl_io *out = nullptr;
    auto make = [&](evl_loop *loop, uint32_t mask, uint32_t flags, evl_io **where) {
        return evl_io_new(loop, p.r, mask, flags, nullptr, nullptr, where);
    };
    EXPECT_EQ(make(nullptr, EVL_READ, 0, &out), EVL_EINVAL);
    EXPECT_EQ(make(w.loop, EVL_READ, 0, nullptr), EVL_EINVAL);
    for (uint32_t mask : {8u, 16u, 32u, 1u << 31, 64u | EVL_READ})
        EXPECT_EQ(make(w.loop, mask, 0, &out), EVL_EINVAL) << mask;
    EXPECT_EQ(make(w.loop, EVL_READ, 4, &out), EVL_EINVAL);
    EXPECT_EQ(out, nullptr);
    evl_io *io = w.io(p.r, EVL_READ, [] {});
    EXPECT_EQ(evl_io_set(io, EVL_HUP), EVL_EINVAL);
    EXPECT_EQ(evl_io_set(io, 1u << 31), EVL_EINVAL);
    EXPECT_EQ(evl_io_mask(io), EVL_READ);
    evl_timer *timer = w.timer([] {});
    for (evl_io *wrong : {static_cast<evl_io *>(nullptr), timer}) {
        EXPECT_EQ(evl_io_set(wrong, EVL_READ), EVL_EINVAL);
        EXPECT_LT(evl_io_fd(wrong), 0);
        EXPECT_EQ(evl_io_mask(wrong), EVL_EINVAL);
    }
    EXPECT_EQ(evl_fd_closing(nullptr, p.r), EVL_EINVAL);
    EXPECT_EQ(evl_fd_closing(w.loop, -1), EVL_EBADF);
    EXPECT_EQ(evl_fd_closing(w.loop, p.w), 0); // nobody watches it
}

// --- 10: numbers that are closed and used again
// ---------------------------------------------------------------------------------

void closed_and_reused_in_the_same_pass() {
    World w;
    Pair one, two, fresh;
    one.b.put();
    two.b.put();
    struct Side {
        Pair *pair;
        evl_io *io;
    } sides[2] = {{&one, nullptr}, {&two, nullptr}};
    int ran = 0;
    evl_io *reborn = nullptr;
    auto act = [&](size_t me) {
        ran++;
        if (reborn)
            return;
        Side &other = sides[1 - me]; // its event is in this very batch
        int number = other.pair->a;
        evl_close(other.io);
        other.pair->a.close();
        renumber(fresh.a, number);
        other.pair->a = Fd(number);
        reborn = w.io(number, EVL_READ, reports(w, "reborn"));
    };
    for (size_t i = 0; i < 2; i++)
        sides[i].io = w.io(sides[i].pair->a, EVL_READ, [&, i] { act(i); }, EVL_IO_ONESHOT);
    EXPECT_EQ(quiet_passes(w), "");
    EXPECT_EQ(ran, 1);
    fresh.b.put();
    w.nowait();
    EXPECT_EQ(w.log(), "reborn:r");
}

TEST(Io, Contract_10_AnOldNumbersEventsNeverReachItsNewOwner) { closed_and_reused_in_the_same_pass(); }

// The batch of a poll is turned into callbacks only after the hooks have seen that the poll is over.
TEST(Io, Contract_10_AHookBetweenThePollAndItsEventsMayReuseANumber) {
    World w;
    Pair old, fresh;
    int number = old.a;
    evl_io *io = w.io(number, EVL_READ, reports(w, "old"));
    evl_hook *hook = nullptr;
    hook = w.hook(EVL_HOOK_AFTER_POLL, [&] { // the event is in the batch already
        evl_close(hook);
        evl_close(io);
        old.a.close();
        renumber(fresh.a, number);
        old.a = Fd(number);
        w.io(number, EVL_READ, reports(w, "new")); // in the slot of the old one
    });
    old.b.put();
    EXPECT_GE(evl_loop_run(w.loop, EVL_RUN_NOWAIT), 0);
    EXPECT_EQ(quiet_passes(w), "");
    fresh.b.put();
    w.nowait();
    EXPECT_EQ(w.log(), "new:r");
}

void second_watcher_finds_a_number_closed_behind_our_back() {
    World w;
    Pair old, fresh;
    int number = old.a;
    evl_io *first = w.io(number, EVL_READ, reports(w, "old"));
    w.nowait();
    old.a.close();
    renumber(fresh.a, number);
    Fd again(number);
    evl_io *second = w.io(number, EVL_READ, reports(w, "new"));
    EXPECT_EQ(w.log(), ""); // not inline
    w.nowait();
    EXPECT_EQ(w.log(), "old:EVL_EBADF");
    EXPECT_EQ(evl_active(first), 0);
    EXPECT_EQ(evl_io_fd(first), -1);
    EXPECT_EQ(evl_io_set(first, EVL_READ), EVL_EBADF); // for good
    old.b.put();
    EXPECT_EQ(quiet_passes(w), "");
    fresh.b.put();
    w.nowait();
    EXPECT_EQ(w.log(), "new:r");
    EXPECT_EQ(evl_close(first), 0);
    EXPECT_EQ(evl_close(second), 0);
    EXPECT_EQ(quiet_passes(w), "");
}

TEST(Io, Contract_10_ASecondWatcherFindsANumberClosedBehindOurBack) {
    second_watcher_finds_a_number_closed_behind_our_back();
}

// Kernels differ in what they keep of the end of a pipe that has no other.
TEST(Io, Contract_10_ANumberThatWasAPipeWithoutReadersIsFoundToo) {
    World w;
    Pipe old;
    Pair fresh;
    int number = old.w;
    old.r.close();
    w.io(number, EVL_WRITE, reports(w, "old"));
    w.nowait();
    EXPECT_EQ(w.log(), "old:w");
    w.clear();
    old.w.close();
    renumber(fresh.a, number);
    Fd again(number);
    evl_io *second = w.io(number, EVL_READ, reports(w, "new"));
    w.nowait();
    EXPECT_EQ(w.log(), "old:EVL_EBADF");
    fresh.b.put();
    w.nowait();
    EXPECT_EQ(w.log(), "old:EVL_EBADF new:r");
    EXPECT_EQ(evl_close(second), 0);
    EXPECT_EQ(quiet_passes(w), "");
}

TEST(Io, Contract_10_APipeWithoutReadersIsOverWhenItsNumberIsClosed) {
    World w;
    Pipe old;
    old.r.close();
    evl_io *io = w.io(old.w, EVL_WRITE, reports(w, "io"));
    w.nowait();
    w.clear();
    old.w.close();
    EXPECT_EQ(quiet_passes(w), w.on("epoll") ? "" : "io:EVL_EBADF"); // epoll forgets it with the file
    EXPECT_EQ(evl_close(io), 0);
}

TEST(Io, Contract_10_ASecondWatcherOfAClosedNumberFailsAndTheFirstHearsOfIt) {
    World w;
    Pair p;
    int number = p.a;
    w.io(number, EVL_READ, reports(w, "old"));
    w.nowait();
    p.a.close();
    evl_io *out = nullptr;
    EXPECT_EQ(evl_io_new(w.loop, number, EVL_READ, 0, nullptr, nullptr, &out), EVL_EBADF);
    EXPECT_EQ(out, nullptr);
    w.nowait();
    EXPECT_EQ(w.log(), "old:EVL_EBADF");
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

void a_change_meets_a_closed_number() {
    World w;
    Pair p;
    evl_io *io = w.io(p.a, EVL_READ, reports(w, "io"));
    w.nowait();
    p.a.close();
    int32_t rc = evl_io_set(io, EVL_READ | EVL_WRITE);
    EXPECT_TRUE(rc == 0 || rc == EVL_EBADF) << rc;
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "io:EVL_EBADF");
    EXPECT_EQ(evl_io_fd(io), -1);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

TEST(Io, Contract_10_AChangeThatMeetsAClosedNumberIsTheWatchersResult) { a_change_meets_a_closed_number(); }

TEST(Io, Contract_10_ClosedWhileMaskIsZeroAndArmedAgain) {
    World w;
    Pair old, fresh;
    int number = old.a;
    evl_io *io = w.io(number, EVL_READ, reports(w, "io"));
    w.nowait();
    evl_io_set(io, 0);
    w.nowait();
    old.a.close();
    EXPECT_TRUE(evl_io_set(io, EVL_READ) <= 0);
    w.nowait();
    w.nowait();
    EXPECT_EQ(w.log(), "io:EVL_EBADF");
}

// What only names a path is no file to wait for.
TEST(Io, APathIsRefused) {
#if defined(O_PATH)
    World w;
    Fd path(::open("/dev/null", O_PATH | O_CLOEXEC));
    evl_io *io = nullptr;
    if (w.on("kqueue"))
        return; // there is none of them there
    EXPECT_EQ(evl_io_new(w.loop, path, EVL_READ, 0, nullptr, nullptr, &io), EVL_EBADF);
#endif
}

// With edges, what is there is reported to interest that was taken away and given again, whenever that was:
// in the pass of a report that is due, in the callback of a one-shot, or while another watcher has the same
// interest.
TEST(Io, EdgeReportsWhatIsThereToInterestThatIsGivenAgain) {
    World w;
    if (!(w.caps() & EVL_CAP_EDGE))
        return;
    Pair p;
    evl_io *io = w.io(p.a, EVL_READ, reports(w, "io"), EVL_IO_EDGE);
    p.b.put();
    w.post([&] { evl_io_set(io, 0), evl_io_set(io, EVL_READ); }); // before the report, in the same pass
    w.nowait();
    EXPECT_EQ(quiet_passes(w), "io:r");
    evl_io_set(io, 0);
    w.nowait();
    evl_io_set(io, EVL_READ);
    EXPECT_EQ(quiet_passes(w), "io:r");
    evl_io_set(io, EVL_READ | EVL_WRITE);
    evl_io_set(io, EVL_WRITE);
    evl_io_set(io, EVL_READ | EVL_WRITE);
    EXPECT_EQ(quiet_passes(w), "io:rw");
    evl_io *second = w.io(p.a, 0, reports(w, "second"), EVL_IO_EDGE);
    quiet_passes(w);
    evl_io_set(second, EVL_READ);
    EXPECT_NE(quiet_passes(w).find("second:r"), std::string::npos);
    EXPECT_EQ(quiet_passes(w), ""); // an edge all the same
    evl_close(second);
    evl_close(io);
    quiet_passes(w);
    int left = 4;
    io = w.io(
        p.a, EVL_READ, [&] { w.note("one"), left-- > 1 ? evl_io_set(io, EVL_READ) : 0; },
        EVL_IO_EDGE | EVL_IO_ONESHOT);
    EXPECT_EQ(quiet_passes(w), "one one one one");
    EXPECT_EQ(quiet_passes(w), "");
}

void duplicate_keeps_the_description_alive() {
    World w({.clock = EVL_CLOCK_REAL});
    Pair p;
    evl_io *io = w.io(p.a, EVL_READ, reports(w, "io"));
    w.nowait();
    Fd copy(::fcntl(p.a, F_DUPFD_CLOEXEC, 0));
    p.a.close(); // behind the watcher's back, and the kernel's entry lives on
    evl_close(io);
    p.b.put();
    EXPECT_EQ(quiet_passes(w), "");
    uint64_t polls = w.metrics().polls;
    w.timer_in(20 * ms, [] {});
    w.run();
    EXPECT_LE(w.metrics().polls - polls, 4u) << "spins on an entry that nobody can delete";
    w.io(copy, EVL_READ, reports(w, "copy"), EVL_IO_ONESHOT); // and everything still works
    w.run();
    EXPECT_EQ(w.log(), "copy:r");
}

TEST(Io, Contract_10_AnEntryThatCannotBeDeletedDoesNotHaunt) { duplicate_keeps_the_description_alive(); }

TEST(Io, Contract_10_OtherWatchersSurviveTheRebuild) {
    World w;
    Pair ghost;
    std::vector<Pair> pairs(20);
    int alive = 0;
    for (Pair &p : pairs)
        w.io(p.a, EVL_READ, [&] { alive++, p.a.drain(); });
    evl_io *io = w.io(ghost.a, EVL_READ, [] {});
    Fd copy(::fcntl(ghost.a, F_DUPFD_CLOEXEC, 0));
    ghost.a.close();
    evl_close(io);
    ghost.b.put();
    for (int round = 1; round <= 3; round++) {
        for (Pair &p : pairs)
            p.b.put();
        for (int i = 0; i < 3; i++)
            w.nowait();
        EXPECT_EQ(alive, 20 * round);
    }
}

TEST(Io, Contract_10_FdClosingEndsItsWatchers) {
    World w;
    Pair p;
    p.b.put();
    evl_io *a = w.io(p.a, EVL_READ, reports(w, "a"));
    evl_io *b = w.io(p.a, EVL_WRITE, reports(w, "b"));
    evl_io *paused = w.io(p.a, 0, reports(w, "paused"));
    evl_io *closed = w.io(p.a, EVL_READ, reports(w, "closed"));
    evl_io *other = w.io(p.b, EVL_READ, reports(w, "other"));
    evl_close(closed);
    EXPECT_EQ(evl_fd_closing(w.loop, p.a), 3);
    EXPECT_EQ(w.log(), "");
    for (evl_io *io : {a, b, paused}) {
        EXPECT_EQ(evl_io_fd(io), -1);
        EXPECT_EQ(evl_active(io), 0);
        EXPECT_EQ(evl_io_set(io, EVL_READ), EVL_ECLOSED);
    }
    EXPECT_EQ(evl_fd_closing(w.loop, p.a), 0);
    p.a.close();
    w.nowait();
    EXPECT_EQ(w.log().find("a:EVL_ECLOSED b:EVL_ECLOSED"), 0u) << w.log();
    EXPECT_EQ(evl_io_fd(other), p.b);
    for (evl_io *io : {a, b, paused})
        EXPECT_EQ(evl_close(io), 0);
}

TEST(Io, Contract_10_FdClosingReplacesWhatWasDue) {
    World w;
    Pair p;
    p.b.put();
    evl_io *victim = nullptr;
    w.io(
        p.a, EVL_READ,
        [&](int64_t result) {
            if (result > 0) {
                EXPECT_EQ(evl_fd_closing(w.loop, p.a), 2);
            }
            w.note(result > 0 ? "first" : "ended");
        },
        EVL_IO_ONESHOT);
    victim = w.io(p.a, EVL_READ, reports(w, "victim"));
    w.nowait();
    w.nowait();
    std::string log = w.log();
    EXPECT_TRUE(log == "first ended victim:EVL_ECLOSED" || log == "first victim:EVL_ECLOSED ended") << log;
    EXPECT_EQ(evl_io_fd(victim), -1);
}

// --- many fds
// ---------------------------------------------------------------------------------------------------------------------

void beyond_fd_setsize() {
    constexpr size_t n = 600;
    World w({.cap = 256});
    std::vector<Pair> pairs(n);
    ASSERT_GT(static_cast<int>(pairs.back().b), 1024) << "raise the limit of open files";
    std::vector<evl_io *> ios;
    size_t seen = 0;
    for (Pair &p : pairs)
        ios.push_back(w.io(p.a, EVL_READ, [&] { seen++, p.a.drain(); }));
    for (size_t i = 0; i < n; i += 7)
        pairs[i].b.put();
    pairs.back().b.put();
    for (int i = 0; i < 20; i++)
        w.nowait();
    EXPECT_EQ(seen, n / 7 + 2 - (n % 7 == 0) - ((n - 1) % 7 == 0));
    int closed = pairs[n / 2].a; // one among thousands, behind its watcher's back
    bool heard = false;
    evl_close(ios[n / 2]);
    w.io(closed, EVL_READ, [&](int64_t rc) { heard = rc == EVL_EBADF; });
    w.nowait();
    pairs[n / 2].a.close();
    if (w.on("select")) { // the other two cannot see it by themselves
        for (int i = 0; i < 3; i++)
            w.nowait();
        EXPECT_TRUE(heard);
    }
    seen = 0;
    pairs[0].b.put();
    w.nowait();
    w.nowait();
    EXPECT_EQ(seen, 1u);
}

TEST(Io, KeepAliveTurnsAWatcherIntoABystander) {
    World w;
    Pair p;
    evl_io *io = w.io(p.a, EVL_READ, w.says("io"));
    EXPECT_EQ(evl_keep_alive(io, 0), 0);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    p.b.put();
    w.nowait();
    EXPECT_EQ(w.log(), "io"); // it still reports
    EXPECT_EQ(evl_keep_alive(io, 1), 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
}

// --- traps and asyncio
// ------------------------------------------------------------------------------------------------------------

TEST(Trap, Trap_01_StaleEventInTheBatchAfterReuse) { closed_and_reused_in_the_same_pass(); }
TEST(Trap, Trap_02_DuplicateKeepsTheDescriptionAlive) { duplicate_keeps_the_description_alive(); }

TEST(Trap, Trap_03_Dup2OntoAWatchedFd) {
    World w;
    Pair old, fresh;
    int number = old.a;
    evl_io *first = w.io(number, EVL_READ, reports(w, "old"));
    w.nowait();
    renumber(fresh.a, number); // never closed, and another file now
    evl_io *second = w.io(number, EVL_READ | EVL_WRITE, reports(w, "new"), EVL_IO_ONESHOT);
    w.nowait();
    EXPECT_NE(w.log().find("old:EVL_EBADF"), std::string::npos) << w.log();
    w.nowait();
    EXPECT_NE(w.log().find("new:w"), std::string::npos) << w.log();
    evl_close(first);
    // And a number whose file went away and came back under it while nobody watched: the entry is there
    // already.
    evl_close(second);
    Fd copy(::fcntl(fresh.a, F_DUPFD_CLOEXEC, 0));
    evl_io *ghost = w.io(number, EVL_READ, [] {});
    old.a.close();
    evl_close(ghost);
    renumber(copy, number);
    old.a = Fd(number);
    w.io(number, EVL_READ, reports(w, "back"));
    fresh.b.put();
    w.clear();
    w.nowait();
    EXPECT_EQ(w.log(), "back:r");
}

TEST(Trap, Trap_04_RegularFilesAreRefusedByName) { bad_fds_fail_in_the_call(); }
TEST(Trap, Trap_05_HangupCannotBeMaskedSoItIsDeleted) { no_interest_no_spin(); }
TEST(Trap, Trap_14_MoreFdsThanFdSetsize) { beyond_fd_setsize(); }
TEST(Trap, Trap_21_ChangeErrorsReachTheWatcher) { a_change_meets_a_closed_number(); }

TEST(Trap, Trap_22_EndOfFileBehindDataIsReadableUntilReadToTheEnd) {
    World w;
    Pair p;
    EXPECT_EQ(p.b.put(3), 3);
    p.b.close();
    std::string got;
    evl_io *io = nullptr;
    io = w.io(p.a, EVL_READ, [&](int64_t result) {
        EXPECT_TRUE(result & EVL_READ);
        char byte;
        ssize_t n = ::read(p.a, &byte, 1);
        got += n == 1 ? "x" : n == 0 ? "." : "!";
        if (n == 0)
            evl_close(io);
    });
    w.run();
    EXPECT_EQ(got, "xxx.");
}

// asyncio replaces the reader of an fd; evloop keeps any number, and a replacement is a close and a new
// watcher.
TEST(Asyncio, Asyncio_030_ANewReaderLeavesTheWriterAlone) {
    World w;
    Pair p;
    evl_io *reader = w.io(p.a, EVL_READ, reports(w, "reader"));
    w.io(p.a, EVL_WRITE, reports(w, "writer"), EVL_IO_ONESHOT);
    evl_close(reader);
    w.io(p.a, EVL_READ, reports(w, "again"), EVL_IO_ONESHOT);
    p.b.put();
    w.nowait();
    EXPECT_EQ(w.log(), "again:r writer:w");
}

TEST(Asyncio, Asyncio_031_RemovingTellsAndTheLastOneUnregisters) {
    Sys sys;
    World w;
    Pair p;
    evl_io *reader = w.io(p.a, EVL_READ, [] {});
    uint64_t id = evl_id(reader);
    w.nowait();
    uint64_t before = sys.changes();
    EXPECT_EQ(evl_close(reader), 0);
    EXPECT_EQ(evl_lookup(w.loop, id), nullptr); // there is nothing to remove a second time
    EXPECT_EQ(evl_fd_closing(w.loop, p.a), 0);
    // Unregistered at once; select has nothing to tell the kernel.
    EXPECT_EQ(sys.changes(), before + (w.on("select") ? 0 : 1));
    before = sys.changes();
    w.nowait();
    EXPECT_EQ(sys.changes(), before);
}

TEST(Asyncio, Asyncio_032_AClosedWatcherIsNotCalledWhenItsEventArrives) {
    World w;
    Pair p;
    p.b.put();
    evl_io *io = w.io(p.a, EVL_READ, w.says("io"));
    evl_close(io);
    EXPECT_EQ(quiet_passes(w), "");
}

TEST(Asyncio, Asyncio_033_HangupWakesBothSidesMaskedByInterest) { hangup_goes_to_the_side_that_is_wanted(); }

void closed_before_unregistering(bool reuse) {
    World w;
    Pair p, fresh;
    evl_io *io = w.io(p.a, EVL_READ, reports(w, "io"));
    w.nowait();
    int number = p.a;
    p.a.close();
    if (reuse) {
        renumber(fresh.a, number);
        p.a = Fd(number);
    }
    EXPECT_EQ(evl_close(io), 0);
    EXPECT_EQ(w.log(), "");
    fresh.b.put();
    EXPECT_EQ(quiet_passes(w), "");
    if (reuse) {
        w.io(number, EVL_READ, reports(w, "new"), EVL_IO_ONESHOT);
        EXPECT_EQ(quiet_passes(w), "new:r");
    }
}

TEST(Asyncio, Asyncio_034_UnregisterAfterClose) {
    closed_before_unregistering(false);
    closed_before_unregistering(true);
    second_watcher_finds_a_number_closed_behind_our_back();
}

// asyncio refuses to watch the fd of a live transport. The raw watchers of evloop share an fd; closing says
// who watches.
TEST(Asyncio, Asyncio_035_ThoseWhoShareAnFdAreToldBeforeItIsClosed) {
    World w;
    Pair p;
    w.io(p.a, EVL_READ, reports(w, "theirs"));
    EXPECT_EQ(evl_fd_closing(w.loop, p.a), 1);
    p.a.close();
    w.nowait();
    EXPECT_EQ(w.log(), "theirs:EVL_ECLOSED");
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
}

} // namespace
