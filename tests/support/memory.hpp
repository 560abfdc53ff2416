// memory.hpp - an allocator for a loop that counts, moves on every resize, poisons what it frees, checks the
// sizes it is told, and fails when asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

namespace support {

class Memory {
  public:
    Memory() = default;
    Memory(const Memory &) = delete;
    ~Memory(); // a test failure when something is still allocated

    // Allocated now, and allocating calls so far.
    size_t bytes() const;
    uint64_t calls() const;

    // The nth allocating call from now (1: the next) fails, and the `times - 1` after it; 0: none does any
    // more.
    void fail(uint64_t nth, uint64_t times = 1);
    bool failed() const; // whether one did since `fail`

    // evl_options.alloc with alloc_ctx = this.
    static void *resize(void *ctx, void *ptr, size_t old_size, size_t new_size);

  private:
    void *resize(void *ptr, size_t old_size, size_t new_size);

    mutable std::mutex mutex_;
    std::unordered_map<void *, size_t> blocks_;
    size_t bytes_ = 0;
    uint64_t calls_ = 0;
    uint64_t fail_from_ = 0;
    uint64_t fail_until_ = 0;
    bool failed_ = false;
};

} // namespace support
