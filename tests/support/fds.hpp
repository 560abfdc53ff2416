// fds.hpp - file descriptors that close themselves, and the pairs that tests watch.
#pragma once

#include <utility>

namespace support {

class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    Fd(Fd &&other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd &operator=(Fd &&other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Fd() { close(); }

    operator int() const { return fd_; }
    void close();
    void release() { fd_ = -1; } // it is somebody else's

    // Writes n bytes, or as many as fit for n < 0; answers how many went.
    long put(long n = 1) const;
    // Reads until there is no more; answers how many bytes came.
    long drain() const;

  private:
    int fd_ = -1;
};

// All non-blocking and close-on-exec.
struct Pipe {
    Pipe();
    Fd r, w;
};
struct Pair { // a Unix stream socket pair
    Pair();
    Fd a, b;
};
struct Tcp { // a connected TCP pair on the loopback
    Tcp();
    Fd a, b;
};

// A regular file, unlinked already.
Fd regular_file();

// How many fds this process has open.
int open_fds();

} // namespace support
