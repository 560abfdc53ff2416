// evloop/process.hpp - child processes. Not part of evloop.hpp.
//
//     evloop::process sort = evloop::start_process({"sort", "-n"}, {.in = evloop::stdio::pipe_to,
//                                                                   .out = evloop::stdio::pipe_from});
//     evloop::process_output done = co_await sort.communicate("3\n1\n2\n");
//     std::fputs(done.out.c_str(), stdout);
#pragma once

#include "await.hpp"
#include "stream.hpp"

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace evloop::inline EVLOOP_CPP_ABI {

// What a child gets as one of its descriptors.
namespace stdio {
inline constexpr evl_stdio null{EVL_STDIO_NULL, 0};           // /dev/null
inline constexpr evl_stdio inherit{EVL_STDIO_INHERIT, 0};     // the parent's
inline constexpr evl_stdio pipe_to{EVL_STDIO_PIPE_TO, 0};     // a pipe that the parent writes to
inline constexpr evl_stdio pipe_from{EVL_STDIO_PIPE_FROM, 0}; // a pipe that the parent reads from
inline constexpr evl_stdio socket{EVL_STDIO_SOCKET, 0};       // one end of a pair, for both directions
inline constexpr evl_stdio closed{EVL_STDIO_CLOSED, 0};       // no descriptor at all
constexpr evl_stdio fd(evl_fd fd) noexcept { return {EVL_STDIO_FD, fd}; }
constexpr evl_stdio like(evl_fd fd) noexcept { return {EVL_STDIO_LIKE, fd}; }
} // namespace stdio

// evl_process_options, for designated initializers.
struct process_options {
    evl_stdio in = stdio::inherit;                 // descriptor 0
    evl_stdio out = stdio::inherit;                // 1
    evl_stdio err = stdio::inherit;                // 2
    std::vector<evl_stdio> more{};                 // descriptors 3, 4, ...
    std::optional<std::vector<std::string>> env{}; // "NAME=value"; none: the parent's
    const char *cwd = nullptr;                     // directory to run in; nullptr: the parent's
    const char *file = nullptr;                    // nullptr: the first of the arguments
    std::uint32_t flags = 0;                       // EVL_PROCESS_*
    std::int32_t group = 0;                        // process group to join, with EVL_PROCESS_GROUP
    std::uint32_t uid = 0;                         // with EVL_PROCESS_UID
    std::uint32_t gid = 0;                         // with EVL_PROCESS_GID
};

// How a child has ended, and what it has written.
struct process_output {
    std::int32_t status = 0; // its exit code, or 128 + the signal that ended it
    std::string out{};       // what it wrote to descriptor 1, if that is a pipe
    std::string err{};       // and to 2
    std::size_t dropped = 0; // bytes of both that were more than the limits
};

// How much of what a child writes is kept, in bytes; the rest is read and dropped, so that the child goes on.
struct output_limits {
    std::size_t out = 64 * 1024; // of descriptor 1
    std::size_t err = 64 * 1024; // of 2
    bool kill = false;           // where the await is cancelled or times out, kills the child, or its group
};

class process_awaitable : public op_awaitable<process_awaitable, std::int32_t> {
  public:
    static constexpr const char *name = "process";
    static constexpr bool keeps = true;
    explicit process_awaitable(evl_process *process) noexcept : process_(process) {}
    std::int32_t start(evl_loop *, evl_op *op) noexcept { return evl_process_wait(process_, op); }
    std::int32_t finish(std::int64_t status) noexcept { return static_cast<std::int32_t>(status); }

  private:
    evl_process *process_;
};

// Writes, collects and waits, as one operation of C.
class communicate_awaitable : public op_awaitable<communicate_awaitable, process_output> {
  public:
    static constexpr const char *name = "communicate";
    static constexpr bool keeps = true;
    communicate_awaitable(evl_process *process, std::string input, const output_limits &limits)
        : process_(process), input_(std::move(input)), limits_(limits), out_(limits.out, '\0'),
          err_(limits.err, '\0') {}

    std::int32_t start(evl_loop *, evl_op *op) noexcept {
        io_.struct_size = sizeof io_;
        io_.flags = limits_.kill ? EVL_COMMUNICATE_KILL : 0;
        io_.input = input_.data();
        io_.input_size = input_.size();
        io_.output = out_.data();
        io_.output_cap = out_.size();
        io_.error = err_.data();
        io_.error_cap = err_.size();
        return evl_process_communicate(process_, op, &io_);
    }
    process_output finish(std::int64_t status) {
        process_output all{static_cast<std::int32_t>(status)};
        all.dropped = cut(out_, io_.output_size) + cut(err_, io_.error_size);
        all.out = std::move(out_);
        all.err = std::move(err_);
        return all;
    }

  private:
    // To what came; how much more came than there was room for.
    static std::size_t cut(std::string &text, std::size_t came) {
        const std::size_t kept = came < text.size() ? came : text.size();
        text.resize(kept);
        return came - kept;
    }

    evl_process *process_;
    std::string input_;
    output_limits limits_;
    std::string out_, err_;
    evl_communication io_{};
};

namespace detail {

// Whether a child that no longer reads is the reason.
inline bool is_broken_pipe(std::int32_t code) noexcept { return code == EVL_EPIPE || code == EVL_ECONNRESET; }

inline attempt<void> feed(stream to, std::string input) {
    std::int32_t code = 0;
    if (to && !input.empty()) {
#if EVLOOP_EXCEPTIONS
        try {
            to.write_owned(std::move(input));
        } catch (const std::system_error &error) {
            code = code_of(error.code());
        }
#else
        code = to.write_owned(std::move(input)).code;
#endif
        if (code == 0)
            code = (co_await as_result(to.flush())).code();
    }
    if (code < 0 && !is_broken_pipe(code))
        EVLOOP_CO_FAIL(code);
#if !EVLOOP_EXCEPTIONS
    co_return result<void>();
#endif
}

inline attempt<std::string> collect(stream from) {
    std::string all;
    if (from) {
        result<std::string> read = co_await as_result(from.read_all());
        if (read)
            all = *std::move(read);
        else if (!is_broken_pipe(read.code()))
            EVLOOP_CO_FAIL(read.code());
    }
    co_return all;
}

#if !EVLOOP_EXCEPTIONS
// What a task came to that gives a result itself.
template <class T>
result<T> flat(result<result<T>> outcome) {
    return outcome ? *std::move(outcome) : result<T>(fail(outcome.code()));
}
#endif

inline std::vector<const char *> pointers_to(const std::vector<std::string> &strings) {
    std::vector<const char *> pointers;
    for (const std::string &string : strings)
        pointers.push_back(string.c_str());
    pointers.push_back(nullptr);
    return pointers;
}

} // namespace detail

// A child. Destroying it leaves the child alone, unless EVL_PROCESS_KILL.
class process : public handle {
  public:
    process() noexcept = default;
    explicit process(evl_process *made) noexcept : handle(made) {}
#if EVLOOP_EXCEPTIONS
    process(loop_ref loop, const std::vector<std::string> &args, const process_options &options = {})
        : process(make(loop, args, options).value()) {}
#endif
    // Starts one. Errors: those of evl_process_spawn.
    static result<process> make(loop_ref loop, const std::vector<std::string> &args,
                                const process_options &options = {}) {
        const auto argv = detail::pointers_to(args);
        std::vector<const char *> env;
        if (options.env)
            env = detail::pointers_to(*options.env);
        std::vector<evl_stdio> stdio{options.in, options.out, options.err};
        stdio.insert(stdio.end(), options.more.begin(), options.more.end());
        evl_process_options c{};
        c.struct_size = sizeof c;
        c.flags = options.flags | EVL_PROCESS_QUIET;
        c.file = options.file ? options.file : argv[0];
        c.args = argv.data();
        c.env = options.env ? env.data() : nullptr;
        c.cwd = options.cwd;
        c.stdio = stdio.data();
        c.stdio_count = static_cast<std::uint32_t>(stdio.size());
        c.group = options.group;
        c.uid = options.uid;
        c.gid = options.gid;
        evl_process *made = nullptr;
        if (const std::int32_t rc = evl_process_spawn(loop, &c, nullptr, nullptr, &made); rc < 0)
            return fail(rc);
        return process(made);
    }

    // Awaited: its end, and gives its exit code, or 128 + the signal that ended it. Any number may wait.
    [[nodiscard]] process_awaitable wait() const noexcept { return process_awaitable(c()); }

    // A stream on this end of the pipe or socket that is the child's descriptor n, once; empty when there is
    // none. Errors: those of evl_stream_open, and then it may be tried again; without exceptions empty.
    stream pipe(std::uint32_t n) {
        const evl_fd fd = evl_process_stdio(c(), n);
        if (fd < 0)
            return {};
        result<stream> opened = stream::make(loop(), fd);
#if EVLOOP_EXCEPTIONS
        if (!opened)
            detail::throw_code(opened.code());
#else
        if (!opened)
            return {};
#endif
        (void)evl_process_take_fd(c(), n); // it is the stream's
        return *std::move(opened);
    }

    // Awaited: writes `input` to the child's standard input, reads what it writes until that ends, and waits
    // for it; each where there is a pipe. A child that does not read everything is no error. Without
    // exceptions it gives a result.
    //
    // It takes the pipes. Cancelled, as by a timeout, it closes them and what it has read is lost: the child
    // goes on, and may end by SIGPIPE when it writes again. A second call finds no pipe, and gives the status
    // alone. Who wants what came until then reads from pipe(1).
    detail::attempt<process_output> communicate(std::string input = {}) {
        stream in = pipe(0), out = pipe(1), err = pipe(2);
        auto feeding = spawn(detail::feed(std::move(in), std::move(input)));
        auto collecting = spawn(detail::collect(std::move(err)));
        process_output all;
#if EVLOOP_EXCEPTIONS
        all.out = co_await detail::collect(std::move(out));
        all.err = co_await std::move(collecting);
        co_await std::move(feeding);
        all.status = co_await wait();
#else
        result<std::string> from_out = co_await as_result(detail::collect(std::move(out)));
        auto from_err = detail::flat(co_await as_result(std::move(collecting)));
        const auto fed = detail::flat(co_await as_result(std::move(feeding)));
        const result<std::int32_t> status = co_await as_result(wait());
        for (const std::int32_t code : {from_out.code(), from_err.code(), fed.code(), status.code()})
            if (code < 0)
                co_return fail(code);
        all = {*status, *std::move(from_out), *std::move(from_err)};
#endif
        co_return all;
    }

    // The same with limits, and without tasks of its own. Errors: those of evl_process_communicate.
    [[nodiscard]] communicate_awaitable communicate(std::string input, const output_limits &limits) const {
        return {c(), std::move(input), limits};
    }

    // Sends a signal to it, or to the group that it leads. Errors: EVL_ESRCH (it has ended) and others.
    status kill(int signo) { return check(evl_process_kill(c(), signo)); }
    status kill_group(int signo) { return check(evl_process_kill_group(c(), signo)); }

    std::int32_t pid() const noexcept { return evl_process_pid(c()); }
    // The exit code and the signal that ended it, or a negative code, as those of C.
    std::int32_t exit_code() const noexcept { return evl_process_exit_code(c()); }
    std::int32_t signal() const noexcept { return evl_process_signal(c()); }
};

#if EVLOOP_EXCEPTIONS
// On the loop of the running task.
inline process start_process(const std::vector<std::string> &args, const process_options &options = {}) {
    return process(this_loop(), args, options);
}
#endif

} // namespace evloop::inline EVLOOP_CPP_ABI
