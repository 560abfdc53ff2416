// evloop/server.hpp - servers: what listens, and the streams it accepts.
//
//     evloop::server server = evloop::listen("127.0.0.1", 7777);
//     co_await server.serve([](evloop::stream s) -> evloop::task<> {
//         for (std::string line = co_await s.read_line(); !line.empty(); line = co_await s.read_line()) {
//             s.write(line);
//             co_await s.drain();
//         }
//     });
#pragma once

#include "group.hpp"
#include "stream.hpp"

#include <memory>
#include <source_location>
#include <span>
#include <string>
#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

// evl_server_options, for designated initializers.
struct server_options {
    std::uint32_t flags = 0;                     // EVL_SERVER_*
    std::int32_t backlog = 0;                    // 0: 511
    std::uint32_t max_connections = 0;           // 0: no limit
    std::int32_t at_fd_limit = EVL_ACCEPT_PAUSE; // what to do when fds run out: EVL_ACCEPT_*
    std::chrono::nanoseconds linger{0};          // of the streams it accepts; 0: the loop's
};

class accept_awaitable : public op_awaitable<accept_awaitable, stream> {
  public:
    static constexpr const char *name = "accept";
    explicit accept_awaitable(evl_server *server) noexcept : server_(server) {}
    accept_awaitable(accept_awaitable &&) = default;
    ~accept_awaitable() { evl_close(made_); }
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_server_accept_op(server_, op, &made_); }
    stream finish(std::int64_t) noexcept { return stream(std::exchange(made_, nullptr)); }

  private:
    evl_server *server_;
    evl_stream *made_ = nullptr;
};

class server_idle_awaitable : public op_awaitable<server_idle_awaitable> {
  public:
    static constexpr const char *name = "server idle";
    explicit server_idle_awaitable(evl_server *server) noexcept : server_(server) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_server_on_idle(server_, op); }

  private:
    evl_server *server_;
};

// Sockets that listen. Destroying it closes them; the connections that it has accepted live on.
class server : public handle {
  public:
    server() noexcept = default;
    explicit server(evl_server *made) noexcept : handle(made) {}

    // Listens on a host's addresses; "" is all of the machine, service "0" any port. Names other than
    // localhost are looked up before.
    static result<server> make(loop_ref loop, const std::string &host, const std::string &service,
                               const server_options &options = {}) noexcept {
        return listening(options, [&](const evl_server_options *c, evl_server **out) {
            return evl_server_listen(loop, host.empty() ? nullptr : host.c_str(), service.c_str(), c, out);
        });
    }
    static result<server> make(loop_ref loop, const addresses &all,
                               const server_options &options = {}) noexcept {
        return listening(options, [&](const evl_server_options *c, evl_server **out) {
            return evl_server_listen_any(loop, all.c(), c, out);
        });
    }
    static result<server> make(loop_ref loop, address_view one, const server_options &options = {}) noexcept {
        return listening(options, [&](const evl_server_options *c, evl_server **out) {
            return evl_server_listen_on(loop, one.data(), one.length(), c, out);
        });
    }
    // On sockets that listen already, which are the server's from now on.
    static result<server> make(loop_ref loop, std::span<const evl_fd> fds,
                               const server_options &options = {}) noexcept {
        return listening(options, [&](const evl_server_options *c, evl_server **out) {
            return evl_server_listen_fds(loop, fds.data(), static_cast<std::int32_t>(fds.size()), c, out);
        });
    }

    // Awaited: the next connection. errc::closed when the server has stopped.
    [[nodiscard]] accept_awaitable accept() const noexcept { return accept_awaitable(c()); }

    // A connection that waits, by a function instead: fn(n) is called while some do, or with an error.
    template <callable F>
    status on_connection(F &&fn) {
        return check(hear(std::forward<F>(fn),
                          [this](void *arg) { return evl_server_on_connection(c(), done, arg); }));
    }
    result<stream> try_accept() noexcept {
        evl_stream *made = nullptr;
        if (const std::int32_t rc = evl_server_accept(c(), &made); rc < 0)
            return fail(rc);
        return stream(made);
    }
    void pause() noexcept { evl_server_pause(c()); }
    void resume() noexcept { evl_server_resume(c()); }

    // Awaited: runs handler(stream, args...), a task, for every connection, until the server has stopped and
    // the last of these tasks has ended (close_clients() ends their connections). Cancelled, or destroyed, it
    // takes them along: they may refer to what outlives this await. The handler may have captures; each task
    // has a copy of it and of the arguments. What a task throws goes to on_error, or to the loop's error
    // hook, when it has ended, with the place of this await, and is nothing to the others; as is want of
    // memory. The server must stay where it is meanwhile. Errors: those of accept, which end all.
    template <class Handler, class... Args>
    auto serve(Handler &&handler, Args &&...args) {
        static_assert(detail::survives_await<Handler>, EVLOOP_NAME_IT);
        return serving<std::decay_t<Handler>, std::decay_t<Args>...>(std::forward<Handler>(handler),
                                                                     std::forward<Args>(args)...);
    }

