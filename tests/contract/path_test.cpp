// path_test.cpp - watched paths: what comes, goes, changes and moves under a name.
#include "world.hpp"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#if defined(__linux__)
#    include <sys/inotify.h>
#endif

#if defined(__linux__) || EVL_HAVE_KQUEUE

using namespace support;
namespace fs = std::filesystem;

namespace {

std::string words(int64_t what) {
    if (what < 0)
        return evl_err_name(static_cast<int32_t>(what));
    static const std::pair<int, const char *> names[] = {
        {EVL_PATH_CREATED, "created"}, {EVL_PATH_CHANGED, "changed"}, {EVL_PATH_ATTRIBUTES, "attributes"},
        {EVL_PATH_DELETED, "deleted"}, {EVL_PATH_MOVED, "moved"},     {EVL_PATH_OVERFLOW, "overflow"}};
    std::string text;
    for (auto [bit, name] : names)
        if (what & bit)
            text += (text.empty() ? "" : "+") + std::string(name);
    return text;
}

struct Scene {
    Scene() {
        char name[] = "/tmp/evloop-path-XXXXXX";
        root = ::mkdtemp(name);
    }
    ~Scene() { fs::remove_all(root); }
    std::string at(const std::string &name) const { return root + "/" + name; }
    void write(const std::string &name, const std::string &text = "x") const {
        std::ofstream(at(name), std::ios::app) << text;
    }
    evl_path *watch(const std::string &path, const std::string &called = "") {
        evl_path *handle = nullptr;
        EXPECT_EQ(evl_path_new(w.loop, path.c_str(), World::done(),
                               w.arg([this, called](int64_t what) { w.note(called + words(what)); }),
                               &handle),
                  0);
        return handle;
    }
    int32_t refused(const std::string &path) {
        evl_path *handle = nullptr;
        int fds = open_fds();
        int32_t rc = evl_path_new(w.loop, path.c_str(), World::done(), w.arg([] {}), &handle);
        EXPECT_EQ(handle, nullptr);
        EXPECT_EQ(open_fds(), fds);
        return rc;
    }
    // What has been told since the last time; the kernel tells at once.
    std::string told() {
        w.clear();
        w.nowait();
        w.nowait();
        return w.log();
    }
    // Whether the system compares what is there with what was, for it is told no names.
    bool compares() const {
#    if defined(__linux__)
        return w.on("kqueue");
#    else
        return true;
#    endif
    }
    std::string root;
    World w;
};

TEST(Path, AFileFromItsBeginningToItsEnd) {
    Scene t;
    evl_path *path = t.watch(t.at("file"));
    EXPECT_EQ(evl_kind(path), EVL_KIND_PATH);
    EXPECT_EQ(evl_path_text(path), t.at("file"));
    EXPECT_EQ(evl_active(path), 1);
    EXPECT_EQ(t.told(), "");
    t.write("file");
    EXPECT_EQ(t.told().substr(0, 7), "created");
    t.write("file");
    EXPECT_EQ(t.told(), "changed");
    EXPECT_EQ(t.told(), "");
    fs::permissions(t.at("file"), fs::perms::owner_read);
    EXPECT_EQ(t.told(), "attributes");
    fs::remove(t.at("file"));
    EXPECT_EQ(t.told(), "deleted");
    t.write("file");
    EXPECT_EQ(t.told().substr(0, 7), "created");
    t.write("file");
    EXPECT_EQ(t.told(), "changed") << "the new one is watched";
    EXPECT_EQ(evl_close(path), 0);
    t.write("file");
    EXPECT_EQ(t.told(), "");
    EXPECT_EQ(t.w.close(), 0);
}

TEST(Path, Moved) {
    Scene t;
    t.write("file");
    t.write("new");
    t.watch(t.at("file"));
    fs::rename(t.at("file"), t.at("elsewhere"));
    EXPECT_EQ(t.told(), "deleted+moved");
    t.write("elsewhere");
    EXPECT_EQ(t.told(), "") << "it is another's now";
    fs::rename(t.at("new"), t.at("file"));
    EXPECT_EQ(t.told(), t.compares() ? "created" : "created+moved");
    t.write("file");
    EXPECT_EQ(t.told(), "changed");
    // As editors do it: the new content is moved over the old.
    t.write("next");
    fs::rename(t.at("next"), t.at("file"));
    EXPECT_EQ(t.told(), t.compares() ? "created+deleted" : "created+deleted+moved");
    t.write("file");
    EXPECT_EQ(t.told(), "changed") << "the new one is watched";
    t.write("third");
    t.write("fourth");
    fs::rename(t.at("third"), t.at("file"));
    fs::rename(t.at("fourth"), t.at("file"));
    EXPECT_EQ(t.told(), t.compares() ? "created+deleted" : "created+deleted+moved");
    t.write("file");
    EXPECT_EQ(t.told(), "changed");
    fs::rename(t.at("file"), t.at("away"));
    t.write("file");
    EXPECT_NE(t.told().find("deleted+moved"), std::string::npos) << "several in one mask";
}

TEST(Path, WhatAFailedCallHasReadShows) {
    Scene t;
    if (!(t.w.caps() & EVL_CAP_LOOP_FD))
        return;
    t.watch(t.at("file"));
    pollfd row{evl_loop_fd(t.w.loop), POLLIN, 0};
    while (::poll(&row, 1, 0) == 1)
        EXPECT_GE(t.w.dispatch(), 0);
    t.write("file");
    evl_path *none = nullptr;
    EXPECT_EQ(evl_path_new(t.w.loop, t.at("none/file").c_str(), nullptr, nullptr, &none), EVL_ENOENT);
    EXPECT_EQ(::poll(&row, 1, 0), 1);
    EXPECT_GE(t.w.dispatch(), 0);
    EXPECT_EQ(t.w.log().substr(0, 7), "created");
}

// A link whose target lies in another directory, as configurations are mounted and edited.
TEST(Path, TheTargetOfASymbolicLink) {
    for (bool relative : {false, true}) {
        Scene t;
        fs::create_directory(t.at("real"));
        fs::create_directory(t.at("links"));
        t.write("real/file");
        fs::create_symlink(relative ? "../real/file" : t.at("real/file"), t.at("links/link"));
        t.watch(t.at("links/link"));
        t.write("real/file");
        EXPECT_EQ(t.told(), "changed");
        t.write("real/new");
        fs::rename(t.at("real/new"), t.at("real/file"));
        EXPECT_EQ(t.told(), t.compares() ? "created+deleted" : "created+deleted+moved");
        t.write("real/file");
        EXPECT_EQ(t.told(), "changed") << "the new one";
        fs::remove(t.at("real/file"));
        EXPECT_EQ(t.told(), "deleted");
        t.write("real/file");
        EXPECT_EQ(t.told().substr(0, 7), "created");
        t.write("real/beside");
        EXPECT_EQ(t.told(), "");
        t.write("real/file");
        EXPECT_EQ(t.told(), "changed");
    }
}

TEST(Path, ASymbolicLinkThatLeadsElsewhere) {
    Scene t;
    for (const char *name : {"a", "b", "c"})
        fs::create_directory(t.at(name));
    t.write("a/file");
    t.write("b/file");
    fs::create_symlink("a/file", t.at("link"));
    t.watch(t.at("link"));
    fs::create_symlink("b/file", t.at("other"));
    fs::rename(t.at("other"), t.at("link"));
    EXPECT_EQ(t.told().substr(0, 7), "created");
    t.write("a/file");
    EXPECT_EQ(t.told(), "") << "it does not lead there any more";
    t.write("b/file");
    EXPECT_EQ(t.told(), "changed");
    fs::remove(t.at("link"));
    EXPECT_EQ(t.told(), "deleted");
    fs::create_symlink("c/file", t.at("link"));
    (void)t.told();
    t.write("c/file");
    EXPECT_EQ(t.told().substr(0, 7), "created") << "nothing was where it leads";
}

// A link in the middle leads to the newest directory, and the old one is removed.
TEST(Path, TheDirectoryOfTheTargetIsReplaced) {
    Scene t;
    fs::create_directory(t.at("1"));
    fs::create_directory(t.at("2"));
    t.write("1/file");
    t.write("2/file");
    fs::create_directory_symlink("1", t.at("newest"));
    fs::create_symlink("newest/file", t.at("link"));
    t.watch(t.at("link"));
    fs::create_directory_symlink("2", t.at("next"));
    fs::rename(t.at("next"), t.at("newest"));
    fs::remove_all(t.at("1"));
    std::string told = t.told();
    EXPECT_NE(told.find("created"), std::string::npos) << told;
    t.write("2/file");
    EXPECT_EQ(t.told(), "changed");
}

TEST(Path, ManyAndTheEndsOfSome) {
    Scene t;
    std::vector<evl_path *> all;
    for (int i = 0; i < 100; i++)
        all.push_back(t.watch(t.at("f" + std::to_string(i)), std::to_string(i) + ":"));
    for (size_t i = 0; i < 100; i += 3)
        EXPECT_EQ(evl_close(all[i]), 0);
    for (int i : {1, 50, 98}) {
        std::string number = std::to_string(i);
        t.write("f" + number);
        EXPECT_EQ(t.told().rfind(number + ":created", 0), 0u) << number;
    }
    t.write("f99");
    EXPECT_EQ(t.told(), "") << "closed";
}

TEST(Path, WhatHappensBesideItIsNotTold) {
    Scene t;
    t.write("file");
    t.watch(t.at("file"));
    t.write("other");
    t.write("file2");
    fs::remove(t.at("other"));
    fs::create_directory(t.at("fil"));
    EXPECT_EQ(t.told(), "");
}

TEST(Path, ADirectoryTellsOfItsEntries) {
    Scene t;
    evl_path *path = t.watch(t.root + "///");
    EXPECT_EQ(evl_path_text(path), t.root);
    t.write("a");
    EXPECT_EQ(t.told(), "changed");
    t.write("a");
    EXPECT_EQ(t.told(), "") << "an entry's content is the entry's own";
    fs::rename(t.at("a"), t.at("b"));
    EXPECT_EQ(t.told(), "changed");
    fs::remove(t.at("b"));
    EXPECT_EQ(t.told(), "changed");
    fs::create_directory(t.at("c"));
    EXPECT_EQ(t.told(), "changed") << "that it has one link more is no attribute of it";
    fs::permissions(t.root, fs::perms::owner_all | fs::perms::group_read);
    EXPECT_EQ(t.told(), "attributes");
}

TEST(Path, CutOff) {
    Scene t;
    t.write("file", "four");
    t.watch(t.at("file"));
    for (uintmax_t size : {2, 0, 7}) {
        fs::resize_file(t.at("file"), size);
        std::string told = t.told();
        EXPECT_EQ(told.substr(0, 7), "changed") << told << " at " << size;
    }
}

TEST(Path, AnotherNameOfIt) {
    Scene t;
    t.write("file");
    t.watch(t.at("file"));
    fs::create_hard_link(t.at("file"), t.at("twin"));
    EXPECT_EQ(t.told(), "attributes");
    t.write("twin");
    EXPECT_EQ(t.told(), "changed");
    fs::remove(t.at("twin"));
    EXPECT_EQ(t.told(), "attributes");
    fs::create_hard_link(t.at("file"), t.at("twin"));
    EXPECT_EQ(t.told(), "attributes");
    fs::remove(t.at("file"));
    EXPECT_EQ(t.told(), "deleted");
    fs::rename(t.at("twin"), t.at("file"));
    EXPECT_EQ(t.told().substr(0, 7), "created");
    t.write("file");
    EXPECT_EQ(t.told(), "changed");
}

TEST(Path, WhatHappenedBeforeIsNotTold) {
    Scene t;
    t.watch(t.at("other"), "other ");
    t.write("file");
    t.watch(t.at("file"), "one ");
    t.write("file");
    t.watch(t.at("file"), "two ");
    EXPECT_EQ(t.told(), "one changed");
}

// What a watcher cannot open, or would wait for.
TEST(Path, ASocketAndAPipe) {
    Scene t;
    t.watch(t.at("socket"), "socket ");
    t.watch(t.at("pipe"), "pipe ");
    for (int times = 0; times < 2; times++) {
        Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un name{};
        name.sun_family = AF_UNIX;
        std::strcpy(name.sun_path, t.at("socket").c_str());
        ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr *>(&name), sizeof name), 0);
        EXPECT_EQ(t.told(), "socket created");
        ASSERT_EQ(::mkfifo(t.at("pipe").c_str(), 0600), 0);
        EXPECT_EQ(t.told(), "pipe created");
        fs::remove(t.at("socket"));
        EXPECT_EQ(t.told(), "socket deleted");
        fs::remove(t.at("pipe"));
        EXPECT_EQ(t.told(), "pipe deleted");
    }
}

