// httpd.hpp - a server in a world, and clients that are socket pairs of this thread.
#pragma once

#include "world.hpp"

#include <evloop/http_server.h>

namespace httpd {

using namespace support;

using Handler = std::function<void(evl_http_exchange *)>;

// evl_http_server_options, for designated initializers.
struct With {
    uint32_t flags = 0;
    uint32_t max_headers = 0;
    uint64_t max_body = 0;
    uint32_t max_requests = 0;
    uint32_t max_connections = 0;
    int64_t header_timeout = 0, body_timeout = 0, idle_timeout = 0, write_timeout = 0;
};

class Server {
  public:
    Server(World &world, Handler handler, const With &with = {});
    Server(const Server &) = delete;
    ~Server() { close(); }
    void close() { evl_http_server_close(std::exchange(server_, nullptr)); }
    operator evl_http_server *() const { return server_; }
    World &w;
    int calls = 0; // of the handler

  private:
    Handler handler_;
    evl_http_server *server_ = nullptr;
};

class Client {
  public:
    explicit Client(Server &server);
    Client(const Client &) = delete;
    ~Client() { close(); }
    void close();
    void send(std::string_view text);
    void end(); // of what it sends
    // Lets the loop go on without waiting, and reads.
    void go_on();
    // What has come by now, and is taken.
    std::string take();
    // Sends, and takes.
    std::string ask(std::string_view text);
    bool ended() const { return ended_; } // by the server

  private:
    World &w_;
    int fd_;
    std::string got_;
    bool ended_ = false;
};

// Without its Date, which must be there.
std::string without_date(std::string text);
// The status of the first response in a text; 0: none.
int status_of(const std::string &text);

// Responds with method, target and body.
void echo(evl_http_exchange *exchange);
std::string ok(std::string_view body, std::string_view headers = "");
std::string body_of(evl_http_exchange *exchange);

} // namespace httpd
