// peers.hpp - many connections from a process of their own that send what can be checked byte by byte.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace load {

// What a process of peers has seen, told to the other side through a pipe.
struct Report {
    uint64_t bytes = 0; // sent, come back and found right
    uint64_t resets = 0, halves = 0, connections = 0;
    uint64_t wrong = 0; // bytes that are not what was sent, connections that ended too early or too late
};

class Peers {
  public:
    Peers(uint16_t port, int count, uint64_t seed);
    ~Peers();

    void connect_all(); // and hears one byte from everybody
    void play(double seconds);
    void settle(); // everything that was sent comes back
    void end();    // everybody ends its half, and hears the end of the other

    const Report &report() const { return report_; }

  private:
    struct Peer;
    void open(Peer &peer);
    void shut(Peer &peer);
    void watch(Peer &peer, uint32_t events, int what);
    void send_some(Peer &peer, size_t n);
    void receive_some(Peer &peer, size_t n);
    void finished(Peer &peer);
    void act(Peer &peer);
    void reset(Peer &peer);
    void half_close(Peer &peer);
    void events(int timeout_ms, bool answering);
    void wrong(const Peer &peer, const char *what);
    bool all(bool (*is)(const Peer &peer)) const;
    void go_on_until_all(bool (*is)(const Peer &peer));

    uint16_t port_;
    int epoll_;
    uint64_t next_id_ = 0;
    bool ending_ = false;
    int churn_left_;
    std::mt19937_64 random_;
    std::vector<Peer> peers_;
    Report report_;
};

} // namespace load
