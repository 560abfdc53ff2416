// http.hpp - servers in the test process, a thread each with sockets that block, and requests to them.
#pragma once

#include "world.hpp"

#include <evloop/http.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace http {

using namespace support;

// A connection as a server has it.
class Peer {
  public:
    explicit Peer(int fd) : fd_(fd) {}
    // One request's head, with the empty line; nothing when the client has gone.
    std::string head();
    std::string take(size_t n); // of what comes next
    bool send(std::string_view text);
    void wait_for_end(); // until the client closes
    void reset();        // the connection, when it is closed

  private:
    bool more();
    int fd_;
    std::string seen_;
};

// Listens on a port of its own and serves each connection on a thread of its own, with serve(peer).
class Server {
  public:
    using Serve = std::function<void(Peer &)>;
    explicit Server(Serve serve);
    Server(const Server &) = delete;
    ~Server(); // waits for its threads; the clients are gone by then
    std::string url(const std::string &path = "/") const {
        return "http://127.0.0.1:" + std::to_string(port_) + path;
    }
    uint16_t port() const { return port_; }
    int connections() const { return connections_; }

  private:
    void run();
    Serve serve_;
    int listening_ = -1;
    uint16_t port_ = 0;
    std::atomic<int> connections_ = 0;
    std::thread thread_;
    std::vector<std::thread> serving_;
};

// Listens, takes no connection, and has no room for one more: who connects waits.
class Full {
  public:
    Full();
    Full(const Full &) = delete;
    ~Full();
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }

  private:
    int fds_[4];
    uint16_t port_;
};

std::string response(std::string_view body, std::string_view headers = "",
                     std::string_view status = "200 OK");
// Answers every request with what `reply` makes of its head.
Server::Serve each(std::function<std::string(const std::string &head)> reply);

// What two threads tell each other.
class Gate {
  public:
    void open();
    void wait();

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

// A session of a world.
class Session {
  public:
    explicit Session(World &world, evl_http_session_options options = {});
    Session(const Session &) = delete;
    ~Session() { close(); }
    void close() { evl_http_session_close(std::exchange(session_, nullptr)); }
    operator evl_http_session *() const { return session_; }

  private:
    evl_http_session *session_ = nullptr;
};

struct What {
    std::string url{};
    const char *method = nullptr;
    std::vector<const char *> headers{};
    std::string body{};
    uint32_t flags = 0;
    uint64_t max_body = 0;
    int32_t max_redirects = 0;
    int64_t connect = 0, stall = 0, total = 0;
};

// A request, with how its fetch ended.
class Fetch {
  public:
    Fetch(World &world, evl_http_session *session, const What &what);
    Fetch(World &world, evl_http_session *session, const std::string &url, uint32_t flags = 0)
        : Fetch(world, session, What{.url = url, .flags = flags}) {}
    Fetch(const Fetch &) = delete;
    ~Fetch() { free(); }
    void free() { evl_http_request_free(std::exchange(request, nullptr)); }
    int32_t start();
    int64_t run() { return start(), wait(); } // the result
    int64_t wait();
    bool done() const { return result != running; }
    std::string body() const;
    std::string header(const char *name) const;
    evl_http_info info() const;

    static constexpr int64_t running = INT64_MIN;
    World &w;
    evl_http_request *request = nullptr;
    evl_op *op = nullptr;
    int64_t result = running;
};

// Runs until it holds.
void until(World &world, const std::function<bool()> &holds);

} // namespace http
