// shared_server_test.cpp - several loops that accept from one socket.
#include "world.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace support;

namespace {

struct Shared {
    Shared(int socket, uint32_t flags) {
        evl_server_options options{};
        options.struct_size = sizeof options;
        options.flags = flags;
        evl_fd fd = fcntl(socket, F_DUPFD_CLOEXEC, 3);
        EXPECT_EQ(evl_server_listen_fds(world.loop, &fd, 1, &options, &server), 0);
        EXPECT_EQ(evl_server_on_connection(server, World::done(), world.arg([this] { heard++; })), 0);
        EXPECT_GE(world.nowait(), 0); // it is registered
    }
    // Whether the connection that waits has woken this loop.
    bool is_woken() {
        int before = heard;
        EXPECT_GE(world.nowait(), 0);
        return heard != before;
    }
    World world;
    evl_server *server = nullptr;
    int heard = 0;
};

struct Listening {
    Listening() {
        sockaddr_in any{};
        any.sin_family = AF_INET;
        any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&any), sizeof any), 0);
        EXPECT_EQ(listen(fd, 5), 0);
        length = sizeof address;
        EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr *>(&address), &length), 0);
    }
    ~Listening() { close(fd); }
    int connected() const {
        int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        EXPECT_EQ(connect(client, reinterpret_cast<const sockaddr *>(&address), length), 0);
        return client;
    }
    int fd;
    sockaddr_in address;
    socklen_t length;
};

#if EVL_HAVE_EPOLL
int (*real_control)(int, int, int, epoll_event *);
int exclusive, others;

int note_control(int ep, int op, int fd, epoll_event *event) {
    if (op != EPOLL_CTL_DEL)
        (op == EPOLL_CTL_ADD && (event->events & EPOLLEXCLUSIVE) ? exclusive : others)++;
    return real_control(ep, op, fd, event);
}

// Which of those that sleep is woken is the kernel's, and a test cannot know who sleeps; what it can know is
// what the kernel was asked for.
TEST(SharedServer, TheKernelIsAskedToWakeOneWhereItCan) {
    Listening socket;
    World w;
    evl_server_options options{};
    options.struct_size = sizeof options;
    options.flags = EVL_SERVER_SHARED;
    evl_fd fd = fcntl(socket.fd, F_DUPFD_CLOEXEC, 3);
    evl_server *server = nullptr;
    real_control = evl_sys.epoll_ctl;
    evl_sys.epoll_ctl = note_control;
    exclusive = others = 0;
    EXPECT_EQ(evl_server_listen_fds(w.loop, &fd, 1, &options, &server), 0);
    EXPECT_EQ(evl_server_on_connection(server, World::done(), w.arg([] {})), 0);
    for (int turn = 0; turn < 3; turn++) { // pausing removes and resuming adds: it cannot be changed
        EXPECT_EQ(evl_server_pause(server), 0);
        EXPECT_GE(w.nowait(), 0);
        EXPECT_EQ(evl_server_resume(server), 0);
        EXPECT_GE(w.nowait(), 0);
    }
    EXPECT_EQ(evl_close(server), 0);
    evl_sys.epoll_ctl = real_control;
    EXPECT_EQ(exclusive > 0, w.on("epoll"));
    EXPECT_EQ(others, 0);
}
#endif

TEST(SharedServer, WithoutTheFlagItWakesAll) {
    Listening socket;
    Shared a(socket.fd, 0), b(socket.fd, 0);
    int client = socket.connected();
    EXPECT_EQ(a.is_woken() + b.is_woken(), 2);
    close(client);
}

TEST(SharedServer, PausedItLeavesTheConnectionsToTheOthers) {
    Listening socket;
    Shared a(socket.fd, EVL_SERVER_SHARED), b(socket.fd, EVL_SERVER_SHARED);
    for (int turn = 0; turn < 3; turn++) {
        EXPECT_EQ(evl_server_pause(a.server), 0);
        EXPECT_GE(a.world.nowait(), 0);
        int client = socket.connected();
        EXPECT_FALSE(a.is_woken());
        EXPECT_TRUE(b.is_woken());
        evl_stream *stream = nullptr;
        EXPECT_EQ(evl_server_accept(b.server, &stream), 0);
        EXPECT_EQ(evl_stream_abort(stream), 0);
        EXPECT_EQ(evl_server_resume(a.server), 0);
        EXPECT_GE(a.world.nowait(), 0);
        close(client);
    }
}

} // namespace
