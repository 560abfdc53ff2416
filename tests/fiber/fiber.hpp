// fiber.hpp - fibers that run a lambda, and what the tests of them share.
#pragma once

#include "../contract/streams.hpp"

#include <evloop/fiber.h>

namespace fibers {

using namespace streams;

using Body = std::function<int64_t()>;

inline evl_fiber_options options(uint32_t flags = 0, const char *name = nullptr) {
    evl_fiber_options o{};
    o.struct_size = sizeof o;
    o.flags = flags;
    o.name = name;
    o.drop = [](void *body) { delete static_cast<Body *>(body); };
    return o;
}

inline int64_t call(void *body) { return (*static_cast<Body *>(body))(); }

// A spawned fiber, with a reference to it.
class Fiber {
  public:
    Fiber(World &w, Body body, uint32_t flags = 0, const char *name = nullptr) {
        evl_fiber_options o = options(flags, name);
        EXPECT_EQ(evl_fiber_spawn(w.loop, call, new Body(std::move(body)), &o, &fiber_), 0);
    }
    Fiber(const Fiber &) = delete;
    ~Fiber() { evl_fiber_unref(fiber_); }
    operator evl_fiber *() const { return fiber_; }
    int32_t state() const { return evl_fiber_state(fiber_); }
    int64_t result() const { return evl_fiber_result(fiber_); }

  private:
    evl_fiber *fiber_ = nullptr;
};

// One that nothing refers to.
inline void go(World &w, Body body) {
    evl_fiber_options o = options();
    EXPECT_EQ(evl_fiber_spawn(w.loop, call, new Body(std::move(body)), &o, nullptr), 0);
}

// One for switches; it gets the body as the value of its first switch.
class Switched {
  public:
    Switched(World &w, Body body, uint32_t flags = 0) : body_(std::move(body)) {
        evl_fiber_options o = options(flags);
        o.drop = nullptr;
        EXPECT_EQ(evl_fiber_new(w.loop, call, &o, &fiber_), 0);
    }
    Switched(const Switched &) = delete;
    ~Switched() { evl_fiber_unref(fiber_); }
    operator evl_fiber *() const { return fiber_; }
    int32_t start(void **received = nullptr) { return evl_fiber_switch(fiber_, &body_, received); }

  private:
    Body body_;
    evl_fiber *fiber_ = nullptr;
};

// Something that is waited for, told to the log when it goes.
struct Noted {
    Noted(World &world, std::string word) : w(world), text(std::move(word)) {}
    ~Noted() { w.note(text); }
    World &w;
    std::string text;
};

} // namespace fibers
