// evloop/config.hpp - what differs between builds of this layer: exceptions, and with them the namespace.
//
// A unit built with -fno-exceptions gets the same names in another inline namespace, so that it may be linked
// with units that have exceptions: nothing that throws is taken for its silent twin. NDEBUG and optimisation
// change nothing here.
#pragma once

#include <evloop.h>

#ifdef __cpp_exceptions
#    define EVLOOP_EXCEPTIONS 1
#    define EVLOOP_CPP_ABI    v0
#else
#    define EVLOOP_EXCEPTIONS 0
#    define EVLOOP_CPP_ABI    v0_noexcept
#endif
