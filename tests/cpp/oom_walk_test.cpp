// oom_walk_test.cpp - each scenario with the first allocation refused, of C++ or of the loop, the second, and
// so on until it passes undisturbed. Whatever is refused: somebody is told, nothing is lost or left, nothing
// terminates.
#include "allocations.hpp"
#include "fds.hpp"
#include "tasks.hpp"

#include <evloop/channel.hpp>
#include <evloop/local.hpp>
#include <evloop/path.hpp>
#include <evloop/process.hpp>
#include <evloop/thread.hpp>

#include <array>
#include <cstdio>
#include <cstring>
#include <sys/socket.h>
#include <unistd.h>

using namespace support;

namespace {

// One run of a scenario. What it notes allocates nothing.
struct Play {
    evl_loop *loop = nullptr;
    std::array<char, 512> log{};
    std::size_t length = 0;
    int alive = 0; // pieces
    int calls = 0;
    bool told = false;      // of a lack of memory
    std::string_view odd{}; // what was told and is none

    void note(std::string_view word) {
        for (char c : word)
            if (length + 1 < log.size())
                log[length++] = c;
        if (length + 1 < log.size())
            log[length++] = ' ';
    }
    std::string_view text() const { return {log.data(), length}; }
    void hear(std::exception_ptr error) {
        try {
            std::rethrow_exception(error);
        } catch (const std::bad_alloc &) {
            told = true;
        } catch (const std::system_error &error) {
            if (error.code() == std::errc::not_enough_memory)
                told = true;
            else
                odd = "another error";
        } catch (const evloop::cancelled &) {
            odd = "cancelled";
        } catch (...) {
            odd = "another exception";
        }
    }
};

// Counts: whatever was made has to end.
class Piece {
  public:
    explicit Piece(Play &p) : p_(p) { p_.alive++; }
    Piece(const Piece &) = delete;
    ~Piece() { p_.alive--; }

