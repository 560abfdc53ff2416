// evloop/path.hpp - watched paths: with a function, or awaited. Not part of evloop.hpp.
//
//     evloop::path_changes config("/etc/app.conf");
//     while (std::uint32_t what = co_await config.next())
//         if (what & EVL_PATH_CHANGED)
//             reload();
#pragma once

#include "handles.hpp"
#include "op.hpp"
#include "sync.hpp"

#include <utility>

namespace evloop::inline EVLOOP_CPP_ABI {

// Watches a path. The function gets a mask of EVL_PATH_*, or a negative error, which is the last it gets.
class path : public handle {
  public:
    path() noexcept = default;
#if EVLOOP_EXCEPTIONS
    template <callable F>
    path(loop_ref loop, const char *where, F &&fn) : path(make(loop, where, std::forward<F>(fn)).value()) {}
#endif
    // Errors: those of evl_path_new.
    template <callable F>
    static result<path> make(loop_ref loop, const char *where, F &&fn) {
        return made<path>(loop, std::forward<F>(fn), [=](evl_loop *c, void *arg, evl_handle **out) {
            return evl_path_new(c, where, done, arg, out);
        });
    }

    // The path, as it was given.
    const char *text() const noexcept {
        const char *text = evl_path_text(c());
        return text ? text : "";
    }
};

#if EVLOOP_EXCEPTIONS

// The same to be awaited, by one task at a time. Stays where it is made. Who still waits when it is destroyed
// ends with EVL_ECLOSED.
class path_changes : public detail::followed<path_changes> {
  public:
    explicit path_changes(const char *where, loop_ref loop = this_loop())
        : happened_(loop), watched_(loop, where, [this](std::int64_t what) noexcept { hear(what); }) {}
    path_changes(const path_changes &) = delete;

    class [[nodiscard("co_await it")]] next_awaitable : public op_awaitable<next_awaitable, std::uint32_t> {
      public:
        static constexpr const char *name = "path";
        explicit next_awaitable(path_changes &of) noexcept : of_(of) {}
        std::int32_t start(evl_loop *, evl_op *op) noexcept {
            return of_.get() ? evl_event_wait(of_.get()->happened_.c(), op) : EVL_ECLOSED;
        }
        std::int64_t settle(std::int64_t) noexcept {
            const path_changes *of = of_.get();
            if (!of)
                return EVL_ECLOSED;
            return of->what_ != 0 ? 0 : of->error_;
        }
        std::uint32_t finish(std::int64_t) noexcept { return of_.get()->take(); }

      private:
        reference of_;
    };

    // Awaited: what happened since it was last told, EVL_PATH_*. Fails with what ended the watching.
    next_awaitable next() noexcept { return next_awaitable(*this); }

    // The path that is watched.
    const char *text() const noexcept { return watched_.text(); }

  private:
    void hear(std::int64_t what) noexcept {
        if (what < 0)
            error_ = what;
        else
            what_ |= static_cast<std::uint32_t>(what);
        happened_.set();
    }
    std::uint32_t take() noexcept {
        if (error_ == 0)
            happened_.clear();
        return std::exchange(what_, 0);
    }

    event happened_;
    path watched_;
    std::uint32_t what_ = 0;
    std::int64_t error_ = 0; // the last that is heard
};

#endif

} // namespace evloop::inline EVLOOP_CPP_ABI