TEST(Path, WhatCameAndWentBetweenTwoLooks) {
    Scene t;
    t.watch(t.at("file"));
    t.write("file");
    fs::remove(t.at("file"));
    std::string told = t.told();
    if (t.compares())
        EXPECT_EQ(told, "");
    else
        EXPECT_NE(told.find("deleted"), std::string::npos) << told;
    t.write("file");
    EXPECT_EQ(t.told().substr(0, 7), "created");
    fs::rename(t.at("file"), t.at("away"));
    fs::rename(t.at("away"), t.at("file"));
    told = t.told();
    if (t.compares())
        EXPECT_EQ(told, "");
    else
        EXPECT_NE(told.find("moved"), std::string::npos) << told;
    t.write("file");
    EXPECT_EQ(t.told(), "changed");
}

// More than the kernel tells at once.
TEST(Path, MoreThanABatch) {
    const int many = 150;
    Scene t;
    auto name = [](int i) { return "file" + std::to_string(i); };
    for (int i = 0; i < many; i++) {
        t.write(name(i));
        t.watch(t.at(name(i)));
    }
    auto count = [&](const std::string &word) {
        std::string log = t.told();
        size_t n = 0;
        for (size_t at = 0; (at = log.find(word, at)) != std::string::npos; at++)
            n++;
        return n == many && log.size() == n * word.size() + n - 1;
    };
    for (int i = 0; i < many; i++)
        t.write(name(i));
    EXPECT_TRUE(count("changed")) << t.w.log();
    fs::create_directory(t.at("elsewhere"));
    for (int i = 0; i < many; i++)
        fs::rename(t.at(name(i)), t.at("elsewhere/") + name(i));
    EXPECT_TRUE(count("deleted+moved")) << t.w.log();
}

