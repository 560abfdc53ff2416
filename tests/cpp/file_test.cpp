// file_test.cpp - files on the loop's pool.
#include "fds.hpp"
#include "tasks.hpp"

#include <evloop/file.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>

using namespace support;

namespace {

using evloop::file;

// A directory that goes with what is in it.
struct Directory {
    std::string path = "/tmp/evloop-file-XXXXXX";
    std::vector<std::string> names;
    Directory() { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
    Directory(const Directory &) = delete;
    ~Directory() {
        for (const std::string &name : names)
            ::unlink(name.c_str());
        EXPECT_EQ(::rmdir(path.c_str()), 0);
    }
    std::string at(const std::string &name) {
        names.push_back(path + "/" + name);
        return names.back();
    }
};

TEST(File, IsWrittenAndRead) {
    const int before = open_fds();
    World w;
    Directory dir;
    run(w, [](Directory &dir) -> task<> {
        const std::string path = dir.at("a");
        {
            file out = co_await file::open(path, O_RDWR | O_CREAT | O_EXCL, 0640);
            EXPECT_TRUE(out);
            EXPECT_GE(out.fd(), 0);
            co_await out.write_all("hello ");
            co_await out.write_all("world");
            co_await out.write_at(6, "there");
            co_await out.fsync();
            const std::string middle = co_await out.read_at(3, 5);
            EXPECT_EQ(middle, "lo th");
            const std::string beyond = co_await out.read_at(8, 100);
            EXPECT_EQ(beyond, "ere");
            const evloop::file_info info = co_await out.info();
            EXPECT_EQ(info.size, 11u);
            EXPECT_TRUE(S_ISREG(info.mode));
            co_await out.truncate(5);
            co_await out.close();
            EXPECT_FALSE(out);
            EXPECT_EQ(out.fd(), -1);
            const auto again = co_await evloop::as_result(out.close());
            EXPECT_EQ(again.code(), EVL_EBADF);
            const auto gone = co_await evloop::as_result(out.read(1));
            EXPECT_EQ(gone.code(), EVL_EBADF);
        }
        const std::string whole = co_await file::read_whole(path);
        EXPECT_EQ(whole, "hello");
        file in = co_await file::open(path);
        const std::string first = co_await in.read(2), rest = co_await in.read(100),
                          end = co_await in.read(100);
        EXPECT_EQ(first, "he");
        EXPECT_EQ(rest, "llo");
        EXPECT_EQ(end, "");
        const auto refused = co_await evloop::as_result(in.write_all("x"));
        EXPECT_EQ(refused.code(), EVL_EBADF);
        const evloop::file_info info = co_await file::stat(path);
        EXPECT_EQ(info.size, 5u);
        EXPECT_EQ(info.links, 1u);
        EXPECT_GT(info.modified_ns, 1'500'000'000'000'000'000);
    }(dir));
    w.destroy();
    EXPECT_EQ(open_fds(), before);
}

TEST(File, ErrorsAreThoseOfTheSystem) {
    World w;
    Directory dir;
    run(w, [](Directory &dir) -> task<> {
        const auto none = co_await evloop::as_result(file::open(dir.path + "/none"));
        EXPECT_EQ(none.code(), EVL_ENOENT);
        const auto unread = co_await evloop::as_result(file::read_whole(dir.path));
        EXPECT_EQ(unread.code(), EVL_EISDIR);
        const auto unknown = co_await evloop::as_result(file::stat(dir.path + "/none"));
        EXPECT_EQ(unknown.code(), EVL_ENOENT);
        const auto unlisted = co_await evloop::as_result(file::readdir(dir.path + "/none"));
        EXPECT_EQ(unlisted.code(), EVL_ENOENT);
        EXPECT_EQ(file::adopt(-1).code(), EVL_EBADF);
        std::string what;
        try {
            (void)co_await file::open(dir.path + "/none");
        } catch (const std::system_error &error) {
            EXPECT_EQ(error.code(), std::errc::no_such_file_or_directory);
            what = "thrown";
        }
        EXPECT_EQ(what, "thrown");
    }(dir));
}

// And nothing is read or written elsewhere.
TEST(File, APlaceThatNoFileHasIsRefused) {
    World w;
    Directory dir;
    run(w, [](Directory &dir) -> task<> {
        const std::string path = dir.at("a");
        file f = co_await file::open(path, O_RDWR | O_CREAT);
        co_await f.write_at(0, "0123456789");
        for (const std::uint64_t place : {std::uint64_t(1) << 63, ~std::uint64_t(0)}) {
            const auto written = co_await evloop::as_result(f.write_at(place, "wrong"));
            EXPECT_EQ(written.code(), EVL_EINVAL);
            const auto nothing = co_await evloop::as_result(f.write_at(place, ""));
            EXPECT_EQ(nothing.code(), EVL_EINVAL);
            const auto read = co_await evloop::as_result(f.read_at(place, 4));
            EXPECT_EQ(read.code(), EVL_EINVAL);
        }
        const std::string beyond = co_await f.read_at((std::uint64_t(1) << 63) - 9, 4);
        EXPECT_EQ(beyond, "");
        const std::string all = co_await f.read(100);
        EXPECT_EQ(all, "0123456789");
    }(dir));
}

TEST(File, DirectoriesAndLinks) {
    World w;
    Directory dir;
    run(w, [](Directory &dir) -> task<> {
        const auto empty = co_await file::readdir(dir.path);
        EXPECT_TRUE(empty.empty());
        for (const char *name : {"b", "a"}) {
            file made = co_await file::open(dir.at(name), O_WRONLY | O_CREAT);
            co_await made.close();
        }
        EXPECT_EQ(::symlink("a", dir.at("l").c_str()), 0);
        std::vector<evloop::directory_entry> all = co_await file::readdir(dir.path);
        std::sort(all.begin(), all.end(), [](const auto &x, const auto &y) { return x.name < y.name; });
        std::string names;
        for (const auto &entry : all)
            names += entry.name + " ";
        EXPECT_EQ(names, "a b l ");
        const evloop::file_info link = co_await file::lstat(dir.path + "/l");
        const evloop::file_info target = co_await file::stat(dir.path + "/l");
        const evloop::file_info a = co_await file::stat(dir.path + "/a");
        EXPECT_TRUE(S_ISLNK(link.mode));
        EXPECT_EQ(target.node, a.node);
        EXPECT_NE(link.node, a.node);
    }(dir));
}

TEST(File, LargerThanAPiece) {
    World w;
    Directory dir;
    run(w, [](Directory &dir) -> task<> {
        const std::string path = dir.at("large"), bytes(200'000, 'x');
        file out = co_await file::open(path, O_WRONLY | O_CREAT);
        co_await out.write_all(bytes);
        co_await out.close();
        const std::string back = co_await file::read_whole(path);
        EXPECT_EQ(back, bytes);
    }(dir));
}

// What is left behind keeps the file open until its job has ended, and the bytes it writes.
TEST(File, IsLeftWhileItIsUsed) {
    const int before = open_fds();
    Directory dir;
    for (int how = 0; how < 3; how++) {
        SCOPED_TRACE(how);
        World w;
        run(w, [](Directory &dir, int how) -> task<> {
            const std::string path = dir.at("left" + std::to_string(how));
            auto out = std::make_unique<file>(co_await file::open(path, O_RDWR | O_CREAT));
            auto job = evloop::spawn(
                [](file &out) -> task<> { co_await out.write_all(std::string(1 << 20, 'y')); }(*out));
            co_await evloop::yield();
            if (how == 0)
                job.cancel();
            else if (how == 1)
                job = {};
            out.reset();
            if (how == 0) {
                const auto end = co_await evloop::as_outcome(job);
                EXPECT_TRUE(end.has_value() || end.is_cancelled());
            }
        }(dir, how));
        EXPECT_EQ(w.destroy(), 0);
    }
    for (int i = 0; i < 60'000 && open_fds() != before; i++)
        ::usleep(1000); // a thread still uses it
    EXPECT_EQ(open_fds(), before);
}

} // namespace
