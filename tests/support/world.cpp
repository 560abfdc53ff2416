#include "world.hpp"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace support {

struct World::Slot {
    Action action;
    std::function<void()> drop;
};

bool records() {
    static const bool answer = [] {
        const char *sink = std::getenv("EVLOOP_TEST_SINK");
        if (sink && std::strcmp(sink, "records") != 0 && std::strcmp(sink, "callbacks") != 0)
            std::abort();
        return sink && std::strcmp(sink, "records") == 0;
    }();
    return answer;
}

bool slow() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
    return std::getenv("EVLOOP_TEST_SLOW") != nullptr;
#endif
}

World::World(Options o) : cap(o.cap) {
    evl_options options{};
    options.struct_size = sizeof options;
    options.flags = o.flags;
    options.clock = o.clock;
    options.poll_interval = o.poll_interval;
    options.alloc = Memory::resize;
    options.alloc_ctx = &memory;
    options.name = o.name;
    options.events_per_pass = o.events_per_pass;
    options.host_unlock = o.host_unlock;
    options.host_lock = o.host_lock;
    options.host_arg = o.host_arg;
    EXPECT_EQ(evl_loop_new(&loop, &options), 0);
    const char *wanted = std::getenv("EVLOOP_BACKEND");
    if (loop && wanted && *wanted) {
        EXPECT_STREQ(evl_loop_backend(loop), wanted);
    }
    EXPECT_EQ(evl_op_init(&marker_, nullptr, &marker_, 0), 0);
}

World::~World() {
    if (loop) {
        EXPECT_EQ(destroy(), 0);
    }
}

int32_t World::close() {
    int32_t rc = evl_loop_close(loop);
    if (rc == 0)
        loop = nullptr;
    return rc;
}

int32_t World::destroy() { return evl_loop_destroy(std::exchange(loop, nullptr)); }

void World::call_done(void *arg, int64_t result) { static_cast<Slot *>(arg)->action(result); }
void World::always(void *arg) { static_cast<Slot *>(arg)->action(0); }
void World::drop(void *arg) { static_cast<Slot *>(arg)->drop(); }
evl_done_fn *World::done() { return records() ? nullptr : call_done; }
evl_fn *World::plain() { return records() ? nullptr : always; }

void *World::arg(Action action, std::function<void()> drop) {
    std::lock_guard lock(slots_mutex_);
    slots_.push_back(std::make_unique<Slot>(Slot{std::move(action), std::move(drop)}));
    return slots_.back().get();
}

evl_io *World::io(int fd, uint32_t mask, Action action, uint32_t flags) {
    evl_io *io = nullptr;
    EXPECT_EQ(evl_io_new(loop, fd, mask, flags, done(), arg(std::move(action)), &io), 0);
    return io;
}

evl_timer *World::timer(Action action) {
    evl_timer *timer = nullptr;
    EXPECT_EQ(evl_timer_new(loop, done(), arg(std::move(action)), &timer), 0);
    return timer;
}

evl_timer *World::timer_at(int64_t deadline, Action action, int64_t repeat) {
    evl_timer *t = timer(std::move(action));
    EXPECT_EQ(evl_timer_start_at(t, deadline, repeat), 0);
    return t;
}

evl_timer *World::timer_in(int64_t delay, Action action, int64_t repeat) {
    evl_timer *t = timer(std::move(action));
    EXPECT_EQ(evl_timer_start_in(t, delay, repeat), 0);
    return t;
}

evl_wall *World::wall_at(int64_t unix_ns, Action action, int64_t repeat) {
    evl_wall *wall = nullptr;
    EXPECT_EQ(evl_wall_new(loop, done(), arg(std::move(action)), &wall), 0);
    EXPECT_EQ(evl_wall_start_at(wall, unix_ns, repeat), 0);
    return wall;
}

evl_signal *World::signal(int signo, Action action) {
    evl_signal *signal = nullptr;
    EXPECT_EQ(evl_signal_new(loop, signo, done(), arg(std::move(action)), &signal), 0);
    return signal;
}

evl_hook *World::hook(int32_t when, Action action) {
    evl_hook *hook = nullptr;
    EXPECT_EQ(evl_hook_new(loop, when, always, arg(std::move(action)), &hook), 0);
    return hook;
}

void World::call(Action action) { EXPECT_EQ(evl_call_soon(loop, plain(), arg(std::move(action))), 0); }

void World::call_owned(Action action, std::function<void()> drop) {
    EXPECT_EQ(evl_call_soon_owned(loop, plain(), arg(std::move(action), std::move(drop)), World::drop), 0);
}

void World::call_inside(Action action) { EXPECT_EQ(evl_call_soon(loop, always, arg(std::move(action))), 0); }

int32_t World::post(Action action) { return evl_post(loop, plain(), arg(std::move(action))); }