// One watch of the kernel's serves as a directory and as what is looked from.
TEST(Path, PathsMayShareWhatTheyWatch) {
    Scene t;
    t.write("file");
    evl_path *one = t.watch(t.at("file"), "one ");
    evl_path *two = t.watch(t.at("file"), "two ");
    evl_path *dir = t.watch(t.root, "dir ");
    evl_path *other = t.watch(t.at("other"), "other ");
    t.write("file");
    EXPECT_EQ(t.told(), "one changed two changed");
    int fds = open_fds();
    EXPECT_EQ(evl_close(t.watch(t.at("file"))), 0);
    evl_path *three = t.watch(t.at("file"), "three ");
    EXPECT_EQ(open_fds(), fds);
    EXPECT_EQ(evl_close(three), 0);
    EXPECT_EQ(evl_close(one), 0);
    t.write("file");
    EXPECT_EQ(t.told(), "two changed");
    EXPECT_EQ(evl_close(two), 0);
    fs::create_directory(t.at("other"));
    EXPECT_EQ(t.told(), "dir changed other created");
    fs::permissions(t.root, fs::perms::owner_all | fs::perms::group_read);
    EXPECT_EQ(t.told(), "dir attributes");
    EXPECT_EQ(evl_close(dir), 0);
    t.write("other/x");
    EXPECT_EQ(t.told(), "other changed");
    fs::remove_all(t.at("other"));
    EXPECT_NE(t.told().find("other"), std::string::npos);
    EXPECT_EQ(evl_close(other), 0);
}

