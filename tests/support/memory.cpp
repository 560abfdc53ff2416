#include "memory.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>
#include <thread>

namespace support {

Memory::~Memory() {
    // A thread that a destroyed loop has left behind gives back what its job had, when that returns.
    for (int i = 0; i < 2000 && bytes() != 0; i++)
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::lock_guard lock(mutex_);
    EXPECT_EQ(blocks_.size(), 0u) << "the loop left " << bytes_ << " bytes behind";
    for (auto &[ptr, size] : blocks_)
        std::free(ptr);
}

size_t Memory::bytes() const {
    std::lock_guard lock(mutex_);
    return bytes_;
}

uint64_t Memory::calls() const {
    std::lock_guard lock(mutex_);
    return calls_;
}

void Memory::fail(uint64_t nth, uint64_t times) {
    std::lock_guard lock(mutex_);
    fail_from_ = nth ? calls_ + nth : 0;
    fail_until_ = fail_from_ + times;
    failed_ = false;
}

bool Memory::failed() const {
    std::lock_guard lock(mutex_);
    return failed_;
}

void *Memory::resize(void *ctx, void *ptr, size_t old_size, size_t new_size) {
    return static_cast<Memory *>(ctx)->resize(ptr, old_size, new_size);
}

void *Memory::resize(void *ptr, size_t old_size, size_t new_size) {
    std::lock_guard lock(mutex_);
    void *fresh = nullptr;
    if (new_size != 0) {
        calls_++;
        if (fail_from_ != 0 && calls_ >= fail_from_ && calls_ < fail_until_) {
            failed_ = true;
            return nullptr;
        }
        fresh = std::malloc(new_size);
        std::memset(fresh, 0xcc, new_size);
        blocks_[fresh] = new_size;
        bytes_ += new_size;
    }
    if (!ptr) {
        EXPECT_EQ(old_size, 0u);
        return fresh;
    }
    auto found = blocks_.find(ptr);
    if (found == blocks_.end()) {
        ADD_FAILURE() << "freed or resized what was not allocated";
        return fresh;
    }
    EXPECT_EQ(found->second, old_size) << "the old size was told wrong";
    if (fresh)
        std::memcpy(fresh, ptr, std::min(found->second, new_size));
    std::memset(ptr, 0xdd, found->second);
    bytes_ -= found->second;
    blocks_.erase(found);
    std::free(ptr);
    return fresh;
}

} // namespace support
