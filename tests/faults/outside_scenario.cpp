// outside_scenario.cpp - scenarios of what happens outside the loop: look-ups on threads, child processes,
// paths.
#include "inject.hpp"
#include "stage.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

namespace faults {
namespace {

using support::Fd;

// An operation that an ear listens to.
struct Wait {
    explicit Wait(Ear *ear) { EXPECT_EQ(evl_op_init(&op, Stage::hear, ear, 0), 0); }
    Wait(const Wait &) = delete;
    ~Wait() { EXPECT_EQ(evl_op_close(&op), 0); }
    evl_op op;
};

// Makes a row of the table answer that the kernel does not have it, as long as it lives.
class Without {
  public:
    explicit Without(bool kqueue) : pidfd_open_(evl_sys.pidfd_open) {
        evl_sys.pidfd_open = [](int) {
            errno = ENOSYS;
            return -1;
        };
#if EVL_HAVE_KQUEUE
        kevent_ = evl_sys.kevent;
        if (!kqueue)
            evl_sys.kevent = [](int kq, const struct kevent *changes, int n, struct kevent *events, int cap,
                                const timespec *t) {
                if (n == 1 && changes[0].filter == EVFILT_PROC) {
                    errno = EINVAL;
                    return -1;
                }
                return kevent_(kq, changes, n, events, cap, t);
            };
#endif
        (void)kqueue;
    }
    Without(const Without &) = delete;
    ~Without() {
        evl_sys.pidfd_open = pidfd_open_;
#if EVL_HAVE_KQUEUE
        evl_sys.kevent = kevent_;
#endif
    }

