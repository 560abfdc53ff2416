// passed_test.cpp - sockets that a service manager has opened.
#include "world.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace support;

namespace {

int listening(uint16_t *port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    socklen_t length = sizeof address;
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr *>(&address), length), 0);
    EXPECT_EQ(listen(fd, 5), 0);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr *>(&address), &length), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

// What a service manager does to the process that it starts. In a child, for the fds have fixed numbers.
void pass(int count, pid_t to) {
    setenv("LISTEN_PID", std::to_string(to).c_str(), 1);
    setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
}

TEST(PassedFds, AreServedAndNotInherited) {
    in_child([] {
        uint16_t ports[2];
        for (int i = 0; i < 2; i++) {
            int fd = listening(&ports[i]);
            ASSERT_EQ(dup2(fd, 60 + i), 60 + i);
            close(fd);
        }
        for (int i = 0; i < 2; i++)
            ASSERT_EQ(dup2(60 + i, 3 + i), 3 + i); // whatever had the number is the parent's
        pass(2, getpid());
        evl_fd fds[2] = {-1, -1};
        EXPECT_EQ(evl_passed_fds(nullptr, 0), 2);
        ASSERT_EQ(evl_passed_fds(fds, 2), 2);
        EXPECT_EQ(fds[0], 3);
        EXPECT_EQ(fds[1], 4);
        for (evl_fd fd : fds)
            EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        evl_loop *loop;
        evl_server *server;
        ASSERT_EQ(evl_loop_new(&loop, nullptr), 0);
        ASSERT_EQ(evl_server_listen_fds(loop, fds, 2, nullptr, &server), 0);
        EXPECT_EQ(evl_server_sockets(server), 2);
        evl_op op;
        evl_stream *client = nullptr, *accepted = nullptr;
        evl_op_init(&op, [](void *, int64_t) {}, nullptr, 0);
        ASSERT_EQ(evl_connect(loop, &op, "127.0.0.1", std::to_string(ports[1]).c_str(), nullptr, &client), 0);
        evl_op accept;
        evl_op_init(&accept, [](void *, int64_t) {}, nullptr, 0);
        ASSERT_EQ(evl_server_accept_op(server, &accept, &accepted), 0);
        EXPECT_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
        EXPECT_NE(client, nullptr);
        EXPECT_NE(accepted, nullptr);
        evl_loop_destroy(loop);
    });
}

TEST(PassedFds, ThoseOfAnotherProcessAreNotOurs) {
    in_child([] {
        evl_fd fd = -1;
        EXPECT_EQ(evl_passed_fds(&fd, 1), 0);
        pass(1, getppid());
        EXPECT_EQ(evl_passed_fds(&fd, 1), 0);
        EXPECT_EQ(fd, -1);
        for (const char *nonsense : {"", "-1", "x", "1x", "999999999999999999999"}) {
            setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
            setenv("LISTEN_FDS", nonsense, 1);
            EXPECT_EQ(evl_passed_fds(&fd, 1), 0) << nonsense;
        }
        for (int number = 3; number < 20; number++)
            close(number);
        pass(1, getpid());
        EXPECT_EQ(evl_passed_fds(&fd, 1), EVL_EBADF);
        EXPECT_EQ(evl_passed_fds(nullptr, 1), EVL_EINVAL);
        EXPECT_EQ(evl_passed_fds(&fd, -1), EVL_EINVAL);
    });
}

} // namespace
