// allocations.hpp - counts what a piece of code allocates with new, on its own thread.
#pragma once

#include <cstdint>

namespace support {

// Calls of operator new on this thread so far.
std::uint64_t allocations();

// How many of them fn makes.
template <class F>
std::uint64_t allocations_of(F &&fn) {
    const std::uint64_t before = allocations();
    fn();
    return allocations() - before;
}

// The nth call of operator new on this thread from now on fails (1: the next), once.
void fail_allocation(std::uint64_t nth);

} // namespace support
