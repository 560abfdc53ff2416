#include "peers.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace load {
namespace {

// The byte at position p of connection c is kTape[(c * kStride + p) % kTapeLength]; no two connections are in
// step.
constexpr size_t kTapeLength = 65521, kStride = 7919, kMost = 16384;

const std::vector<char> &tape() {
    static const std::vector<char> bytes = [] {
        std::mt19937 random(1);
        std::vector<char> all(kTapeLength + kMost);
        for (size_t i = 0; i < kTapeLength; i++)
            all[i] = static_cast<char>(random());
        std::copy_n(all.begin(), kMost, all.begin() + kTapeLength); // so that a piece never wraps
        return all;
    }();
    return bytes;
}

const char *at(uint64_t id, uint64_t position) {
    return tape().data() + (id * kStride + position) % kTapeLength;
}

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace

struct Peers::Peer {
    int fd = -1;
    uint64_t id = 0, sent = 0, received = 0;
    bool slow = false;  // reads when the dice say so, and little
    bool ended = false; // its half
};

Peers::Peers(uint16_t port, int count, uint64_t seed)
    : port_(port), epoll_(::epoll_create1(EPOLL_CLOEXEC)), churn_left_(count / 2), random_(seed),
      peers_(static_cast<size_t>(count)) {}

Peers::~Peers() {
    for (Peer &peer : peers_)
        if (peer.fd >= 0)
            ::close(peer.fd);
    ::close(epoll_);
}

void Peers::wrong(const Peer &peer, const char *what) {
    if (report_.wrong++ < 10)
        std::fprintf(stderr, "connection %llu, %llu bytes sent, %llu received: %s\n",
                     static_cast<unsigned long long>(peer.id), static_cast<unsigned long long>(peer.sent),
                     static_cast<unsigned long long>(peer.received), what);
}

void Peers::watch(Peer &peer, uint32_t events, int what) {
    epoll_event event{};
    event.events = events;
    event.data.ptr = &peer;
    if (::epoll_ctl(epoll_, what, peer.fd, &event) != 0)
        wrong(peer, "epoll_ctl");
}

void Peers::open(Peer &peer) {
    peer = Peer{};
    peer.id = next_id_++;
    peer.slow = peer.id % 20 == 7;
    const int small = 4096;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    peer.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer.slow)
        (void)::setsockopt(peer.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    if (peer.fd < 0 || ::connect(peer.fd, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) {
        wrong(peer, std::strerror(errno));
        return;
    }
    (void)::setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    report_.connections++;
    watch(peer, peer.slow ? 0U : static_cast<uint32_t>(EPOLLIN), EPOLL_CTL_ADD);
}

void Peers::shut(Peer &peer) {
    ::close(peer.fd);
    peer.fd = -1;
    if (!ending_)
        open(peer);
}

// What the kernel does not take is not sent, and nobody misses it.
void Peers::send_some(Peer &peer, size_t n) {
    ssize_t sent = ::send(peer.fd, at(peer.id, peer.sent), std::min(n, kMost), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        peer.sent += static_cast<uint64_t>(sent);
    else if (errno != EAGAIN)
        wrong(peer, std::strerror(errno));
}

void Peers::receive_some(Peer &peer, size_t n) {
    char buf[kMost];
    ssize_t got = ::recv(peer.fd, buf, std::min(n, kMost), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        if (got < 0 || !peer.ended || peer.received != peer.sent)
            wrong(peer, got < 0 ? std::strerror(errno) : "ended too early");
        shut(peer);
        return;
    }
    if (std::memcmp(buf, at(peer.id, peer.received), static_cast<size_t>(got)) != 0)
        wrong(peer, "not what was sent");
    peer.received += static_cast<uint64_t>(got);
    report_.bytes += static_cast<uint64_t>(got);
    if (peer.received > peer.sent)
        wrong(peer, "more than was sent");
}

void Peers::reset(Peer &peer) {
    linger now{1, 0};
    (void)::setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    report_.resets++;
    churn_left_--;
    shut(peer);
}

void Peers::half_close(Peer &peer) {
    (void)::shutdown(peer.fd, SHUT_WR);
    peer.ended = true;
    report_.halves++;
    churn_left_--;
}

// One throw of the dice for one connection.
void Peers::act(Peer &peer) {
    uint64_t dice = random_() % 1000;
    if (peer.fd < 0)
        return;
    if (dice < 3 && churn_left_ > 0)
        reset(peer);
    else if (dice < 6 && churn_left_ > 0 && !peer.ended)
        half_close(peer);
    else if (peer.slow) {
        if (!peer.ended && dice % 2 == 0)
            send_some(peer, kMost);
        receive_some(peer, 2000);
    } else if (!peer.ended && (peer.received == peer.sent || dice < 100))
        send_some(peer, dice < 20 ? kMost : 1 + random_() % 256);
}

void Peers::events(int timeout_ms, bool answering) {
    epoll_event ready[512];
    int n = ::epoll_wait(epoll_, ready, 512, timeout_ms);
    for (int i = 0; i < n; i++) {
        Peer &peer = *static_cast<Peer *>(ready[i].data.ptr);
        receive_some(peer, kMost);
        if (answering && peer.fd >= 0 && !peer.ended && peer.received == peer.sent && random_() % 2 == 0)
            send_some(peer, 1 + random_() % 256);
    }
}

bool Peers::all(bool (*is)(const Peer &peer)) const { return std::all_of(peers_.begin(), peers_.end(), is); }

void Peers::go_on_until_all(bool (*is)(const Peer &peer)) {
    double end = now() + 20;
    while (!all(is) && now() < end)
        events(100, false);
    for (const Peer &peer : peers_)
        if (!is(peer))
            wrong(peer, "something is missing");
}

void Peers::connect_all() {
    for (Peer &peer : peers_) {
        open(peer);
        send_some(peer, 1);
    }
    settle();
}

void Peers::play(double seconds) {
    for (double end = now() + seconds; now() < end;) {
        events(0, true);
        for (int i = 0; i < 128; i++)
            act(peers_[random_() % peers_.size()]);
    }
}

void Peers::settle() {
    for (Peer &peer : peers_) {
        if (peer.fd >= 0)
            watch(peer, EPOLLIN, EPOLL_CTL_MOD);
        peer.slow = false;
    }
    go_on_until_all([](const Peer &peer) { return !peer.ended && peer.received == peer.sent; });
}

void Peers::end() {
    ending_ = true;
    for (Peer &peer : peers_) {
        (void)::shutdown(peer.fd, SHUT_WR);
        peer.ended = true;
    }
    go_on_until_all([](const Peer &peer) { return peer.fd < 0; });
}

} // namespace load
