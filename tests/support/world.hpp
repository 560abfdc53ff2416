// world.hpp - a loop and everything on it, so that a test is written once for both sinks.
//
// With EVLOOP_TEST_SINK=callbacks (the default) handles are made with a function that calls the test's
// action. With EVLOOP_TEST_SINK=records they are made without one, run() pulls records and calls the action
// itself. Whatever a test makes with a function of its own is called in both: records say that callbacks want
// a turn.
#pragma once

#include "child.hpp"
#include "expect.hpp"
#include "fds.hpp"
#include "memory.hpp"
#include "sys.hpp"

#include <deque>
#include <evloop.h>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace support {

constexpr int64_t us = 1000;
constexpr int64_t ms = 1000 * us;
constexpr int64_t sec = 1000 * ms;

// Which sink this process tests.
bool records();

// Whether long loops should be shorter: under a sanitizer, or with EVLOOP_TEST_SLOW set (Valgrind).
bool slow();

// What happens: a function of the result, or of nothing. Not std::function, which is four times as many
// functions to compile for each of the thousands of lambdas.
class Action {
  public:
    template <class F>
        requires(!std::is_same_v<F, Action>)
    Action(F fn) : fn_(new F(std::move(fn))), call_(call_it<F>), free_(free_it<F>) {}
    Action(Action &&other) noexcept : fn_(other.fn_), call_(other.call_), free_(other.free_) {
        other.fn_ = nullptr;
    }
    ~Action() {
        if (fn_)
            free_(fn_);
    }
    void operator()(int64_t result) const { call_(fn_, result); }

  private:
    template <class F>
    static void call_it(void *fn, int64_t result) {
        if constexpr (std::is_invocable_v<F &, int64_t>)
            (*static_cast<F *>(fn))(result);
        else
            (*static_cast<F *>(fn))();
    }
    template <class F>
    static void free_it(void *fn) {
        delete static_cast<F *>(fn);
    }

    void *fn_;
    void (*call_)(void *fn, int64_t result);
    void (*free_)(void *fn);
};

struct Options {
    int32_t clock = EVL_CLOCK_JUMP;
    uint32_t flags = 0;
    uint32_t poll_interval = 0;
    const char *name = nullptr;
    int32_t cap = 1; // records fetched at a time
    uint32_t events_per_pass = 0;
    evl_fn *host_unlock = nullptr;
    evl_fn *host_lock = nullptr;
    void *host_arg = nullptr;
};

class World {
  public:
    explicit World(Options options = {});
    World(const World &) = delete;
    ~World(); // destroys the loop; a test failure when memory is left

    evl_loop *loop = nullptr;
    Memory memory;
    int32_t cap;

    // Making things. The result is the handle; a test failure when it could not be made.
    evl_io *io(int fd, uint32_t mask, Action action, uint32_t flags = 0);
    evl_timer *timer(Action action);
    evl_timer *timer_at(int64_t deadline, Action action, int64_t repeat = 0);
    evl_timer *timer_in(int64_t delay, Action action, int64_t repeat = 0);
    evl_wall *wall_at(int64_t unix_ns, Action action, int64_t repeat = 0);
    evl_signal *signal(int signo, Action action);
    evl_hook *hook(int32_t when, Action action); // always a callback
    void call(Action action);
    void call_owned(Action action, std::function<void()> drop);
    void call_inside(Action action); // always a callback: runs inside the loop in either sink
    int32_t post(Action action);     // any thread; the answer of evl_post
    int32_t post_owned(Action action, std::function<void()> drop);
    evl_op *op(Action action, uint32_t flags = 0); // initialised, in memory of the world
    evl_op *defer(Action action);

    // The pair that the raw calls take: a function, or NULL in the records sink, and its argument.
    static evl_done_fn *done();
    static evl_fn *plain();
    static void always(void *arg); // a function in either sink
    void *arg(Action action, std::function<void()> drop = {});
    static void drop(void *arg);

    // evl_loop_run in either sink. once and nowait do exactly the pass's snapshot.
    int32_t run();
    int32_t once();
    int32_t nowait();
    int32_t forever();
    int32_t dispatch(const evl_poll_row *rows = nullptr, int32_t n = 0);

    // One pass that does not wait: one evl_loop_run or one evl_loop_records, and what it gave.
    int32_t step();

    void stop(int32_t result); // evl_stop, on the loop's thread

    // What happened, in order: note("a") ... log() == "a b c".
    void note(const std::string &word);
    std::string log() const;
    void clear() { words_.clear(); }
    Action says(std::string word);

    evl_metrics metrics() const;
    uint32_t caps() const { return evl_backend_caps(loop); }
    bool on(const char *backend) const { return std::string(evl_loop_backend(loop)) == backend; }

    // Ends the loop before the world does. close() answers evl_loop_close, and on 0 the loop is gone.
    int32_t close();
    int32_t destroy();

  private:
    struct Slot;
    static void call_done(void *arg, int64_t result);
    void take(const evl_record &record);
    int32_t pull(int64_t timeout);
    int32_t pass(int64_t timeout);
    int32_t pump();
    int32_t end_of_run() const;

    std::deque<std::unique_ptr<Slot>> slots_;
    std::mutex slots_mutex_;
    std::deque<evl_op> ops_;
    std::vector<std::string> words_;
    evl_op marker_;
    bool marked_ = false;
    bool stopping_ = false;
    bool stopped_ = false;
    int32_t stop_result_ = 0;
};

// Runs body on another thread and waits for it.
void on_thread(const std::function<void()> &body);

// Waits, without a limit but the test's, until the condition holds; for what other threads and the kernel do.
void until(const std::function<bool()> &condition);

} // namespace support