TEST(Path, ItsDirectoryGoes) {
    for (bool moved : {false, true}) {
        Scene t;
        fs::create_directory(t.at("dir"));
        t.write("dir/file");
        evl_path *path = t.watch(t.at("dir/file"));
        if (moved)
            fs::rename(t.at("dir"), t.at("elsewhere"));
        else
            fs::remove_all(t.at("dir"));
        EXPECT_EQ(t.told(), "EVL_ENOENT");
        EXPECT_EQ(evl_active(path), 0);
        fs::create_directory(t.at("dir"));
        t.write("dir/file");
        EXPECT_EQ(t.told(), "") << "for good";
        EXPECT_EQ(evl_close(path), 0);
    }
}

std::vector<Call> needed_calls(const Scene &t) {
#    if defined(__linux__)
    if (!t.compares())
        return {Call::inotify_init, Call::inotify_add_watch};
#    endif
#    if EVL_HAVE_KQUEUE
    if (t.compares())
        return {Call::kqueue, Call::kevent, Call::open_cloexec, Call::fstat, Call::set_cloexec};
#    endif
    return {};
}

TEST(Path, Contract_06_WhatCannotBeWatchedIsTheCallsError) {
    Scene t;
    t.write("file");
    EXPECT_EQ(t.refused(t.at("no/file")), EVL_ENOENT);
    EXPECT_EQ(t.refused(t.at("file/file")), EVL_ENOTDIR);
    EXPECT_EQ(t.refused(t.at(std::string(5000, 'x'))), EVL_ENAMETOOLONG);
    EXPECT_EQ(t.refused(""), EVL_EINVAL);
    evl_path *path = nullptr;
    EXPECT_EQ(evl_path_new(t.w.loop, nullptr, World::done(), nullptr, &path), EVL_EINVAL);
    EXPECT_EQ(evl_path_new(t.w.loop, "/tmp", World::done(), nullptr, nullptr), EVL_EINVAL);
    EXPECT_EQ(evl_path_new(nullptr, "/tmp", World::done(), nullptr, &path), EVL_EINVAL);
    evl_timer *timer = t.w.timer([] {});
    EXPECT_EQ(evl_path_text(timer), nullptr);
    EXPECT_EQ(evl_close(timer), 0);
    for (Call call : needed_calls(t)) {
        Sys sys;
        sys.fail(call, EMFILE);
        EXPECT_EQ(t.refused(t.at("file")), EVL_EMFILE) << static_cast<int>(call);
    }
    EXPECT_EQ(t.w.close(), 0) << "nothing is left";
}

