// op_places_net.hpp - the operations of streams, servers, datagrams, connects, look-ups and child processes,
// each as something that a matrix of tests can start, fire and free.
#pragma once

#include "op_peek.h"
#include "op_places.hpp"
#include "servers.hpp"

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <netdb.h>
#include <sys/wait.h>

namespace places {

// --- streams: each has a Unix socket pair, whose buffers are exact -----------------------------------------

struct Stream : Place {
    using Place::Place;
    ~Stream() override { end(); }
    void end() {
        if (w.loop)
            evl_stream_abort(s);
        s = nullptr;
        peer.close();
    }
    // A new one when there is none, or the other end of this one has ended.
    void arm() override {
        if (s && peer >= 0)
            return;
        end();
        Pair pair;
        peer = std::move(pair.b);
        s = streams::open(w, pair.a);
    }
    bool free_object() override {
        EXPECT_EQ(evl_close(std::exchange(s, nullptr)), 0);
        return true;
    }
    evl_stream *s = nullptr;
    Fd peer;
};

// Reads: what was taken is not given back, so one that is closed while it is ready has taken nothing.
struct Reading : Stream {
    using Stream::Stream;
    void arm() override {
        Stream::arm();
        while (evl_stream_try_read(s, buf, sizeof buf) > 0) {
        }
    }
    void fire() override { streams::put(peer, "line\n"); }
    int64_t value() override { return 5; }
    bool takes_back() override { return true; }
    bool retracts() override { return true; }
    bool single() override { return true; }
    bool available() override {
        char all[16];
        int64_t sum = 0;
        for (int64_t n; (n = evl_stream_try_read(s, all, sizeof all)) > 0;)
            sum += n;
        return sum == value();
    }
    char buf[64];
};

struct ReadSome : Reading {
    using Reading::Reading;
    int32_t start(evl_op *op) override { return evl_stream_read(s, op, buf, sizeof buf); }
};

// These wait with a part of it in the stream's buffer.
struct ReadPart : Reading {
    using Reading::Reading;
    void arm() override {
        Reading::arm();
        streams::put(peer, "li");
        w_passes();
    }
    void fire() override { streams::put(peer, "ne\n"); }
    void w_passes() {
        const void *data = nullptr;
        for (int i = 0; i < 100 && evl_stream_peek(s, &data) == 0; i++)
            (void)evl_stream_unread(
                s, buf, static_cast<size_t>(std::max<int64_t>(0, evl_stream_try_read(s, buf, sizeof buf))));
    }
};

struct ReadExactly : ReadPart {
    using ReadPart::ReadPart;
    int32_t start(evl_op *op) override { return evl_stream_read_exactly(s, op, buf, 5); }
};

struct ReadUntil : ReadPart {
    using ReadPart::ReadPart;
    int32_t start(evl_op *op) override {
        return evl_stream_read_until(s, op, buf, sizeof buf, separators, 2);
    }
    evl_buf separators[2] = {{"--", 2}, {"\n", 1}};
};

struct ReadLine : ReadPart {
    using ReadPart::ReadPart;
    int32_t start(evl_op *op) override { return evl_stream_read_line(s, op, buf, sizeof buf); }
};

struct ReadAll : ReadPart {
    using ReadPart::ReadPart;
    int32_t start(evl_op *op) override { return evl_stream_read_all(s, op, buf, sizeof buf); }
    void fire() override {
        ReadPart::fire();
        peer.close();
    }
};

// The kernel takes nothing more, and a little is queued above the high mark.
struct Full : Stream {
    using Stream::Stream;
    void arm() override {
        Stream::arm();
        EXPECT_EQ(evl_stream_set_marks(s, 1, 0, 0), 0);
        static const char some[4096] = {};
        for (int i = 0; i < 10000 && evl_stream_queued(s) == 0; i++)
            EXPECT_EQ(evl_stream_write(s, some, sizeof some), 4096);
        EXPECT_GT(evl_stream_queued(s), 0);
    }
    void fire() override { (void)streams::got(peer); }
    // Nothing is queued.
    int32_t on_empty(const std::function<int32_t()> &start) {
        end();
        Stream::arm();
        return start();
    }
    bool keeps_alive() override { return true; }
};

struct Drain : Full {
    using Full::Full;
    int32_t start(evl_op *op) override { return evl_stream_drain(s, op); }
    int32_t start_done(evl_op *op) override {
        return on_empty([&] { return start(op); });
    }
};

struct Flush : Full {
    using Full::Full;
    int32_t start(evl_op *op) override { return evl_stream_flush(s, op); }
    int32_t start_done(evl_op *op) override {
        return on_empty([&] { return start(op); });
    }
};

struct Sendfile : Full {
    using Full::Full;
    int32_t start(evl_op *op) override { return evl_stream_sendfile(s, op, file, 0, 0); }
    int32_t start_done(evl_op *op) override {
        return on_empty([&] { return start(op); });
    }
    int64_t value() override { return 10; }
    struct File : Fd {
        File() : Fd(support::regular_file()) {
            EXPECT_EQ(::ftruncate(*this, 0), 0);
            EXPECT_EQ(::pwrite(*this, "0123456789", 10, 0), 10);
        }
    } file;
};

struct Splice : Stream {
    using Stream::Stream;
    ~Splice() override {
        if (w.loop)
            evl_stream_abort(to);
    }
    void arm() override {
        Stream::arm();
        if (to)
            return;
        Pair pair;
        far = std::move(pair.b);
        to = streams::open(w, pair.a);
    }
    int32_t start(evl_op *op) override { return evl_stream_splice(s, op, to); }
    void fire() override {
        streams::put(peer, "moved");
        peer.close();
    }
    int64_t value() override { return 5; }
    bool single() override { return true; }
    bool takes_back() override { return true; }
    bool retracts() override { return true; }
    evl_stream *to = nullptr;
    Fd far;
};

struct SpliceTo : Splice {
    using Splice::Splice;
    bool free_object() override {
        EXPECT_EQ(evl_close(std::exchange(to, nullptr)), 0);
        return true;
    }
};

struct Shutdown : Stream {
    using Stream::Stream;
    int32_t start(evl_op *op) override { return evl_stream_shutdown(s, op); }
    void fire() override { peer.close(); }
    void arm() override {
        end(); // one that is shut down stays so
        Stream::arm();
    }
};

// --- servers -----------------------------------------------------------------------------------------------

struct Serving : Place {
    using Place::Place;
    ~Serving() override { end(); }
    void end() {
        if (w.loop) {
            (void)evl_server_abort_clients(s);
            evl_close(s);
        }
        s = nullptr;
        clients.clear();
    }
    void arm() override {
        if (!s) {
            EXPECT_EQ(evl_server_listen(w.loop, "127.0.0.1", "0", nullptr, &s), 0);
        }
    }
    void connect() { clients.push_back(servers::client(servers::SocketAddress(s))); }
    bool free_object() override {
        (void)evl_server_abort_clients(s);
        EXPECT_EQ(evl_close(std::exchange(s, nullptr)), 0);
        return true;
    }
    evl_server *s = nullptr;
    std::vector<Fd> clients;
};

struct Accept : Serving {
    using Serving::Serving;
    void arm() override {
        Serving::arm();
        evl_stream *one = nullptr;
        while (evl_server_accept(s, &one) == 0)
            evl_stream_abort(one);
    }
    int32_t start(evl_op *op) override { return evl_server_accept_op(s, op, &stream); }
    void fire() override { connect(); }
    bool takes() override { return true; }
    bool retracts() override { return true; }
    bool available() override { return evl_server_accept(s, &stream) == 0; }
    evl_stream *stream = nullptr;
};

struct Idle : Serving {
    using Serving::Serving;
    void arm() override {
        if (s && evl_server_sockets(s) == 1)
            return;
        end(); // one that has stopped stays so
        Serving::arm();
    }
    int32_t start(evl_op *op) override { return evl_server_on_idle(s, op); }
    void fire() override { EXPECT_EQ(evl_server_stop(s), 0); }
    int64_t freed() override { return 0; } // closing stops it, and it has no connection
};

// --- datagrams ---------------------------------------------------------------------------------------------

// Of two datagram sockets one receives what the other sends.
struct Receive : Place {
    explicit Receive(World &world) : Place(world) {
        uint32_t length = 0;
        EXPECT_EQ(evl_address_parse("127.0.0.1", 0, address, sizeof address, &length), 0);
        for (evl_udp **u : {&socket, &sender})
            EXPECT_EQ(evl_udp_open(w.loop, address, length, 0, u), 0);
        EXPECT_GT(evl_udp_local(socket, address, sizeof address), 0);
        EXPECT_EQ(evl_udp_connect(sender, address, length), 0);
    }
    ~Receive() override {
        if (!w.loop)
            return;
        evl_close(socket);
        evl_close(sender);
    }
    void arm() override {
        while (evl_udp_try_receive(socket, buf, sizeof buf, nullptr, nullptr) >= 0) {
        }
    }
    int32_t start(evl_op *op) override {
        return evl_udp_receive(socket, op, buf, sizeof buf, nullptr, nullptr);
    }
    void fire() override { EXPECT_EQ(evl_udp_send(sender, "four", 4, nullptr, 0), 4); }
    int64_t value() override { return 4; }
    bool free_object() override {
        EXPECT_EQ(evl_close(std::exchange(socket, nullptr)), 0);
        return true;
    }
    bool takes_back() override { return true; }
    bool retracts() override { return true; }
    bool single() override { return true; }
    bool available() override {
        return evl_udp_try_receive(socket, buf, sizeof buf, nullptr, nullptr) == value();
    }
    evl_udp *socket = nullptr, *sender = nullptr;
    unsigned char address[EVL_ADDRESS_SIZE];
    char buf[8];
};

// The other socket of a Unix pair reads nothing until fire().
struct UdpFull : Place {
    explicit UdpFull(World &world) : Place(world) { open(); }
    ~UdpFull() override {
        if (w.loop)
            evl_close(u);
    }
    void open() {
        int fds[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
        peer = Fd(fds[1]);
        EXPECT_EQ(evl_udp_open_fd(w.loop, fds[0], 0, &u), 0);
        EXPECT_EQ(evl_udp_set_marks(u, 1, 0, 0), 0);
    }
    void arm() override {
        for (int i = 0; i < 10000 && evl_udp_queued(u) == 0; i++)
            EXPECT_EQ(evl_udp_send(u, "some", 4, nullptr, 0), 4);
        EXPECT_GT(evl_udp_queued(u), 0);
    }
    void fire() override { (void)streams::got(peer); }
    bool free_object() override {
        EXPECT_EQ(evl_close(std::exchange(u, nullptr)), 0);
        return true;
    }
    bool keeps_alive() override { return true; }
    int32_t start_done(evl_op *op) override {
        evl_close(u);
        open();
        return start(op);
    }
    evl_udp *u = nullptr;
    Fd peer;
};

struct UdpDrain : UdpFull {
    using UdpFull::UdpFull;
    int32_t start(evl_op *op) override { return evl_udp_drain(u, op); }
};

struct UdpFlush : UdpFull {
    using UdpFull::UdpFull;
    int32_t start(evl_op *op) override { return evl_udp_flush(u, op); }
};

// --- look-ups: the resolver's threads stand at a gate
// --------------------------------------------------------

class Gate {
  public:
    Gate() {
        std::lock_guard lock(mutex);
        if (users++ == 0) {
            real = evl_sys;
            evl_sys.getaddrinfo = look_up;
            evl_sys.getnameinfo = look_back;
        }
        is_open = false;
    }
    Gate(const Gate &) = delete;
    ~Gate() {
        open();
        std::unique_lock lock(mutex);
        if (--users > 0)
            return;
        left.wait(lock, [] { return inside == 0; });
        evl_sys.getaddrinfo = real.getaddrinfo;
        evl_sys.getnameinfo = real.getnameinfo;
    }
    void open() {
        std::lock_guard lock(mutex);
        is_open = true;
        left.notify_all();
    }
    void shut() {
        std::lock_guard lock(mutex);
        is_open = false;
    }

