// evloop/shield.hpp - waiting for a task without passing a cancellation on to it.
//
//     co_await evloop::shield(save(page)); // goes on to its end, whatever happens to who waits
#pragma once

#include "await.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

// A join that passes nothing on.
struct shielding {
    static constexpr wait_kind kind_of = {"shield", joining::start, joining::cancel, joining::leave,
                                          false,    nullptr,        nullptr};
};

} // namespace detail

// Gives what the task gives. A cancellation ends the wait alone; what the task throws after that goes to the
// loop's error hook.
template <class T>
auto shield(spawned<T> &job) noexcept {
    return detail::join_awaiter<T, std::add_lvalue_reference_t<T>>(job.state(), detail::shielding::kind_of);
}

// Spawns the task into the scope of the running one first. Errors: as spawn.
template <class T>
auto shield(task<T> what, std::source_location here = std::source_location::current()) {
    spawned<T> job = spawn(std::move(what), begin::queued, here);
    detail::join_awaiter<T, T> wait(job.state(), detail::shielding::kind_of);
    std::move(job).detach();
    return wait;
}

} // namespace evloop::inline EVLOOP_CPP_ABI
