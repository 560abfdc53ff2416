// allocations.cpp - operator new and delete of the test binary.
#include "allocations.hpp"

#include <cstdlib>
#include <new>

namespace {

thread_local std::uint64_t calls = 0;
thread_local std::uint64_t fail_at = 0;

void *take(std::size_t size) noexcept {
    if (++calls == fail_at)
        return nullptr;
    return std::malloc(size != 0 ? size : 1);
}

void *take_or_throw(std::size_t size) {
    if (void *memory = take(size))
        return memory;
    throw std::bad_alloc();
}

} // namespace

namespace support {

std::uint64_t allocations() { return calls; }
void fail_allocation(std::uint64_t nth) { fail_at = calls + nth; }

} // namespace support

void *operator new(std::size_t size) { return take_or_throw(size); }
void *operator new[](std::size_t size) { return take_or_throw(size); }
void *operator new(std::size_t size, const std::nothrow_t &) noexcept { return take(size); }
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept { return take(size); }
void operator delete(void *memory) noexcept { std::free(memory); }
void operator delete[](void *memory) noexcept { std::free(memory); }
void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void *memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void *memory, const std::nothrow_t &) noexcept { std::free(memory); }
void operator delete[](void *memory, const std::nothrow_t &) noexcept { std::free(memory); }
