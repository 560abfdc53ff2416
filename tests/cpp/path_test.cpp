// path_test.cpp - watched paths, with a function and awaited.
#include "world.hpp"

#include <evloop.hpp>
#include <evloop/path.hpp>

#include <cstdio>
#include <cstdlib>
#include <gtest/gtest.h>
#include <string>
#include <unistd.h>

using namespace std::chrono_literals;
using evloop::task;

namespace {

static_assert(std::is_nothrow_move_constructible_v<evloop::path> &&
              !std::is_copy_constructible_v<evloop::path>);

class Path : public testing::Test {
  public:
    void SetUp() override {
        char name[] = "/tmp/evloop-path-XXXXXX";
        ASSERT_NE(mkdtemp(name), nullptr);
        directory = name;
        file = directory + "/file";
    }
    void TearDown() override {
        unlink(file.c_str());
        rmdir(directory.c_str());
    }
    void write(const char *text) const {
        std::FILE *f = std::fopen(file.c_str(), "a");
        std::fputs(text, f);
        std::fclose(f);
    }
    std::string directory, file;
};

TEST_F(Path, TellsItsFunctionWhereverItIsMovedTo) {
    evloop::loop loop;
    std::int64_t seen = 0;
    auto made = evloop::path::make(loop, file.c_str(), [&](std::int64_t what) { seen |= what; });
    evloop::path path = *std::move(made);
    EXPECT_EQ(path.text(), file);
    write("x");
    loop.run_once();
    EXPECT_TRUE(seen & EVL_PATH_CREATED);
    evloop::path moved = std::move(path);
    seen = 0;
    unlink(file.c_str());
    loop.run_once();
    EXPECT_TRUE(seen & EVL_PATH_DELETED);
    EXPECT_EQ(evloop::path::make(loop, "/nonexistent/a", [] {}).code(), EVL_ENOENT);
}

TEST_F(Path, IsAwaited) {
    evloop::run([](Path &t) -> task<> {
        evloop::path_changes changes(t.file.c_str());
        const auto none = co_await evloop::as_result(evloop::timeout(1ms, changes.next()));
        EXPECT_EQ(none.error(), std::errc::timed_out);
        t.write("x");
        const std::uint32_t created = co_await changes.next();
        EXPECT_TRUE(created & EVL_PATH_CREATED);
        auto waiter = evloop::spawn([](evloop::path_changes &changes) -> task<std::uint32_t> {
            std::uint32_t what = 0;
            while (!(what & EVL_PATH_DELETED))
                what |= co_await changes.next();
            co_return what;
        }(changes));
        co_await evloop::sleep(1ms);
        t.write("y");
        unlink(t.file.c_str());
        const std::uint32_t what = co_await waiter;
        EXPECT_TRUE(what & EVL_PATH_DELETED);
        rmdir(t.directory.c_str());
        const auto gone = co_await evloop::as_result(changes.next());
        EXPECT_EQ(gone.code(), EVL_ENOENT);
        const auto again = co_await evloop::as_result(changes.next());
        EXPECT_EQ(again.code(), EVL_ENOENT);
    }(*this));
}

// The event and the end of the watching come in one pass.
TEST_F(Path, IsDestroyedBeforeItsWaitersTurn) {
    evloop::run([](Path &t) -> task<> {
        auto changes = std::make_unique<evloop::path_changes>(t.file.c_str());
        evloop::path other(evloop::this_loop(), t.file.c_str(), [&] { changes.reset(); });
        auto waiter = evloop::spawn([](evloop::path_changes &changes) -> task<std::uint32_t> {
            co_return co_await changes.next();
        }(*changes));
        co_await evloop::sleep(1ms);
        t.write("x");
        const auto end = co_await as_result(waiter);
        EXPECT_EQ(end.code(), EVL_ECLOSED);
        EXPECT_FALSE(changes);
    }(*this));
}

} // namespace