  private:
    Play &p_;
};

// Too long to lie in the string itself.
std::string words(int n) { return std::string(100, static_cast<char>('a' + n)); }

task<std::string> text(Play &p, int n, std::chrono::nanoseconds after = 0ns) {
    Piece piece(p);
    std::string made = words(n);
    co_await evloop::sleep(after);
    co_return made;
}
task<> fails(Play &p, std::chrono::nanoseconds after) {
    Piece piece(p);
    co_await evloop::sleep(after);
    throw Error("x");
}
task<> endless(Play &p) {
    Piece piece(p);
    co_await evloop::sleep(24h);
}

// --- tasks ----------------------------------------------------------------------------------------

task<> tasks(Play &p) {
    Piece piece(p);
    std::string all = co_await text(p, 0);
    auto later = evloop::spawn(text(p, 1));
    auto now = evloop::spawn(text(p, 2), evloop::begin::now);
    auto dropped = evloop::spawn(endless(p));
    evloop::spawn(endless(p)).detach();
    all += co_await std::move(later);
    all += co_await now;
    auto cancels = evloop::spawn(endless(p));
    co_await evloop::yield();
    cancels.cancel();
    bool cancelled = false;
    try {
        co_await cancels;
    } catch (const evloop::cancelled &) {
        cancelled = true;
    }
    p.note(cancelled ? "cancelled" : "not cancelled");
    p.note(all == words(0) + words(1) + words(2) ? "all" : "wrong");
}

task<> groups(Play &p) {
    Piece piece(p);
    std::string all;
    co_await evloop::with_group([&](evloop::task_group &group) -> task<> {
        for (int i = 0; i < 3; i++)
            group.spawn([](Play &p, std::string &all, int n) -> task<> {
                Piece piece(p);
                all += co_await text(p, n, n * 1ms);
            }(p, all, i));
        co_return;
    });
    p.note(all == words(0) + words(1) + words(2) ? "all" : "wrong");
}

// The first error is thrown whatever happens to the others.
task<> groups_that_fail(Play &p) {
    Piece piece(p);
    try {
        co_await evloop::with_group([&](evloop::task_group &group) -> task<> {
            group.spawn(fails(p, 1ms));
            group.spawn([](Play &p) -> task<> {
                Piece piece(p);
                try {
                    co_await evloop::sleep(24h);
                } catch (const evloop::cancelled &) {
                    throw Error("y");
                }
            }(p));
            group.spawn(endless(p));
            co_await endless(p);
        });
    } catch (const Error &error) {
        p.note(error.what());
    }
    p.note(p.alive == 1 ? "joined" : "not joined");
}

task<> combinators(Play &p) {
    Piece piece(p);
    auto [one, two, none] = co_await evloop::gather(text(p, 0), text(p, 1), sleeps(1ms));
    p.note(one + two == words(0) + words(1) ? "gathered" : "wrong");
    std::vector<task<std::string>> many;
    for (int i = 0; i < 3; i++)
        many.push_back(text(p, i));
    const auto list = co_await evloop::gather(std::move(many));
    p.note(list.size() == 3 && list[2] == words(2) ? "listed" : "wrong");
    const auto first = co_await evloop::when_any(text(p, 0, 1ms), text(p, 1, 24h));
    p.note(first.index == 0 ? "first" : "wrong");
    const std::string kept = co_await evloop::shield(text(p, 1));
    p.note(kept == words(1) ? "shielded" : "wrong");
    const std::string in_time = co_await evloop::timeout(1s, text(p, 2));
    p.note(in_time == words(2) ? "in time" : "wrong");
    const auto late = co_await as_result(evloop::timeout(1ms, text(p, 2, 24h)));
    p.note(late.code() == EVL_ETIMEDOUT ? "late" : "not late");
    if (late.code() == EVL_ENOMEM)
        p.told = true;
    std::vector<evloop::spawned<std::string>> jobs;
    for (int i = 0; i < 3; i++)
        jobs.push_back(evloop::spawn(text(p, i, i * 1ms)));
    const auto [done, pending] = co_await evloop::wait(jobs, evloop::until::first);
    p.note(!done.empty() && done.size() + pending.size() == 3 ? "waited" : "wrong");
    auto ends = evloop::as_completed(jobs);
    int count = 0;
    while (auto *job = co_await ends.next())
        count += job->done();
    p.note(count == 3 ? "completed" : "wrong");
}

// --- what they pass to one another ------------------------------------------------------------------

// What was accepted is got, or is still there.
task<> queues(Play &p) {
    Piece piece(p);
    evloop::queue<std::string> queue(2);
    int put = 0, got = 0;
    auto gets = evloop::spawn([](Play &p, evloop::queue<std::string> &queue, int &got) -> task<> {
        Piece piece(p);
        for (;;) {
            const auto item = co_await as_result(queue.get());
            if (item.code() == EVL_ESHUTDOWN)
                co_return;
            if (!item)
                throw std::system_error(item.error());
            got++;
            queue.task_done();
        }
    }(p, queue, got));
    std::exception_ptr error;
    try {
        for (int i = 0; i < 6; i++) {
            co_await queue.put(words(i));
            put++;
        }
    } catch (...) {
        error = std::current_exception();
    }
    if (const std::int32_t rc = queue.try_put(words(7)); rc == 0)
        put++;
    else if (rc == EVL_ENOMEM)
        p.told = true;
    queue.shutdown();
    std::exception_ptr end;
    try {
        co_await std::move(gets);
    } catch (...) {
        end = std::current_exception();
    }
    while (queue.size() > 0 && queue.try_get())
        got++;
    p.note(put == got ? "all" : "lost");
    if (error || end)
        std::rethrow_exception(error ? error : end);
}

task<> synchronised(Play &p) {
    Piece piece(p);
    evloop::lock lock;
    evloop::semaphore semaphore(p.loop, 1);
    evloop::event event;
    evloop::condition condition(lock);
    evloop::barrier barrier(p.loop, 2);
    int inside = 0;
    {
        auto guard = co_await lock.scoped();
        auto waits = evloop::spawn([](Play &p, evloop::lock &lock, evloop::condition &condition,
                                      evloop::barrier &barrier, int &inside) -> task<> {
            Piece piece(p);
            {
                auto guard = co_await lock.scoped();
                inside++;
                co_await condition.wait();
                inside++;
            }
            co_await barrier.wait();
        }(p, lock, condition, barrier, inside));
        co_await evloop::yield();
        guard.release();
        co_await evloop::sleep(1ms);
        co_await lock.acquire();
        condition.notify();
        lock.release();
        co_await barrier.wait();
        co_await std::move(waits);
    }
    co_await semaphore.acquire();
    auto acquires = evloop::spawn([](Play &p, evloop::semaphore &semaphore, evloop::event &event) -> task<> {
        Piece piece(p);
        co_await semaphore.acquire();
        event.set();
    }(p, semaphore, event));
    co_await evloop::yield();
    semaphore.release();
    co_await event.wait();
    co_await std::move(acquires);
    p.note(inside == 2 && lock.try_acquire() ? "all" : "wrong");
}

task<> futures(Play &p) {
    Piece piece(p);
    evloop::future<std::string> reply;
    evloop::future<int> number;
    auto waits = evloop::spawn([](Play &p, evloop::future<std::string> reply) -> task<std::string> {
        Piece piece(p);
        const std::string &text = co_await reply;
        co_return text;
    }(p, reply));
    co_await evloop::yield();
    std::int32_t rc = EVL_ENOMEM;
    try {
        rc = reply.resolve(words(0).c_str()); // a string is made in its place
    } catch (const std::bad_alloc &) {
        p.told = true;
    }
    if (rc != 0) {
        p.told = true;
        reply.fail(EVL_ENOMEM);
    }
    number.resolve(7);
    const std::string got = co_await std::move(waits);
    const int seven = co_await number;
    p.note(got == words(0) && seven == 7 ? "all" : "wrong");
}

evloop::generator<std::string> counted(Play &p, int n) {
    Piece piece(p);
    for (int i = 0; i < n; i++)
        co_yield words(i);
}
evloop::async_generator<std::string> counted_slowly(Play &p, int n) {
    Piece piece(p);
    for (int i = 0; i < n; i++) {
        co_await evloop::sleep(1ms);
        co_yield words(i);
    }
}
task<> generators(Play &p) {
    Piece piece(p);
    std::string all;
    for (const std::string &word : counted(p, 3))
        all += word;
    auto slow = counted_slowly(p, 3);
    while (auto *word = co_await slow.next())
        all += *word;
    p.note(all == words(0) + words(1) + words(2) + words(0) + words(1) + words(2) ? "all" : "wrong");
}

// --- functions --------------------------------------------------------------------------------------

task<> functions(Play &p) {
    Piece piece(p);
    std::string large = words(0);
    evloop::loop_ref loop(p.loop);
    // They may outlive this, when one of them is refused.
    evloop::timer timer(loop, [&p, large] { p.calls += static_cast<int>(large.size()); });
    timer.start_in(1ms);
    loop.call_soon([&p, large] { p.calls += static_cast<int>(large.size()); });
    loop.post([&p, large] { p.calls += static_cast<int>(large.size()); });
    co_await evloop::sleep(2ms);
    p.note(p.calls == 300 ? "called" : "not called");
    loop.call_soon([&p, large] {
        p.note("throws");
        throw Error(large);
    });
    evl_set_error_hook(
        p.loop,
        [](void *arg, std::int64_t code) {
            auto &play = *static_cast<Play *>(arg);
            if (code == EVL_ENOMEM)
                play.told = true;
            play.note(evloop::unhandled_exception(code) ? "told" : "not told");
        },
        &p);
    co_await evloop::sleep(1ms);
}

task<> jobs(Play &p) {
    Piece piece(p);
    evloop::executor pool(p.loop, 1);
    const std::string one = co_await evloop::run_in_executor(pool, words, 0);
    auto gives_text = [text = words(1)] { return text; };
    const std::string two = co_await evloop::run_in_executor(pool, gives_text);
    p.note(one + two == words(0) + words(1) ? "all" : "wrong");
    pool.close();
}

// --- the world --------------------------------------------------------------------------------------

// The fd is the caller's until there is a stream.
evloop::stream open(Play &p, int fd) {
    evloop::result<evloop::stream> made = evloop::stream::make(p.loop, fd);
    if (!made) {
        close(fd);
        throw std::system_error(made.error());
    }
    return *std::move(made);
}

// What came is got, whatever a read could not.
task<> streams(Play &p) {
    Piece piece(p);
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        co_return;
    Fd theirs(fds[1]);
    evloop::stream a = open(p, fds[0]), b = open(p, dup(theirs));
    theirs.close();
    std::string all, sent;
    std::exception_ptr error;
    auto attempt = [&](auto &&what) {
        try {
            what();
        } catch (...) {
            error = error ? error : std::current_exception();
        }
    };
    const std::string line = words(0) + "\n";
    all.reserve(1000);
    sent.reserve(1000);
    attempt([&] { a.write(line), sent += line; });
    attempt([&] {
        const std::string text = words(1);
        a.write_owned(text), sent += text;
    });
    a.write_eof();
    for (bool end = false; !end;) {
        const char *how = "";
        try {
            const std::string line = co_await b.read_line();
            all += line;
            end = line.empty();
        } catch (const std::bad_alloc &) {
            how = "again";
        } catch (const std::system_error &e) {
            if (e.code() != std::errc::not_enough_memory)
                throw;
            how = "again";
        }
        p.told = p.told || *how;
    }
    co_await a.flush();
    if (error)
        std::rethrow_exception(error);
    p.note(all == sent ? "all" : "lost");
}

task<> echo_all(evloop::stream s) {
    for (std::string line = co_await s.read_line(); !line.empty(); line = co_await s.read_line())
        s.write(line);
}

task<> servers(Play &p) {
    Piece piece(p);
    evloop::server server = evloop::listen("127.0.0.1", 0);
    co_await evloop::with_group([&](evloop::task_group &group) -> task<> {
        group.spawn(server.serve(echo_all));
        evloop::stream s = co_await evloop::open_connection(server.local());
        const std::string line = words(0) + "\n";
        s.write(line);
        const std::string back = co_await s.read_line();
        p.note(back == line ? "back" : back.empty() ? "hung up" : "wrong");
        server.stop();
    });
}

task<> names(Play &p) {
    Piece piece(p);
    const evloop::addresses found = co_await evloop::lookup("127.0.0.1", "80");
    p.note(found.size() > 0 ? "found" : "none");
    const evloop::names called =
        co_await evloop::reverse_lookup(evloop::address::parse("127.0.0.1", 80), EVL_NAME_NUMERIC_HOST);
    p.note(called.host == "127.0.0.1" ? "called" : "wrong");
}

task<> datagrams(Play &p) {
    Piece piece(p);
    evloop::udp a = evloop::open_udp(evloop::address::parse("127.0.0.1"));
    evloop::udp b = evloop::open_udp();
    b.send(words(0), a.local());
    std::string got;
    try {
        got = (co_await a.receive()).data;
    } catch (const std::bad_alloc &) {
        p.told = true;
    }
    p.note(got == words(0) || p.told ? "got" : "lost");
}

task<> children(Play &p) {
    Piece piece(p);
    evloop::process child = evloop::start_process(
        {"sh", "-c", "read line; echo $line; echo error >&2; exit 3"},
        {.in = evloop::stdio::pipe_to, .out = evloop::stdio::pipe_from, .err = evloop::stdio::pipe_from});
    std::exception_ptr error;
    try {
        const evloop::process_output done = co_await child.communicate(words(0) + "\n");
        p.note(done.out == words(0) + "\n" && done.err == "error\n" && done.status == 3 ? "all" : "wrong");
    } catch (...) {
        error = std::current_exception();
    }
    if (child.exit_code() < 0)
        child.kill(SIGKILL);
    const auto end = co_await as_result(child.wait());
    if (!end)
        throw std::system_error(end.error());
    if (error)
        std::rethrow_exception(error);
}

task<> paths(Play &p) {
    Piece piece(p);
    char name[] = "/tmp/evloop-oom-XXXXXX";
    Fd file(mkstemp(name));
    struct Unlink {
        const char *name;
        ~Unlink() { unlink(name); }
    } at_end{name};
    evloop::path_changes changes(name);
    if (write(file, "x", 1) != 1)
        co_return;
    const std::uint32_t what = co_await changes.next();
    p.note(what & EVL_PATH_CHANGED ? "changed" : "wrong");
}

// --- the walk ---------------------------------------------------------------------------------------

// --- many, and between threads ---------------------------------------------------------------------

evloop::async_generator<std::string> passed_on(Play &p) {
    Piece piece(p);
    auto inner = [](Play &p) -> evloop::async_generator<std::string> {
        Piece piece(p);
        co_yield words(0);
        co_await evloop::yield();
        co_yield words(1);
    };
    co_yield evloop::elements_of(inner(p));
}

task<> many(Play &p) {
    Piece piece(p);
    std::vector<task<std::string>> jobs, racers;
    for (int i = 0; i < 4; i++) {
        jobs.push_back(text(p, i % 3, 1ms));
        racers.push_back(text(p, i % 3, i == 2 ? 1ms : 24h));
    }
    const auto list = co_await evloop::gather(std::move(jobs), 2);
    p.note(list.size() == 4 && list[3] == words(0) ? "listed" : "wrong");
    const auto first = co_await evloop::when_any(std::move(racers));
    p.note(first.index == 2 && first.value == words(2) ? "first" : "wrong");
    const std::array<int, 3> numbers = {0, 1, 2};
    const auto make = [&p](int i) { return text(p, i, 1ms); };
    const auto mapped = co_await evloop::map(numbers, make, 2);
    p.note(mapped.size() == 3 && mapped[1] == words(1) ? "mapped" : "wrong");
    auto values = passed_on(p);
    std::size_t count = 0;
    while (std::string *value = co_await values.next())
        count += *value == words(static_cast<int>(count));
    p.note(count == 2 ? "passed" : "wrong");
}

task<> shared(Play &p) {
    Piece piece(p);
    evloop::shared_mutex mutex;
    evloop::latch latch(2);
    int holders = 0;
    const auto holds = [](Play &p, evloop::shared_mutex &mutex, evloop::latch &latch,
                          int &holders) -> task<> {
        Piece piece(p);
        {
            const auto read = co_await mutex.scoped_shared();
            holders++;
            co_await evloop::yield();
        }
        {
            const auto write = co_await mutex.scoped();
            holders++;
            co_await evloop::yield();
        }
        latch.count_down();
    };
    evloop::task_group group;
    for (int i = 0; i < 2; i++)
        group.spawn(holds(p, mutex, latch, holders));
    co_await group.join();
    co_await latch.wait();
    p.note(holders == 4 && mutex.try_acquire() ? "shared" : "wrong");
}

evloop::task_local<std::string> tag;

task<> locals(Play &p) {
    Piece piece(p);
    tag.set(words(0));
    auto job = evloop::spawn([](Play &p) -> task<bool> {
        Piece piece(p);
        const bool had = tag.get() == words(0);
        const evloop::task_local<std::string>::scoped as(tag, words(1));
        co_await evloop::yield();
        co_return had &&tag.get() == words(1);
    }(p));
    const bool right = co_await job;
    p.note(right && tag.get() == words(0) ? "tagged" : "wrong");
}

// Closed whatever happens, for who waits on a channel keeps the loop from jumping to its next timer.
task<> channels(Play &p) {
    Piece piece(p);
    const evloop::channel<std::string> channel(1);
    auto sends = evloop::spawn([](Play &p, evloop::channel<std::string> channel) -> task<> {
        struct Closes {
            const evloop::channel<std::string> &channel;
            ~Closes() {
                while (channel.close() == EVL_ENOMEM) {
                }
            }
        } at_end{channel};
        Piece piece(p);
        for (int i = 0; i < 3; i++)
            co_await channel.send(words(i));
    }(p, channel));
    int got = 0;
    for (;;) {
        const auto item = co_await as_result(channel.receive());
        if (item.code() == EVL_ESHUTDOWN)
            break;
        if (!item)
            throw std::system_error(item.error());
        got += *item == words(got);
    }
    co_await sends;
    p.note(got == 3 ? "received" : "wrong");
}

task<> failures(Play &p) {
    Piece piece(p);
    evloop::future<std::string> reply;
    struct Odd {};
    if (const std::int32_t rc = reply.fail(std::make_exception_ptr(Odd())); rc != 0) {
        p.told = rc == EVL_ENOMEM;
        co_return;
    }
    bool seen = false;
    try {
        (void)co_await reply;
    } catch (const Odd &) {
        seen = true;
    }
    evloop::future<std::string> given;
    if (given.resolve(words(1).c_str()) != 0)
        throw std::bad_alloc();
    const std::string taken = co_await given.take();
    p.note(seen && taken == words(1) ? "thrown" : "wrong");
}

// On this thread, where the walk counts.
task<> posted(Play &p) {
    Piece piece(p);
    const evloop::task_poster tasks;
    std::future<std::string> future = tasks.spawn(text(p, 1, 1ms));
    const auto is_ready = [&] { return future.wait_for(0s) == std::future_status::ready; };
    for (int i = 0; i < 100 && !is_ready(); i++)
        co_await evloop::sleep(1ms);
    if (!is_ready()) {
        p.note("lost");
        co_return;
    }
    const std::string got = future.get();
    p.note(got == words(1) ? "posted" : "wrong");
}

struct Scenario {
    const char *name;
    task<> (*play)(Play &);
    std::int32_t clock = EVL_CLOCK_JUMP; // which ends what nobody can end any more
};

const Scenario scenarios[] = {
    {"tasks", tasks},
    {"groups", groups},
    {"groups_that_fail", groups_that_fail},
    {"combinators", combinators},
    {"queues", queues},
    {"synchronised", synchronised},
    {"futures", futures},
    {"generators", generators},
    {"functions", functions},
    {"jobs", jobs},
    {"streams", streams},
    {"servers", servers, EVL_CLOCK_REAL}, // one without memory rests
    {"names", names},
    {"datagrams", datagrams},
    {"children", children},
    {"paths", paths},
    {"many", many},
    {"shared", shared},
    {"locals", locals},
    {"channels", channels},
    {"failures", failures},
    {"posted", posted},
};

const char *playing = "";
std::uint64_t playing_at = 0;

class OomWalk : public ::testing::TestWithParam<std::size_t> {
  public:
    OomWalk() {
        playing = scenario.name;
        before_ = std::set_terminate([] {
            std::fprintf(stderr, "terminates: %s, allocation %llu\n", playing,
                         static_cast<unsigned long long>(playing_at));
            std::abort();
        });
    }
    ~OomWalk() override { std::set_terminate(before_); }

