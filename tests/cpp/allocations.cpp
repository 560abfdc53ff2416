// allocations.cpp - operator new and delete of the test binary.
#include "allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

thread_local std::uint64_t calls = 0;
thread_local std::uint64_t fail_at = 0;
std::atomic<std::int64_t> alive{0};

bool fails() noexcept { return ++calls == fail_at; }

void *take(std::size_t size) noexcept {
    void *memory = fails() ? nullptr : std::malloc(size != 0 ? size : 1);
    alive.fetch_add(memory != nullptr, std::memory_order_relaxed);
    return memory;
}

void *take_or_throw(std::size_t size) {
    if (void *memory = take(size))
        return memory;
    throw std::bad_alloc();
}

void give(void *memory) noexcept {
    alive.fetch_sub(memory != nullptr, std::memory_order_relaxed);
    std::free(memory);
}

} // namespace

namespace support {

std::uint64_t allocations() { return calls; }
void fail_allocation(std::uint64_t nth) { fail_at = nth != 0 ? calls + nth : 0; }
bool allocation_failed() { return fail_at != 0 && calls >= fail_at; }
std::int64_t pieces() { return alive.load(std::memory_order_relaxed); }

void *resize_counted(void *, void *ptr, std::size_t, std::size_t new_size) {
    if (new_size == 0) {
        give(ptr);
        return nullptr;
    }
    void *memory = fails() ? nullptr : std::realloc(ptr, new_size);
    alive.fetch_add(memory != nullptr && ptr == nullptr, std::memory_order_relaxed);
    return memory;
}

} // namespace support

void *operator new(std::size_t size) { return take_or_throw(size); }
void *operator new[](std::size_t size) { return take_or_throw(size); }
void *operator new(std::size_t size, const std::nothrow_t &) noexcept { return take(size); }
void *operator new[](std::size_t size, const std::nothrow_t &) noexcept { return take(size); }
void operator delete(void *memory) noexcept { give(memory); }
void operator delete[](void *memory) noexcept { give(memory); }
void operator delete(void *memory, std::size_t) noexcept { give(memory); }
void operator delete[](void *memory, std::size_t) noexcept { give(memory); }
void operator delete(void *memory, const std::nothrow_t &) noexcept { give(memory); }
void operator delete[](void *memory, const std::nothrow_t &) noexcept { give(memory); }