    // fn(unhandled_error) is called with what a task of serve throws, from the loop's thread when it has
    // ended, in place of the loop's error hook; unhandled_where() in it is where serve was awaited. What
    // fn throws goes to the loop's error hook. To be set before serve. Errors: std::bad_alloc.
    template <class F>
        requires std::is_invocable_v<std::decay_t<F> &, unhandled_error>
    void on_error(F &&fn) {
        on_error_ = std::make_shared<std::decay_t<F>>(std::forward<F>(fn));
        call_hook_ = [](void *hook, const unhandled_error &error) {
            (*static_cast<std::decay_t<F> *>(hook))(error);
        };
    }

    // Closes the sockets; closes or aborts what was accepted. Awaited: until the last connection has gone.
    void stop() noexcept { evl_server_stop(c()); }
    void close_clients() noexcept { evl_server_close_clients(c()); }
    void abort_clients() noexcept { evl_server_abort_clients(c()); }
    [[nodiscard]] server_idle_awaitable idle() const noexcept { return server_idle_awaitable(c()); }

    // How many sockets there are, and what the n-th listens on; how many connections live.
    std::int32_t sockets() const noexcept { return detail::number<std::int32_t>(evl_server_sockets(c())); }
    evl_fd fd(std::int32_t n = 0) const noexcept { return evl_server_fd(c(), n); }
    address local(std::int32_t n = 0) const noexcept {
        return address::from(
            [this, n](void *to, std::size_t cap) { return evl_server_local(c(), n, to, cap); });
    }
    std::uint16_t port() const noexcept { return local().port(); }
    std::int32_t connections() const noexcept {
        return detail::number<std::int32_t>(evl_server_connections(c()));
    }

  private:
    template <class Handler, class... Args>
    detail::attempt<void> serving(Handler handler, Args... args) {
        const std::source_location here = detail::place_of_this();
        const auto accepts = [&](task_group &group) { return accepting(group, here, handler, args...); };
        EVLOOP_CO_TRY(detail::group_body<decltype(accepts) &>(accepts, true));
#if !EVLOOP_EXCEPTIONS
        co_return result<void>();
#endif
    }

    template <class Handler, class... Args>
    detail::attempt<void> accepting(task_group &group, std::source_location here, Handler &handler,
                                    Args &...args) {
        for (;;) {
            result<stream> next = co_await detail::settled(accept());
            if (next.code() == EVL_ECLOSED)
                break;
            if (!next)
                EVLOOP_CO_FAIL(next.code());
            start_handler(group, here, handler, *std::move(next), args...);
        }
#if !EVLOOP_EXCEPTIONS
        co_return result<void>();
#endif
    }

    template <class Handler, class... Args>
    void start_handler(task_group &group, std::source_location here, Handler &handler, stream &&connection,
                       Args &...args) {
        evl_loop *loop = this_loop();
        detail::guarded(loop, [&] {
            auto task = detail::task_of(handler, std::move(connection), args...);
#if !EVLOOP_EXCEPTIONS
            if (!task) {
                detail::report(loop, EVL_ENOMEM);
                return;
            }
#endif
            if (on_error_)
                group.spawn(handled(std::move(task), on_error_, call_hook_, here), here);
            else
                group.spawn(std::move(task), here);
        });
    }

    // The hook outlives the server where a task does.
    template <class Task>
    static detail::attempt<void> handled(Task task, std::shared_ptr<void> hook,
                                         void (*call)(void *, const unhandled_error &),
                                         std::source_location here) {
        unhandled_error error{};
#if EVLOOP_EXCEPTIONS
        try {
            co_await std::move(task);
        } catch (const cancelled &) {
            throw;
        } catch (...) {
            error = std::current_exception();
        }
        if (!error)
            co_return;
        const detail::reporting now(error, here);
        call(hook.get(), error);
#else
        (void)here;
        auto how = co_await detail::settled(std::move(task));
        error = how.code();
        if (error < 0 && error != EVL_ECANCELED)
            call(hook.get(), error);
        co_return result<void>();
#endif
    }

    template <class Listen>
    static result<server> listening(const server_options &options, Listen listen) noexcept {
        evl_server_options c{};
        c.struct_size = sizeof c;
        c.flags = options.flags;
        c.backlog = options.backlog;
        c.max_connections = options.max_connections;
        c.at_fd_limit = options.at_fd_limit;
        c.linger_ns = options.linger.count();
        evl_server *made = nullptr;
        if (const std::int32_t rc = listen(&c, &made); rc < 0)
            return fail(rc);
        return server(made);
    }

    std::shared_ptr<void> on_error_;
    void (*call_hook_)(void *, const unhandled_error &) = nullptr;
};

#if EVLOOP_EXCEPTIONS
// On the loop of the running task. Errors: those of evl_server_listen.
inline server listen(const std::string &host, std::uint16_t port, const server_options &options = {}) {
    return server::make(this_loop(), host, std::to_string(port), options).value();
}
// The same at an address.
inline server listen(address_view where, const server_options &options = {}) {
    return server::make(this_loop(), where, options).value();
}
#endif

} // namespace evloop::inline EVLOOP_CPP_ABI