    void make(Play &p) {
        evl_options options{};
        options.struct_size = sizeof options;
        options.clock = scenario.clock;
        options.alloc = resize_counted;
        if (const std::int32_t rc = evl_loop_new(&p.loop, &options); rc < 0) {
            p.told = rc == EVL_ENOMEM;
            p.odd = p.told ? "" : "no loop";
            return;
        }
        evl_set_error_hook(
            p.loop,
            [](void *arg, std::int64_t code) {
                auto &play = *static_cast<Play *>(arg);
                if (code == EVL_ENOMEM)
                    play.told = true;
                else
                    play.note(code == EVL_EUSER ? "user" : "code");
            },
            &p);
    }

    // Answers whether something was refused.
    bool play(std::uint64_t at) {
        Play p;
        playing_at = at;
        evloop::trim_frames();
        const std::int64_t pieces_before = pieces();
        const int fds = open_fds();
        fail_allocation(at);
        make(p);
        if (p.loop)
            try {
                // Whoever waits for somebody who had no memory would wait for ever.
                evloop::run(p.loop, evloop::timeout(12h, scenario.play(p)));
                p.note("end");
            } catch (...) {
                p.hear(std::current_exception());
            }
        const bool failed = allocation_failed();
        fail_allocation(0);
        EXPECT_EQ(p.alive, 0);
        EXPECT_TRUE(!p.loop || evl_loop_run(p.loop, EVL_RUN_DEFAULT) == EVL_RUN_DONE);
        EXPECT_EQ(evl_loop_close(p.loop), 0);
        evloop::trim_frames();
        EXPECT_EQ(pieces(), pieces_before);
        EXPECT_EQ(open_fds(), fds);
        EXPECT_EQ(p.text().find("wrong"), std::string_view::npos) << p.text();
        EXPECT_EQ(p.text().find("lost"), std::string_view::npos) << p.text();
        EXPECT_TRUE(failed || p.odd.empty()) << p.odd;
        if (at == 0)
            usual_ = p.text();
        EXPECT_TRUE(p.told || p.text() == usual_) << "nobody was told: " << p.text() << p.odd;
        return failed;
    }

    const Scenario &scenario = scenarios[GetParam()];

  private:
    std::terminate_handler before_;
    std::string usual_;
};

TEST_P(OomWalk, EveryAllocationFails) {
    play(0); // what is allocated once and for all
    play(0);
    bool failed = true;
    std::uint64_t at = 0;
    while (failed && !HasFailure()) {
        SCOPED_TRACE(std::string(scenario.name) + ", allocation " + std::to_string(++at));
        failed = play(at);
    }
    std::printf("  %-20s %4llu\n", scenario.name, static_cast<unsigned long long>(at - 1));
    EXPECT_GT(at, 5u);
}

INSTANTIATE_TEST_SUITE_P(Scenarios, OomWalk, ::testing::Range(std::size_t(0), std::size(scenarios)),
                         [](const auto &info) { return std::string(scenarios[info.param].name); });

} // namespace
