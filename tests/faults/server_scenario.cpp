// server_scenario.cpp - what the walks play with servers and those who connect to them.
#include "inject.hpp"
#include "step.hpp"

#include <arpa/inet.h>
#include <cstdlib>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace faults {
namespace {

using support::Call;
using support::Fd;

evl_server_options with(uint32_t flags, int32_t at_fd_limit, uint32_t max_connections) {
    evl_server_options options{};
    options.struct_size = sizeof options;
    options.flags = flags;
    options.at_fd_limit = at_fd_limit;
    options.max_connections = max_connections;
    return options;
}

std::string walk_path() { return "/tmp/evloop-walk-" + std::to_string(::getpid()); }

sockaddr_in loopback(uint32_t number, uint16_t port) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    out.sin_addr.s_addr = htonl((127U << 24) + number);
    return out;
}

template <class T>
const sockaddr *as_any(const T &address) {
    return reinterpret_cast<const sockaddr *>(&address);
}

// Somebody from outside, connected; -1 when nobody listens.
Fd client(const Address &to) {
    Fd fd(::socket(as_any(to.bytes)->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd, as_any(to.bytes), to.length) != 0)
        return Fd();
    EXPECT_EQ(::fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

// What a client sees: EVL_EAGAIN as long as it is nothing, 0 at the end.
int64_t hear(const Fd &fd, char *byte) {
    ssize_t n = ::recv(fd, byte, 1, 0);
    if (n < 0 && errno == EAGAIN)
        return EVL_EAGAIN;
    return n > 0 ? n : 0;
}

// Who says a letter to a server that says it back; whom the server sheds hears the end.
struct Client {
    explicit Client(const Address &to) : fd(client(to)) {
        if (fd >= 0) {
            EXPECT_EQ(::send(fd, "x", 1, MSG_NOSIGNAL), 1);
        }
    }
    bool is_served() {
        char byte = 0;
        int64_t n = served || shed ? int64_t{EVL_EAGAIN} : hear(fd, &byte);
        served |= n == 1 && byte == 'x';
        shed |= n == 0;
        return served || shed;
    }
    Fd fd;
    bool served = false, shed = false;
};

// --- by operations ----------------------------------------------------------------------------------------

// One at a time: the second is taken when the first has gone.
void one_by_one(Stage &s, evl_server *server) {
    Address address = local_of(s, server, evl_server_sockets(server) - 1);
    if (address.length == 0)
        return;
    evl_stream *first = nullptr, *second = nullptr;
    Step accept(s), next(s), idle(s);
    Fd one = client(address), two = client(address);
    if (accept.run([&](evl_op *op) { return evl_server_accept_op(server, op, &first); }) && first &&
        next.start([&](evl_op *op) { return evl_server_accept_op(server, op, &second); })) {
        s.nowait();
        EXPECT_EQ(next.times, 0) << "there is room for one only";
        EXPECT_EQ(evl_close(first), 0);
        one.close();
        (void)next.wait();
    }
    EXPECT_EQ(second != nullptr, next.times > 0 && next.result == 0);
    two.close();
    EXPECT_EQ(evl_server_abort_clients(server), second ? 1 : 0);
    s.attempt([&] { return evl_server_stop(server); });
    if (idle.start([&](evl_op *op) { return evl_server_on_idle(server, op); }))
        (void)idle.wait();
    EXPECT_EQ(evl_server_sockets(server), 0);
}

void by_port(Stage &s) {
    evl_server *server = nullptr;
    evl_server_options options = with(EVL_SERVER_REUSE_PORT, EVL_ACCEPT_PAUSE, 1);
    s.attempt([&] { return evl_server_listen(s.loop, "localhost", "0", &options, &server); });
    if (server)
        one_by_one(s, server);
    EXPECT_EQ(evl_close(server), 0);
}

// A path that a server which is no more has left behind.
void leave_path(const std::string &path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    Fd left(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(left, as_any(address), sizeof address), 0);
}

// A path of its own, once as a whole and once from the current directory, which the server has to ask for.
void by_path(Stage &s, const std::string &path) {
    evl_server *server = nullptr;
    leave_path(path);
    s.attempt([&] { return evl_server_listen_unix(s.loop, path.c_str(), nullptr, &server); });
    if (server) {
        Ends ends = meet(s, server, [&](evl_op *op, evl_stream **out) {
            return evl_connect_unix(s.loop, op, path.c_str(), out);
        });
        end(ends);
    }
    EXPECT_EQ(evl_close(server), 0);
    bool unable = s.failing == Call::lstat || s.failing == Call::unlink || s.failing == Call::getsockname;
    s.expect(::unlink(path.c_str()) != 0 || unable, "the path is gone");
}

void by_relative_path(Stage &s) {
    EXPECT_EQ(::chdir("/tmp"), 0); // every step is a process of its own
    by_path(s, walk_path().substr(std::string("/tmp/").size()));
}

// --- by callbacks and by records --------------------------------------------------------------------------

// Takes who comes and says back what they say. Without functions it is told by records.
class Echo {
  public:
    Echo(Stage &stage, evl_server *server, bool records) : s_(stage), server_(server), records_(records) {
        s_.attempt([&] { return evl_server_on_connection(server_, records_ ? nullptr : come, this); });
    }
    Echo(const Echo &) = delete;
    ~Echo() {
        for (Guest &guest : guests_)
            end(guest.stream);
    }
    void run(Client &one, Client &two) {
        auto served = [&] {
            bool first = one.is_served(), second = two.is_served();
            return first && second;
        };
        if (records_)
            run_records(served);
        else
            s_.run_until(served);
        s_.expect(served(), "who comes is served");
        for (Client *client : {&one, &two})
            s_.expect(client->served || shed_, "nobody is sent away");
    }
    void may_shed() { shed_ = true; }

  private:
    struct Guest {
        Echo *echo;
        evl_stream *stream;
    };

    static void come(void *arg, int64_t n) { static_cast<Echo *>(arg)->take(n); }
    static void say(void *arg, int64_t n) {
        auto *guest = static_cast<Guest *>(arg);
        guest->echo->answer(guest->stream, n);
    }

    void take(int64_t n) {
        int64_t rc = n;
        while (rc >= 0 && n > 0) {
            evl_stream *stream = nullptr;
            rc = evl_server_accept(server_, &stream);
            EXPECT_EQ(rc == 0, stream != nullptr);
            if (rc != 0)
                break;
            guests_.push_back({this, stream});
            Guest &guest = guests_.back();
            s_.attempt([&] { return evl_stream_on_data(stream, records_ ? nullptr : say, &guest); });
        }
        if (rc < 0 && rc != EVL_EAGAIN)
            s_.tell(rc);
    }

    void answer(evl_stream *stream, int64_t n) {
        const void *data = nullptr;
        if (n > 0 && evl_stream_peek(stream, &data) >= n)
            n = evl_stream_write(stream, data, static_cast<size_t>(n));
        if (n > 0 && records_) {
            EXPECT_EQ(evl_stream_consume(stream, static_cast<size_t>(n)), 0);
        }
        if (n < 0)
            s_.tell(n);
    }

    void run_records(const std::function<bool()> &done) {
        for (int i = 0; i < 200 && !done(); i++) {
            evl_record rows[4];
            bool in_trouble = s_.troubled();
            if (in_trouble && i >= 50)
                return;
            int32_t n = evl_loop_records(s_.loop, rows, 4, in_trouble ? 0 : 1'000'000);
            s_.tell_run(n);
            for (int32_t k = 0; k < n; k++) {
                if (rows[k].kind == EVL_KIND_SERVER)
                    take(rows[k].result);
                else if (rows[k].kind == EVL_KIND_STREAM)
                    say(reinterpret_cast<void *>(static_cast<uintptr_t>(rows[k].user_data)), rows[k].result);
            }
        }
    }

    Stage &s_;
    evl_server *server_;
    bool records_, shed_ = false;
    std::deque<Guest> guests_;
};

void serve_two(Stage &s, evl_server *server, const evl_server_options &options, bool records) {
    Address address = local_of(s, server);
    if (address.length == 0)
        return;
    Echo echo(s, server, records);
    Client one(address), two(address);
    s.expect(one.fd >= 0 && two.fd >= 0, "somebody listens");
    if (options.at_fd_limit == EVL_ACCEPT_SHED)
        echo.may_shed();
    if (one.fd >= 0 && two.fd >= 0)
        echo.run(one, two);
}

void serve(Stage &s, const evl_server_options &options, bool records) {
    evl_server *server = nullptr;
    if (!s.make())
        return;
    s.attempt([&] { return evl_server_listen(s.loop, "127.0.0.1", "0", &options, &server); });
    if (server)
        serve_two(s, server, options, records);
    EXPECT_EQ(evl_close(server), 0);
}

} // namespace

void servers(Stage &s) {
    if (!s.make())
        return;
    by_port(s);
    by_path(s, walk_path());
    by_relative_path(s);
}

void servers_by_callback(Stage &s) { serve(s, with(EVL_SERVER_SHARED, EVL_ACCEPT_SHED, 0), false); }

void servers_by_record(Stage &s) { serve(s, with(0, EVL_ACCEPT_REPORT, 0), true); }

// --- sockets of others ------------------------------------------------------------------------------------

// One of each kind, blocking, as a service manager passes them. What the server does not take stays the
// caller's, as it was.
void passed_sockets(Stage &s) {
    std::string path = walk_path();
    leave_path(path);
    ::unlink(path.c_str());
    Fd tcp(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), local(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_in any = loopback(1, 0);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof at.sun_path - 1);
    EXPECT_EQ(::bind(tcp, as_any(any), sizeof any), 0);
    EXPECT_EQ(::bind(local, as_any(at), sizeof at), 0);
    EXPECT_EQ(::listen(tcp, 8), 0);
    EXPECT_EQ(::listen(local, 8), 0);
    evl_fd fds[] = {tcp, local};
    evl_server *server = nullptr;
    evl_server_options options = with(0, EVL_ACCEPT_PAUSE, 0);
    if (s.make())
        s.attempt([&] { return evl_server_listen_fds(s.loop, fds, 2, &options, &server); });
    if (server) {
        for (Fd *fd : {&tcp, &local}) {
            give(*fd);
            fd->release();
        }
        serve_two(s, server, options, false);
        EXPECT_EQ(evl_close(server), 0);
    } else if (s.failing != Call::get_fd_flags && s.failing != Call::set_fd_flags) {
        EXPECT_FALSE(::fcntl(tcp, F_GETFL) & O_NONBLOCK) << "it is left as it was";
    }
    EXPECT_EQ(::unlink(path.c_str()), 0) << "it is not the server's to remove";
}

// --- connecting -------------------------------------------------------------------------------------------

// A host with several addresses, as long as it lives.
class Host {
  public:
    explicit Host(const std::vector<const char *> &addresses) {
        addresses_ = addresses;
        before_ = evl_sys.getaddrinfo;
        evl_sys.getaddrinfo = look_up;
    }
    Host(const Host &) = delete;
    ~Host() { evl_sys.getaddrinfo = before_; }

  private:
    static int look_up(const char *, const char *service, const addrinfo *hints, addrinfo **out) {
        addrinfo **at = out;
        int rc = before_(addresses_[0], service, hints, at); // this one may fail
        for (size_t i = 1; rc == 0 && i < addresses_.size(); i++) {
            at = &(*at)->ai_next;
            rc = ::getaddrinfo(addresses_[i], service, hints, at);
        }
        return rc;
    }
    static inline std::vector<const char *> addresses_;
    static inline decltype(evl_sys.getaddrinfo) before_;
};

// Listens on a port of 127.0.0.3, and does not answer any more.
struct Mute {
    explicit Mute(uint16_t port) {
        sockaddr_in address = loopback(3, port);
        EXPECT_EQ(::bind(listener, as_any(address), sizeof address), 0);
        EXPECT_EQ(::listen(listener, 0), 0);
        EXPECT_EQ(::connect(last, as_any(address), sizeof address), 0);
    }
    Fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    Fd last{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

void race(Stage &s, evl_server *server, uint16_t port) {
    Mute mute(port);
    Host host({"127.0.0.3", "127.0.0.2", "127.0.0.1"});
    std::string service = std::to_string(port);
    sockaddr_in from = loopback(1, 0);
    int32_t errors[3] = {};
    evl_connect_options options{};
    options.struct_size = sizeof options;
    options.stagger_ns = 1'000'000;
    options.local = &from;
    options.local_length = sizeof from;
    options.errors_cap = 3;
    options.errors = errors;
    Ends ends;
    Step accepted(s), made(s);
    if (accepted.start([&](evl_op *op) { return evl_server_accept_op(server, op, &ends.far); }) &&
        made.start([&](evl_op *op) {
            return evl_connect(s.loop, op, "host", service.c_str(), &options, &ends.near);
        }))
        s.wait_until([&] { return made.times > 0 || (errors[1] < 0 && errors[2] < 0); });
    for (int32_t error : errors)
        if (error < 0 && !ends.near)
            s.tell(error);
    EXPECT_TRUE(made.times > 0 || !evl_op_active(&made.op) || errors[2] < 0) << "an answer is lost";
    s.expect(ends.near, "the one who answers is found");
    if (ends.near && accepted.wait() && ends.far)
        (void)talk(s, ends.near, ends.far, "you of all");
    end(ends);
}

// By name to three addresses: one does not answer, one refuses, and one takes it.
void connects(Stage &s) {
    evl_server *server = nullptr;
    if (!s.make())
        return;
    s.attempt([&] { return evl_server_listen(s.loop, "127.0.0.1", "0", nullptr, &server); });
    Address address = server ? local_of(s, server) : Address();
    if (address.length > 0)
        race(s, server, static_cast<uint16_t>(evl_address_port(address.bytes, address.length)));
    EXPECT_EQ(evl_close(server), 0);
}

} // namespace faults