  private:
    int (*pidfd_open_)(int);
#if EVL_HAVE_KQUEUE
    static inline int (*kevent_)(int, const struct kevent *, int, struct kevent *, int, const timespec *);
#endif
};

// A cat that is fed and read, waited for, and looked at.
void one_child(Stage &s) {
    Ear *handle = s.ear(), *waiter = s.ear();
    handle->may_end = waiter->may_end = true; // ECHILD is an answer
    Wait wait(waiter);
    const evl_stdio stdio[] = {
        {EVL_STDIO_PIPE_TO, 0}, {EVL_STDIO_PIPE_FROM, 0}, {EVL_STDIO_LIKE, 1}, {EVL_STDIO_SOCKET, 0}};
    const char *const env[] = {"PATH=/nowhere:/bin", nullptr};
    evl_process_options options{};
    options.struct_size = sizeof options;
    options.flags = EVL_PROCESS_GROUP | (::geteuid() == 0 ? EVL_PROCESS_UID : 0);
    options.file = "cat";
    options.env = env;
    options.cwd = "/";
    options.stdio = stdio;
    options.stdio_count = 4;
    evl_process *process = nullptr;
    if (s.attempt([&] { return evl_process_spawn(s.loop, &options, Stage::hear, handle, &process); }) < 0)
        return;
    Fd in(evl_process_take_fd(process, 0)), out(evl_process_take_fd(process, 1));
    in.put();
    s.attempt([&] { return evl_process_kill(process, 0); });
    int32_t waits = s.attempt([&] { return evl_process_wait(process, &wait.op); });
    in.close();
    s.wait_until([&] { return handle->times == 1 && (waits < 0 || waiter->times == 1); });
    EXPECT_EQ(handle->times, 1) << "a child's end is lost";
    if (handle->last < 0)
        s.tell(handle->last);
    s.expect(handle->last == 0 && waiter->last == 0 && out.drain() == 1, "it ends well");
    EXPECT_EQ(evl_process_kill(process, 0), EVL_ESRCH);
}

// One that runs when its handle is closed, and when the loop is.
void closed_child(Stage &s) {
    // Of the parent's descriptors one goes where another one was, and one stays in its place.
    const evl_stdio stdio[] = {
        {EVL_STDIO_PIPE_TO, 0}, {EVL_STDIO_FD, 2}, {EVL_STDIO_INHERIT, 0}, {EVL_STDIO_NULL, 0}};
    evl_process_options options{};
    options.struct_size = sizeof options;
    options.flags = EVL_PROCESS_KILL | EVL_PROCESS_SESSION;
    options.file = "/bin/cat";
    options.stdio = stdio;
    options.stdio_count = 4;
    evl_process *process = nullptr;
    s.attempt([&] { return evl_process_spawn(s.loop, &options, Stage::hear, s.ear(), &process); });
    EXPECT_EQ(evl_close(process), 0);
}

// What is left after the loop is taken by the next that has to do with children.
void take_the_rest(Stage &s) {
    s.close_all();
    Paused paused;
    siginfo_t info{};
    while (::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0) {
        evl_loop *loop = nullptr;
        evl_process *process = nullptr;
        evl_process_options options{};
        options.struct_size = sizeof options;
        options.file = "/no/such/file"; // one that has to do with children, though it makes none
        ASSERT_EQ(evl_loop_new(&loop, nullptr), 0);
        EXPECT_LT(evl_process_spawn(loop, &options, Stage::hear, s.ear(), &process), 0);
        EXPECT_EQ(evl_loop_close(loop), 0);
    }
}

} // namespace

void look_ups(Stage &s) {
    if (!s.make())
        return;
    Ear *literal = s.ear(), *name = s.ear(), *names = s.ear();
    Wait first(literal), second(name), third(names);
    evl_addresses *one = nullptr, *two = nullptr;
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    char service[64] = "";
    s.attempt([&] { return evl_getaddrinfo(s.loop, &first.op, "fe80::1%lo", "80", 0, &one); });
    s.attempt([&] { return evl_getaddrinfo(s.loop, &second.op, "localhost", "80", EVL_NAME_IPV4, &two); });
    s.attempt([&] {
        return evl_getnameinfo(s.loop, &third.op, &in, sizeof in, 0, nullptr, 0, service, sizeof service);
    });
    auto over = [](const Wait &wait) { return evl_op_active(&wait.op) == 0; };
    s.wait_until([&] { return over(first) && over(second) && over(third); });
    EXPECT_TRUE(over(first) && over(second) && over(third)) << "a look-up is lost";
    s.expect(evl_addresses_count(one) == 1 && evl_addresses_count(two) == 1 && names->times == 1,
             "all are found");
    EXPECT_EQ(one != nullptr, literal->times == 1 && literal->last == 1);
    EXPECT_EQ(two != nullptr, name->times == 1 && name->last == 1);
    evl_addresses_free(one);
    evl_addresses_free(two);
}

void paths(Stage &s) {
    if (!s.make())
        return;
    char root[] = "/tmp/evloop-faults-XXXXXX";
    ASSERT_NE(::mkdtemp(root), nullptr);
    std::string name = root + std::string("/file");
    Ear *file = s.ear(), *directory = s.ear();
    evl_path *one = nullptr, *two = nullptr;
    s.attempt([&] { return evl_path_new(s.loop, name.c_str(), Stage::hear, file, &one); });
    s.attempt([&] { return evl_path_new(s.loop, root, Stage::hear, directory, &two); });
    int fd = ::open(name.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    s.run_until([&] { return file->times > 0 && directory->times > 0; });
    s.expect((file->last & EVL_PATH_CREATED) != 0 && directory->last == EVL_PATH_CHANGED, "it is created");
    int before = file->times;
    EXPECT_EQ(::write(fd, "x", 1), 1);
    s.run_until([&] { return file->times > before || file->ended; });
    s.expect(file->last == EVL_PATH_CHANGED, "it is changed");
    EXPECT_EQ(evl_close(one), 0);
    EXPECT_EQ(evl_close(two), 0);
    ::close(fd);
    ::unlink(name.c_str());
    ::rmdir(root);
}

void children(Stage &s) {
    std::string before = dispositions();
    if (s.make()) {
        one_child(s);
        closed_child(s);
    }
    take_the_rest(s);
    heal_signals(s, before, SIGCHLD);
}

void children_without_pidfd(Stage &s) {
    Without pidfd(true);
    std::string before = dispositions();
    if (s.make())
        one_child(s);
    s.close_all();
    heal_signals(s, before, SIGCHLD);
}

void children_by_signal(Stage &s) {
    Without both(false);
    std::string before = dispositions();
    if (s.make())
        one_child(s);
    s.close_all();
    heal_signals(s, before, SIGCHLD);
}

} // namespace faults