TEST(Path, RelativeAndWithoutAName) {
    Scene t;
    in_child([&] {
        ASSERT_EQ(evl_loop_fork(t.w.loop), 0);
        ASSERT_EQ(::chdir(t.root.c_str()), 0);
        evl_path *file = t.watch("file", "file "), *dot = t.watch(".", "dot "), *root = t.watch("/", "root ");
        EXPECT_STREQ(evl_path_text(root), "/");
        t.write("file");
        std::string told = t.told();
        EXPECT_NE(told.find("dot changed"), std::string::npos) << told;
        EXPECT_NE(told.find("file created"), std::string::npos) << told;
        for (evl_path *path : {file, dot, root})
            EXPECT_EQ(evl_close(path), 0);
        EXPECT_EQ(t.w.close(), 0);
    });
}

#    if defined(__linux__)
TEST(Path, AnOverflowIsToldToAll) {
    Scene t;
    if (t.compares()) // it has nothing to flow over
        return;
    t.write("file");
    evl_path *one = t.watch(t.at("file"), "one ");
    t.watch(t.root, "dir ");
    static const evl_sys_table real = evl_sys;
    {
        Sys sys;
        evl_sys.inotify_read = [](int fd, void *buf, size_t len) {
            ssize_t n = real.inotify_read(fd, buf, len);
            if (n < static_cast<ssize_t>(sizeof(inotify_event)))
                return n;
            inotify_event lost{};
            lost.wd = -1;
            lost.mask = IN_Q_OVERFLOW;
            std::memcpy(buf, &lost, sizeof lost);
            return static_cast<ssize_t>(sizeof lost);
        };
        fs::remove(t.at("file"));
        t.write("file");
        EXPECT_EQ(t.told(), "one overflow dir overflow");
    }
    t.write("file");
    EXPECT_EQ(t.told(), "one changed") << "what has come to be there meanwhile is watched";
    EXPECT_EQ(evl_close(one), 0);
}
#    endif

TEST(Path, ClosedInItsOwnCallbackAndWhenItIsDue) {
    Scene t;
    t.write("file");
    evl_path *own = nullptr, *due = nullptr;
    ASSERT_EQ(evl_path_new(t.w.loop, t.at("file").c_str(), World::done(), t.w.arg([&] {
                  t.w.note("own");
                  EXPECT_EQ(evl_close(own), 0);
                  EXPECT_EQ(evl_close(due), 0);
              }),
                           &own),
              0);
    due = t.watch(t.at("file"), "due ");
    t.write("file");
    EXPECT_EQ(t.told(), "own");
    EXPECT_EQ(t.w.close(), 0);
}