  private:
    static void pass() {
        std::unique_lock lock(mutex);
        inside++;
        left.wait(lock, [] { return is_open; });
        inside--;
        left.notify_all();
    }
    static int look_up(const char *, const char *, const addrinfo *hints, addrinfo **out) {
        pass();
        addrinfo numeric = *hints;
        numeric.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
        return real.getaddrinfo(hints->ai_family == AF_INET6 ? "::1" : "127.0.0.1", "80", &numeric, out);
    }
    static int look_back(const sockaddr *address, socklen_t length, char *host, socklen_t host_cap,
                         char *service, socklen_t service_cap, int) {
        pass();
        return real.getnameinfo(address, length, host, host_cap, service, service_cap,
                                NI_NUMERICHOST | NI_NUMERICSERV);
    }
    static inline std::mutex mutex;
    static inline std::condition_variable left;
    static inline bool is_open = false;
    static inline int users = 0, inside = 0;
    static inline evl_sys_table real;
};

struct LookUp : Place {
    using Place::Place;
    bool works_on_threads() const override { return true; }
    void arm() override { gate.shut(); }
    void fire() override {
        gate.open();
        until([&] { return peek_posted(w.loop) != 0; });
    }
    void finish(int) override {
        gate.open();
        if (w.loop)
            w.nowait();
    }
    Gate gate;
};

struct GetAddrInfo : LookUp {
    using LookUp::LookUp;
    ~GetAddrInfo() override { evl_addresses_free(list); }
    void arm() override {
        LookUp::arm();
        evl_addresses_free(std::exchange(list, nullptr));
    }
    int32_t start(evl_op *op) override {
        return evl_getaddrinfo(w.loop, op, "localhost", "80", EVL_NAME_IPV4, &list);
    }
    int32_t start_done(evl_op *op) override {
        return evl_getaddrinfo(w.loop, op, "127.0.0.1", "80", EVL_NAME_IPV4, &list);
    }
    int64_t value() override { return 1; }
    evl_addresses *list = nullptr;
};

struct GetNameInfo : LookUp {
    using LookUp::LookUp;
    int32_t look(evl_op *op, uint32_t flags) {
        servers::SocketAddress a("127.0.0.1", 80);
        return evl_getnameinfo(w.loop, op, a.get(), a.length, flags, host, sizeof host, service,
                               sizeof service);
    }
    int32_t start(evl_op *op) override { return look(op, 0); }
    int32_t start_done(evl_op *op) override {
        return look(op, EVL_NAME_NUMERIC_HOST | EVL_NAME_NUMERIC_SERVICE);
    }
    char host[64], service[64];
};

// --- connects: a network that the test plays
// -----------------------------------------------------------------

// A socket is one of a pair, full until its connect is answered. Sockets of IPv4 are the system's.
struct Connecting : Place {
    explicit Connecting(World &world) : Place(world), before(one), real(evl_sys) {
        one = this;
        evl_sys.socket = make;
        evl_sys.connect = begin;
        evl_sys.getsockopt = ask;
    }
    ~Connecting() override {
        if (w.loop)
            evl_stream_abort(stream);
        evl_sys.socket = real.socket;
        evl_sys.connect = real.connect;
        evl_sys.getsockopt = real.getsockopt;
        one = before;
    }
    void arm() override {
        if (w.loop)
            evl_stream_abort(std::exchange(stream, nullptr));
        peers.clear();
        at_once = false;
    }
    void fire() override {
        at_once = true; // what it tries from now on
        for (Fd &peer : peers)
            (void)streams::got(peer);
    }
    int32_t start_done(evl_op *op) override {
        at_once = true;
        return start(op);
    }
    static int make(int domain, int type, int protocol) {
        if (domain == AF_INET)
            return one->real.socket(domain, type, protocol);
        Pair pair;
        if (!one->at_once)
            pair.a.put(-1);
        one->peers.push_back(std::move(pair.b));
        return streams::give(pair.a);
    }
    static int begin(int fd, const sockaddr *address, socklen_t length) {
        if (address->sa_family == AF_INET)
            return one->real.connect(fd, address, length);
        errno = EINPROGRESS;
        return one->at_once ? 0 : -1;
    }
    static int ask(int fd, int level, int name, void *value, socklen_t *length) {
        int rc = one->real.getsockopt(fd, level, name, value, length);
        if (level == SOL_SOCKET && name == SO_ERROR)
            *static_cast<int *>(value) = 0;
        return rc;
    }
    static inline Connecting *one;
    Connecting *before;
    evl_sys_table real;
    std::vector<Fd> peers;
    bool at_once = false;
    evl_stream *stream = nullptr;
};

struct Connect : Connecting {
    using Connecting::Connecting;
    int32_t start(evl_op *op) override { return evl_connect(w.loop, op, "::1", "80", nullptr, &stream); }
};

// It has to ask for the name first.
struct ConnectName : Connect {
    using Connect::Connect;
    bool works_on_threads() const override { return true; }
    void arm() override {
        Connect::arm();
        gate.shut();
    }
    int32_t start(evl_op *op) override {
        evl_connect_options options{};
        options.struct_size = sizeof options;
        options.flags = EVL_NAME_IPV6;
        return evl_connect(w.loop, op, "localhost", "80", &options, &stream);
    }
    int32_t start_done(evl_op *) override { return EVL_ENOSYS; }
    void fire() override {
        at_once = true;
        gate.open();
        until([&] { return peek_posted(w.loop) != 0; });
    }
    void finish(int) override { gate.open(); }
    Gate gate;
};

struct ConnectTo : Connecting {
    using Connecting::Connecting;
    int32_t start(evl_op *op) override {
        servers::SocketAddress a("::1", 80);
        return evl_connect_to(w.loop, op, a.get(), a.length, nullptr, &stream);
    }
};

struct ConnectAny : Connecting {
    explicit ConnectAny(World &world) : Connecting(world) {
        evl_op op;
        EXPECT_EQ(evl_op_init(&op, nothing, nullptr, EVL_OP_SYNC), 0);
        EXPECT_EQ(evl_getaddrinfo(w.loop, &op, "::1", "80", 0, &list), 1);
    }
    ~ConnectAny() override { evl_addresses_free(list); }
    int32_t start(evl_op *op) override { return evl_connect_any(w.loop, op, list, nullptr, &stream); }
    evl_addresses *list = nullptr;
};

struct ConnectUnix : Connecting {
    using Connecting::Connecting;
    int32_t start(evl_op *op) override { return evl_connect_unix(w.loop, op, "@none", &stream); }
};

// --- child processes
// -----------------------------------------------------------------------------------------

// A child that lives until its input ends.
struct Process : Place {
    using Place::Place;
    ~Process() override { end(); }
    void end() {
        input.close();
        if (w.loop)
            evl_close(process);
        process = nullptr;
        if (pid > 0)
            ::waitpid(std::exchange(pid, 0), nullptr, 0); // if the loop is gone, it is nobody else's
    }
    void arm() override {
        if (process && input >= 0)
            return;
        end();
        const evl_stdio pipe{EVL_STDIO_PIPE_TO, 0};
        const char *const args[] = {"cat", nullptr};
        evl_process_options options{};
        options.struct_size = sizeof options;
        options.flags = EVL_PROCESS_QUIET;
        options.file = "cat";
        options.args = args;
        options.stdio = &pipe;
        options.stdio_count = 1;
        EXPECT_EQ(evl_process_spawn(w.loop, &options, nullptr, nullptr, &process), 0);
        pid = evl_process_pid(process);
        input = Fd(evl_process_take_fd(process, 0));
    }
    int32_t start(evl_op *op) override { return evl_process_wait(process, op); }
    void fire() override {
        input.close();
        siginfo_t info{};
        EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
    }
    bool free_object() override {
        EXPECT_EQ(evl_close(std::exchange(process, nullptr)), 0);
        return true;
    }
    bool keeps_alive() override { return true; }
    evl_process *process = nullptr;
    Fd input;
    pid_t pid = 0;
};

// Without pipes: of the child's end it hears by an operation of its own, and so a pass later.
struct Communicate : Process {
    using Process::Process;
    int32_t start(evl_op *op) override {
        io.struct_size = sizeof io;
        return evl_process_communicate(process, op, &io);
    }
    bool works_on_threads() const override { return true; }
    evl_communication io{};
};

} // namespace places
