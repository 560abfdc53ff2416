// allocations.hpp - counts what a piece of code allocates with new, on its own thread.
#pragma once

#include <cstddef>
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

// The nth call of operator new on this thread from now on fails (1: the next; 0: none), once.
void fail_allocation(std::uint64_t nth);

// Whether it has.
bool allocation_failed();

// For evl_options.alloc: a loop's allocations count and fail with those of new.
void *resize_counted(void *ctx, void *ptr, std::size_t old_size, std::size_t new_size);

// Pieces that are allocated now in either way, by all threads.
std::int64_t pieces();

} // namespace support