int32_t World::post_owned(Action action, std::function<void()> drop) {
    return evl_post_owned(loop, plain(), arg(std::move(action), std::move(drop)), World::drop);
}

evl_op *World::op(Action action, uint32_t flags) {
    ops_.emplace_back();
    EXPECT_EQ(evl_op_init(&ops_.back(), done(), arg(std::move(action)), flags), 0);
    return &ops_.back();
}

evl_op *World::defer(Action action) {
    evl_op *deferred = op(std::move(action));
    EXPECT_EQ(evl_defer(loop, deferred), 0);
    return deferred;
}

void World::take(const evl_record &record) {
    auto data = reinterpret_cast<void *>(static_cast<uintptr_t>(record.user_data));
    if (record.kind == EVL_KIND_STOP) {
        stopped_ = true;
        stop_result_ = record.result;
    } else if (record.kind == EVL_KIND_CALLBACKS) {
        int32_t rc = evl_loop_run(loop, EVL_RUN_NOWAIT);
        if (rc != EVL_RUN_DONE && rc != EVL_RUN_ALIVE && rc != EVL_RUN_RECORDS) {
            stopped_ = true;
            stop_result_ = rc;
        }
    } else if (data == &marker_) {
        marked_ = true;
    } else if (record.kind == EVL_KIND_IO) {
        call_done(data, record.result);
    } else {
        call_done(data, record.extra);
    }
}

int32_t World::end_of_run() const {
    int32_t alive = loop ? evl_loop_alive(loop) : 0;
    return alive == 1 ? EVL_RUN_ALIVE : alive;
}

// One evl_loop_records and what it gave; answers how many there were. A stop is noted in stopped_.
int32_t World::pull(int64_t timeout) {
    std::vector<evl_record> out(static_cast<size_t>(cap));
    int32_t n = evl_loop_records(loop, out.data(), cap, timeout);
    for (int32_t i = 0; i < n && loop; i++)
        take(out[static_cast<size_t>(i)]);
    return n;
}

// One pass in the records sink, whose records may be fetched one by one: an operation deferred before the
// first action runs is behind all of this pass and before anything newer.
int32_t World::pass(int64_t timeout) {
    stopped_ = stopping_ = marked_ = false;
    evl_record first;
    int32_t n = cap == 1 ? evl_loop_records(loop, &first, 1, timeout) : pull(timeout);
    if (cap == 1 && n == 1) {
        EXPECT_EQ(evl_defer(loop, &marker_), 0);
        take(first);
        while (loop && !stopped_ && !marked_ && n > 0)
            n = pull(0);
        if (loop && stopping_ && !stopped_)
            n = pull(0); // its record is behind the mark
        if (loop)
            evl_op_close(&marker_);
    }
    if (stopped_)
        return stop_result_;
    return n < 0 ? n : end_of_run();
}

int32_t World::pump() {
    stopped_ = false;
    for (;;) {
        int32_t n = pull(-1);
        if (n < 0)
            return n;
        if (stopped_)
            return stop_result_;
        if (!loop || (n == 0 && end_of_run() <= 0))
            return loop ? end_of_run() : 0;
    }
}

int32_t World::run() { return records() ? pump() : evl_loop_run(loop, EVL_RUN_DEFAULT); }

int32_t World::forever() {
    if (!records())
        return evl_loop_run(loop, EVL_RUN_FOREVER);
    evl_loop_hold(loop); // else there is nothing to wait for
    int32_t rc = pump();
    if (loop)
        evl_loop_unhold(loop);
    return rc;
}

int32_t World::once() { return records() ? pass(-1) : evl_loop_run(loop, EVL_RUN_ONCE); }
int32_t World::nowait() { return records() ? pass(0) : evl_loop_run(loop, EVL_RUN_NOWAIT); }
int32_t World::step() { return records() ? pull(0) : evl_loop_run(loop, EVL_RUN_NOWAIT); }

int32_t World::dispatch(const evl_poll_row *rows, int32_t n) {
    int32_t rc = evl_loop_dispatch(loop, rows, n);
    if (records() && rc >= 0) {
        pass(0);
        rc = 0; // all of it has been taken
    }
    return rc;
}

void World::stop(int32_t result) {
    EXPECT_EQ(evl_stop(loop, result), 0);
    stopping_ = true;
}

void World::note(const std::string &word) { words_.push_back(word); }

std::string World::log() const {
    std::string text;
    for (const std::string &word : words_)
        text += (text.empty() ? "" : " ") + word;
    return text;
}

Action World::says(std::string word) {
    return [this, word = std::move(word)] { note(word); };
}

evl_metrics World::metrics() const {
    evl_metrics m{};
    m.struct_size = sizeof m;
    EXPECT_EQ(evl_loop_metrics(loop, &m), 0);
    return m;
}

void on_thread(const std::function<void()> &body) { std::thread(body).join(); }

void until(const std::function<bool()> &condition) {
    while (!condition())
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

} // namespace support
