// handle_test.cpp - what every handle can do, whatever its kind: id, name, argument, drop, keep-alive, close.
#include "world.hpp"

#include <csignal>
#include <set>

using namespace support;

namespace {

struct Kind {
    const char *name;
    int32_t kind;
    int32_t keeps_alive; // by default, when active
    std::function<int32_t(World &, const Fd &, void *, evl_handle **)> make;
};

const Kind kinds[] = {
    {"io", EVL_KIND_IO, 1,
     [](World &w, const Fd &fd, void *arg, evl_handle **out) {
         return evl_io_new(w.loop, fd, EVL_READ, 0, World::done(), arg, out);
     }},
    {"timer", EVL_KIND_TIMER, 1,
     [](World &w, const Fd &, void *arg, evl_handle **out) {
         int32_t rc = evl_timer_new(w.loop, World::done(), arg, out);
         return rc ? rc : evl_timer_start_in(*out, 1 * sec, 0);
     }},
    {"wall", EVL_KIND_WALL, 1,
     [](World &w, const Fd &, void *arg, evl_handle **out) {
         int32_t rc = evl_wall_new(w.loop, World::done(), arg, out);
         return rc ? rc : evl_wall_start_at(*out, 1 * sec, 0);
     }},
    {"signal", EVL_KIND_SIGNAL, 0,
     [](World &w, const Fd &, void *arg, evl_handle **out) {
         return evl_signal_new(w.loop, SIGUSR1, World::done(), arg, out);
     }},
    {"async", EVL_KIND_ASYNC, 0,
     [](World &w, const Fd &, void *arg, evl_handle **out) {
         return evl_async_new(w.loop, World::done(), arg, out);
     }},
    {"hook", EVL_KIND_HOOK, 0,
     [](World &w, const Fd &, void *arg, evl_handle **out) {
         return evl_hook_new(w.loop, EVL_HOOK_IDLE, [](void *) {}, arg, out);
     }},
};

// Runs a test for each kind: with a fresh world and one active handle of it, whose argument is its slot.
void each_kind(const std::function<void(World &, evl_handle *, const Kind &, void *)> &test,
               std::function<void()> drop = {}) {
    for (const Kind &kind : kinds) {
        SCOPED_TRACE(kind.name);
        World w;
        Pipe p;
        void *arg = w.arg([] {}, drop);
        evl_handle *handle = nullptr;
        ASSERT_EQ(kind.make(w, p.r, arg, &handle), 0);
        ASSERT_NE(handle, nullptr);
        test(w, handle, kind, arg);
    }
}

TEST(Handle, KnowsItsKindLoopAndArgument) {
    each_kind([](World &w, evl_handle *handle, const Kind &kind, void *arg) {
        EXPECT_EQ(evl_kind(handle), kind.kind);
        EXPECT_EQ(evl_loop_of(handle), w.loop);
        EXPECT_EQ(evl_arg(handle), arg);
        EXPECT_EQ(evl_active(handle), 1);
    });
    EXPECT_LT(evl_kind(nullptr), 0);
    EXPECT_EQ(evl_loop_of(nullptr), nullptr);
    EXPECT_EQ(evl_arg(nullptr), nullptr);
    EXPECT_EQ(evl_active(nullptr), 0);
}

TEST(Handle, ItsArgumentMayChangeWhenItIsDueAlready) {
    World w;
    evl_timer *timer = nullptr;
    w.timer_at(0, [&, arg = w.arg(w.says("new"))] { // both are due by now
        w.note("before");
        EXPECT_EQ(evl_set_arg(timer, arg), 0);
        EXPECT_EQ(evl_arg(timer), arg);
    });
    timer = w.timer_at(0, w.says("old"));
    EXPECT_GE(w.run(), 0);
    EXPECT_EQ(w.log(), "before new");
    EXPECT_EQ(evl_set_arg(nullptr, nullptr), EVL_EINVAL);
}

TEST(Handle, TheDropGetsTheArgumentOfTheEnd) {
    each_kind([](World &w, evl_handle *handle, const Kind &, void *) {
        EXPECT_EQ(evl_set_drop(handle, World::drop), 0);
        EXPECT_EQ(evl_set_arg(handle, w.arg([] {}, [&w] { w.note("dropped"); })), 0);
        EXPECT_EQ(evl_close(handle), 0);
        EXPECT_GE(w.run(), 0);
        EXPECT_EQ(w.log(), "dropped");
    });
}

TEST(Handle, IdsAreUniqueForTheLoopsLife) {
    each_kind([](World &w, evl_handle *handle, const Kind &kind, void *arg) {
        Pipe p;
        std::set<uint64_t> ids{0, evl_id(handle)};
        EXPECT_EQ(ids.size(), 2u); // 0 is nobody's
        EXPECT_EQ(evl_lookup(w.loop, evl_id(handle)), handle);
        for (int i = 0; i < 1000; i++) { // the same slot again and again
            uint64_t old = evl_id(handle);
            EXPECT_EQ(evl_close(handle), 0);
            EXPECT_EQ(evl_lookup(w.loop, old), nullptr);
            ASSERT_EQ(kind.make(w, p.r, arg, &handle), 0);
            EXPECT_TRUE(ids.insert(evl_id(handle)).second);
            EXPECT_EQ(evl_lookup(w.loop, old), nullptr);
        }
    });
    EXPECT_EQ(evl_id(nullptr), 0u);
    EXPECT_EQ(evl_lookup(nullptr, 1), nullptr);
}

TEST(Handle, LookupOfWhatNeverWas) {
    World w;
    for (uint64_t id : {uint64_t{0}, uint64_t{1} << 63, UINT64_MAX, uint64_t{12345}, uint64_t{1} << 32})
        EXPECT_EQ(evl_lookup(w.loop, id), nullptr);
}

TEST(Handle, NamesAreCopiedAndCut) {
    each_kind([](World &, evl_handle *handle, const Kind &, void *) {
        EXPECT_STREQ(evl_name(handle), "");
        char name[] = "first";
        EXPECT_EQ(evl_set_name(handle, name), 0);
        name[0] = 'X';
        EXPECT_STREQ(evl_name(handle), "first");
        EXPECT_EQ(evl_set_name(handle, "0123456789012345678901234567890123456789"), 0);
        EXPECT_STREQ(evl_name(handle), "0123456789012345678901234567890"); // 31
        EXPECT_EQ(evl_set_name(handle, nullptr), 0);
        EXPECT_STREQ(evl_name(handle), "");
    });
    EXPECT_EQ(evl_set_name(nullptr, "x"), EVL_EINVAL);
    EXPECT_STREQ(evl_name(nullptr), "");
}

TEST(Handle, ANameDoesNotOutliveItsHandle) {
    World w;
    evl_timer *timer = w.timer([] {});
    evl_set_name(timer, "old");
    evl_close(timer);
    for (int i = 0; i < 100; i++)
        EXPECT_STREQ(evl_name(w.timer([] {})), "");
}

TEST(Handle, Contract_18_KeepAliveDecidesWhatKeepsTheLoopGoing) {
    each_kind([](World &w, evl_handle *handle, const Kind &kind, void *) {
        EXPECT_EQ(evl_loop_alive(w.loop), kind.keeps_alive);
        EXPECT_EQ(evl_keep_alive(handle, 1), 0);
        EXPECT_EQ(evl_loop_alive(w.loop), 1);
        EXPECT_EQ(evl_keep_alive(handle, 1), 0); // does not count
        EXPECT_EQ(evl_keep_alive(handle, 0), 0);
        EXPECT_EQ(evl_loop_alive(w.loop), 0);
        EXPECT_EQ(w.run(), EVL_RUN_DONE);
        EXPECT_EQ(evl_keep_alive(handle, 1), 0);
        EXPECT_EQ(evl_close(handle), 0);
        EXPECT_EQ(evl_loop_alive(w.loop), 0);
    });
    EXPECT_EQ(evl_keep_alive(nullptr, 1), EVL_EINVAL);
}

TEST(Handle, KeepAliveOfAnInactiveHandleCountsFromItsStart) {
    World w;
    evl_timer *timer = w.timer(w.says("timer"));
    evl_keep_alive(timer, 0);
    evl_timer_start_in(timer, 1, 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    evl_timer_stop(timer);
    evl_keep_alive(timer, 1);
    EXPECT_EQ(evl_loop_alive(w.loop), 0);
    evl_timer_start_in(timer, 1, 0);
    EXPECT_EQ(evl_loop_alive(w.loop), 1);
    EXPECT_EQ(w.run(), EVL_RUN_DONE);
    EXPECT_EQ(w.log(), "timer");
}

// --- 8: the handle's drop
// ------------------------------------------------------------------------------------------

TEST(Handle, Contract_08_TheDropRunsOnceFromTheLoopAfterClose) {
    int drops = 0;
    each_kind(
        [&](World &w, evl_handle *handle, const Kind &, void *) {
            drops = 0;
            EXPECT_EQ(evl_set_drop(handle, World::drop), 0);
            EXPECT_EQ(evl_close(handle), 0);
            EXPECT_EQ(drops, 0); // never inside the call
            EXPECT_EQ(evl_loop_blockers(w.loop, nullptr, 0), 1);
            w.run();
            EXPECT_EQ(drops, 1);
            EXPECT_EQ(w.close(), 0);
            EXPECT_EQ(drops, 1);
        },
        [&] { drops++; });
}

TEST(Handle, Contract_08_TheDropRunsInsideDestroy) {
    int drops = 0;
    each_kind(
        [&](World &w, evl_handle *handle, const Kind &, void *) {
            drops = 0;
            evl_set_drop(handle, World::drop);
            EXPECT_EQ(w.destroy(), 0);
            EXPECT_EQ(drops, 1);
        },
        [&] { drops++; });
}

TEST(Handle, Contract_08_ADropThatWasTakenAwayDoesNotRun) {
    each_kind(
        [&](World &w, evl_handle *handle, const Kind &, void *) {
            EXPECT_EQ(evl_set_drop(handle, World::drop), 0);
            EXPECT_EQ(evl_set_drop(handle, nullptr), 0);
            EXPECT_EQ(evl_close(handle), 0);
            w.run();
        },
        [] { ADD_FAILURE() << "dropped"; });
    EXPECT_EQ(evl_set_drop(nullptr, World::drop), EVL_EINVAL);
}

TEST(Handle, Contract_08_CloseFromTheOwnCallbackDropsAfterIt) {
    World w;
    evl_timer *timer = nullptr;
    void *arg = w.arg(
        [&] {
            evl_close(timer);
            w.note("callback"); // the argument is still there
        },
        [&] { w.note("drop"); });
    ASSERT_EQ(evl_timer_new(w.loop, World::done(), arg, &timer), 0);
    evl_set_drop(timer, World::drop);
    evl_timer_start_in(timer, 0, 0);
    w.run();
    EXPECT_EQ(w.log(), "callback drop");
}

// --- 4: close
// --------------------------------------------------------------------------------------------------------

TEST(Handle, Contract_04_CloseIsFinalAndNullIsAccepted) {
    EXPECT_EQ(evl_close(nullptr), 0);
    each_kind([](World &w, evl_handle *handle, const Kind &, void *) {
        uint64_t id = evl_id(handle);
        EXPECT_EQ(evl_close(handle), 0);
        EXPECT_EQ(evl_lookup(w.loop, id), nullptr);
        EXPECT_EQ(evl_loop_walk(w.loop, nullptr, 0), 0);
        // A stale pointer: usually answered so, and always while the slot has not been used again.
        EXPECT_EQ(evl_close(handle), EVL_ESTALE);
        EXPECT_EQ(evl_kind(handle), EVL_ESTALE);
        EXPECT_EQ(evl_id(handle), 0u);
        EXPECT_EQ(evl_loop_of(handle), nullptr);
        EXPECT_EQ(evl_arg(handle), nullptr);
        EXPECT_EQ(evl_active(handle), 0);
        EXPECT_EQ(evl_set_name(handle, "x"), EVL_ESTALE);
        EXPECT_EQ(evl_set_drop(handle, World::drop), EVL_ESTALE);
        EXPECT_EQ(evl_keep_alive(handle, 1), EVL_ESTALE);
        EXPECT_EQ(evl_io_set(handle, EVL_READ), EVL_ESTALE);
        EXPECT_EQ(evl_io_mask(handle), EVL_ESTALE);
        EXPECT_EQ(evl_timer_start_at(handle, 0, 0), EVL_ESTALE);
        EXPECT_EQ(evl_timer_start_in(handle, 0, 0), EVL_ESTALE);
        EXPECT_EQ(evl_timer_stop(handle), EVL_ESTALE);
        EXPECT_EQ(evl_timer_deadline(handle), EVL_NEVER);
        EXPECT_EQ(evl_signal_number(handle), EVL_ESTALE);
        EXPECT_EQ(evl_wall_start_at(handle, 0, 0), EVL_ESTALE);
        EXPECT_EQ(evl_wall_stop(handle), EVL_ESTALE);
        EXPECT_EQ(evl_wall_deadline(handle), EVL_NEVER);
    });
}

TEST(Handle, Contract_04_CloseNeverAllocates) {
    each_kind([](World &w, evl_handle *handle, const Kind &, void *) {
        w.memory.fail(1, UINT64_MAX / 2);
        EXPECT_EQ(evl_close(handle), 0);
        EXPECT_FALSE(w.memory.failed());
        w.memory.fail(0);
    });
}

TEST(Handle, WrongKindIsAnError) {
    each_kind([](World &, evl_handle *handle, const Kind &kind, void *) {
        if (kind.kind != EVL_KIND_IO) {
            EXPECT_EQ(evl_io_set(handle, EVL_READ), EVL_EINVAL);
            EXPECT_EQ(evl_io_mask(handle), EVL_EINVAL);
        }
        if (kind.kind != EVL_KIND_TIMER) {
            EXPECT_EQ(evl_timer_start_at(handle, 0, 0), EVL_EINVAL);
            EXPECT_EQ(evl_timer_stop(handle), EVL_EINVAL);
            EXPECT_EQ(evl_timer_set_slack(handle, 0), EVL_EINVAL);
        }
        if (kind.kind != EVL_KIND_WALL) {
            EXPECT_EQ(evl_wall_start_at(handle, 0, 0), EVL_EINVAL);
            EXPECT_EQ(evl_wall_stop(handle), EVL_EINVAL);
        }
        if (kind.kind != EVL_KIND_SIGNAL) {
            EXPECT_EQ(evl_signal_number(handle), EVL_EINVAL);
        }
        if (kind.kind != EVL_KIND_ASYNC) {
            EXPECT_EQ(evl_async_send(handle), EVL_EINVAL);
        }
        EXPECT_EQ(evl_active(handle), 1); // untouched
    });
}

TEST(Handle, WalkGivesTheIdsOfAll) {
    World w;
    Pipe p;
    std::set<uint64_t> expected;
    for (const Kind &kind : kinds)
        for (int i = 0; i < 20; i++) {
            evl_handle *handle = nullptr;
            ASSERT_EQ(kind.make(w, p.r, w.arg([] {}), &handle), 0);
            expected.insert(evl_id(handle));
        }
    constexpr int32_t all = 20 * std::size(kinds);
    uint64_t ids[all] = {};
    EXPECT_EQ(evl_loop_walk(w.loop, ids, all), all);
    EXPECT_EQ(std::set<uint64_t>(ids, ids + all), expected);
    ids[5] = 0;
    EXPECT_EQ(evl_loop_walk(w.loop, ids, 5), all); // how many there are; no more than 5 are written
    EXPECT_EQ(ids[5], 0u);
    for (int32_t i = 0, n = evl_loop_walk(w.loop, ids, all); i < n; i++)
        EXPECT_EQ(evl_close(evl_lookup(w.loop, ids[i])), 0); // by which everything can be closed
    EXPECT_EQ(evl_loop_walk(w.loop, nullptr, 0), 0);
    EXPECT_EQ(evl_loop_walk(nullptr, ids, 1), EVL_EINVAL);
}

TEST(Handle, AfterDestroyEverythingButCloseAnswersClosed) {
    each_kind([](World &w, evl_handle *handle, const Kind &kind, void *) {
        evl_loop *loop = evl_loop_ref(w.loop);
        EXPECT_EQ(w.destroy(), 0);
        EXPECT_EQ(evl_set_name(handle, "x"), EVL_ECLOSED);
        EXPECT_EQ(evl_keep_alive(handle, 1), EVL_ECLOSED);
        EXPECT_EQ(evl_set_drop(handle, World::drop), EVL_ECLOSED);
        EXPECT_EQ(evl_set_arg(handle, nullptr), EVL_ECLOSED);
        if (kind.kind == EVL_KIND_IO) {
            EXPECT_EQ(evl_io_set(handle, EVL_READ), EVL_ECLOSED);
        }
        if (kind.kind == EVL_KIND_TIMER) {
            EXPECT_EQ(evl_timer_start_at(handle, 0, 0), EVL_ECLOSED);
        }
        EXPECT_EQ(evl_close(handle), 0);
        evl_loop_unref(loop);
    });
}

} // namespace