TEST(Path, Contract_18_AWatchedPathKeepsTheLoopAlive) {
    Scene t;
    int fds = open_fds();
    evl_path *path = t.watch(t.at("file"));
    EXPECT_EQ(evl_loop_alive(t.w.loop), 1);
    EXPECT_EQ(evl_keep_alive(path, 0), 0);
    EXPECT_EQ(evl_loop_alive(t.w.loop), 0);
    EXPECT_EQ(t.w.run(), EVL_RUN_DONE);
    char dump[2048];
    EXPECT_GT(evl_loop_dump(t.w.loop, dump, sizeof dump), 0);
    EXPECT_NE(std::string(dump).find("path=" + t.at("file")), std::string::npos) << dump;
    EXPECT_EQ(t.w.close(), EVL_EBUSY);
    EXPECT_EQ(evl_close(path), 0);
    EXPECT_LE(open_fds(), fds) << "with the last path goes what the loop heard through";
    path = t.watch(t.at("file"));
    t.write("file");
    EXPECT_EQ(t.told().substr(0, 7), "created") << "and it comes again";
    EXPECT_EQ(t.w.destroy(), 0);
}

TEST(Path, Contract_11_AChildHearsForItself) {
    Scene t;
    t.write("file");
    evl_path *path = t.watch(t.at("file"));
    evl_path *closed = t.watch(t.root, "dir ");
    in_child([&] {
        EXPECT_EQ(t.refused(t.at("x")), EVL_EFORK);
        EXPECT_EQ(evl_close(closed), 0);
        ASSERT_EQ(evl_loop_fork(t.w.loop), 0);
        EXPECT_EQ(t.told(), "overflow");
        t.write("file");
        EXPECT_EQ(t.told(), "changed");
        EXPECT_EQ(evl_close(path), 0);
        EXPECT_EQ(t.w.close(), 0);
    });
    in_child([&] { EXPECT_EQ(t.w.destroy(), 0); });
    EXPECT_EQ(t.told(), "changed") << "the child has read nothing of its parent's";
    t.write("new");
    EXPECT_EQ(t.told(), "dir changed");
}

TEST(Path, Contract_13_OutOfMemoryChangesNothing) {
    int failures = 0;
    for (uint64_t nth = 1;; nth++) {
        ASSERT_LT(nth, 50u);
        Scene t;
        evl_path *path = nullptr;
        t.w.memory.fail(nth);
        int32_t rc = evl_path_new(t.w.loop, t.at("file").c_str(), World::done(),
                                  t.w.arg([&] { t.w.note("told"); }), &path);
        t.w.memory.fail(0);
        if (rc == 0) {
            t.write("file");
            EXPECT_EQ(t.told(), "told");
            break;
        }
        failures++;
        EXPECT_EQ(rc, EVL_ENOMEM);
        EXPECT_EQ(path, nullptr);
        EXPECT_EQ(t.w.close(), 0);
    }
    EXPECT_GT(failures, 2);
}

// What one cannot be waited for any more, all are told; the next one gets another.
TEST(Path, WaitingFails) {
    Scene t;
    int fds = open_fds();
    evl_path *file = t.watch(t.at("file")), *dir = t.watch(t.root, "dir ");
    t.write("file");
    {
        Sys sys;
        Call call = t.w.on("epoll") ? Call::epoll_ctl : t.w.on("select") ? Call::fstat : Call::kevent;
        sys.fail(call, ENOMEM, t.w.on("kqueue") ? 2 : 0, 100);
        EXPECT_EQ(t.told(), "EVL_ENOMEM dir EVL_ENOMEM");
    }
    evl_path *again = t.watch(t.at("file"), "again ");
    t.write("file");
    EXPECT_EQ(t.told(), "again changed");
    for (evl_path *path : {file, dir, again})
        EXPECT_EQ(evl_close(path), 0);
    EXPECT_EQ(open_fds(), fds);
}

// An fd that is closed behind our back is told to all.
TEST(Path, ItsFdIsClosedBehindOurBack) {
    Scene t;
    static int last;
    static evl_sys_table real;
    real = evl_sys;
    {
        Sys sys;
#    if defined(__linux__)
        evl_sys.inotify_init = [] { return last = real.inotify_init(); };
#    endif
#    if EVL_HAVE_KQUEUE
        evl_sys.kqueue = [] { return last = real.kqueue(); };
#    endif
        t.watch(t.at("file"));
    }
    t.watch(t.root, "dir ");
    EXPECT_EQ(evl_fd_closing(t.w.loop, last), 1);
    EXPECT_EQ(t.told(), "EVL_ECLOSED dir EVL_ECLOSED");
    evl_sys.close(last);
    t.watch(t.at("file"), "again ");
    t.write("file");
    EXPECT_EQ(t.told().substr(0, 13), "again created");
}

} // namespace
#endif
