// evloop/config.hpp - what differs between builds of this layer: exceptions, and with them the namespace.
//
// A unit built with -fno-exceptions gets the same names in another inline namespace, so that it may be linked
// with units that have exceptions: nothing that throws is taken for its silent twin. NDEBUG and optimisation
// change nothing here.
#pragma once

#include <evloop.h>

#include <cstdint>
#include <version>

#ifdef __cpp_exceptions
// 1 in units with exceptions, else 0.
#    define EVLOOP_EXCEPTIONS 1
// The inline namespace, which differs between the two.
#    define EVLOOP_CPP_ABI v0
#else
#    define EVLOOP_EXCEPTIONS 0
#    define EVLOOP_CPP_ABI    v0_noexcept
#endif

namespace evloop::inline EVLOOP_CPP_ABI::detail {

// The slots of evl_modules_thread and evl_modules_share: a program and its plugins have each a copy of this
// layer, which may be hidden from the others, and must have one running task and one error category. Modules
// whose tasks or whose standard libraries differ have nothing to share.
#ifdef _LIBCPP_VERSION
inline constexpr std::uint32_t library_slots = 4;
#else
inline constexpr std::uint32_t library_slots = 0;
#endif
enum : std::uint32_t {
    task_slot = library_slots + (EVLOOP_EXCEPTIONS ? 0 : 1),
    exception_slot = library_slots + 2, // on threads
    category_slot = library_slots + 3   // of the process
};

} // namespace evloop::inline EVLOOP_CPP_ABI::detail
