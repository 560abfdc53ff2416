#include "fds.hpp"

#include <cerrno>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace support {

void Fd::close() {
    if (fd_ >= 0)
        ::close(std::exchange(fd_, -1));
}

long Fd::put(long n) const {
    static const char bytes[65536] = {};
    long done = 0;
    while (n < 0 || done < n) {
        size_t want = n < 0 ? sizeof bytes : std::min(sizeof bytes, static_cast<size_t>(n - done));
        ssize_t rc = ::send(fd_, bytes, want, MSG_NOSIGNAL);
        if (rc < 0 && errno == ENOTSOCK)
            rc = ::write(fd_, bytes, want);
        if (rc <= 0)
            break;
        done += rc;
    }
    return done;
}

long Fd::drain() const {
    char bytes[65536];
    long done = 0;
    for (ssize_t rc; (rc = ::read(fd_, bytes, sizeof bytes)) > 0;)
        done += rc;
    return done;
}

Pipe::Pipe() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    r = Fd(fds[0]);
    w = Fd(fds[1]);
}

Pair::Pair() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    a = Fd(fds[0]);
    b = Fd(fds[1]);
}

Tcp::Tcp() {
    Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in addr{};
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t len = sizeof addr;
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr *>(&addr), len), 0);
    EXPECT_EQ(::listen(listener, 1), 0);
    EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr *>(&addr), &len), 0);
    a = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(a, reinterpret_cast<sockaddr *>(&addr), len), 0);
    b = Fd(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_GE(static_cast<int>(b), 0);
    for (int fd : {static_cast<int>(a), static_cast<int>(b)})
        EXPECT_EQ(::fcntl(fd, F_SETFL, O_NONBLOCK), 0);
}

Fd regular_file() {
    char path[] = "/tmp/evloop-test-XXXXXX";
    Fd fd(::mkostemp(path, O_CLOEXEC));
    EXPECT_GE(static_cast<int>(fd), 0);
    ::unlink(path);
    return fd;
}

int open_fds() {
    int n = 0;
    if (DIR *dir = ::opendir("/proc/self/fd")) {
        while (dirent *entry = ::readdir(dir))
            n += entry->d_name[0] != '.';
        ::closedir(dir);
        n--; // the directory itself
    }
    return n;
}

} // namespace support
