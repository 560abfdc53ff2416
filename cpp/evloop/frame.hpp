// evloop/frame.hpp - memory for coroutine frames and tasks: free lists of the thread.
//
// A frame goes back to the lists of the thread that frees it, whichever made it, so that frames may be made
// before there is a loop and freed after it, on any thread. A list keeps 256 KiB; the rest goes back to the
// system, and everything when the thread ends or trims.
//
// Frames are aligned as operator new aligns. No compiler asks for more, whatever a coroutine has in its frame
// (GCC bug 104177; Clang without -fcoro-aligned-allocation), so that a type that needs more, __m256 or what
// is alignas(64), must not be a variable, a parameter or a temporary of a coroutine: let it lie on the heap.
// What of this can be seen at compile time does not build.
#pragma once

#include "config.hpp"

#include <coroutine>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#    define EVLOOP_POISON_FRAMES 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define EVLOOP_POISON_FRAMES 1
#    endif
#endif
#ifdef EVLOOP_POISON_FRAMES
extern "C" void __asan_poison_memory_region(const volatile void *, std::size_t);
extern "C" void __asan_unpoison_memory_region(const volatile void *, std::size_t);
#endif

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

inline void poison([[maybe_unused]] void *memory, [[maybe_unused]] std::size_t size) noexcept {
#ifdef EVLOOP_POISON_FRAMES
    __asan_poison_memory_region(memory, size);
#endif
}

inline void unpoison([[maybe_unused]] void *memory, [[maybe_unused]] std::size_t size) noexcept {
#ifdef EVLOOP_POISON_FRAMES
    __asan_unpoison_memory_region(memory, size);
#endif
}

struct free_frame {
    free_frame *next;
};

struct frame_lists {
    static constexpr std::size_t step = 32;
    static constexpr std::size_t lists = 64;
    static constexpr std::size_t kept = 256 * 1024;

    // Sizes are rounded up to a multiple of a step, less what most allocators put in front of a piece.
    static constexpr std::size_t list_of(std::size_t size) noexcept { return (size + 7) / step; }
    static constexpr std::size_t size_of(std::size_t list) noexcept { return (list + 1) * step - 8; }

    free_frame *head[lists];
    std::size_t bytes[lists];
    enum : unsigned char { unused, open, closed } state;

    void trim() noexcept {
        for (std::size_t list = 0; list < lists; list++) {
            while (free_frame *frame = head[list]) {
                unpoison(frame, size_of(list));
                head[list] = frame->next;
                ::operator delete(frame);
            }
            bytes[list] = 0;
        }
    }
};

inline thread_local constinit frame_lists frames{};

// Frees what is kept when the thread ends. What is freed after that is not kept.
struct frame_trimmer {
    ~frame_trimmer() {
        frames.trim();
        frames.state = frame_lists::closed;
    }
};

inline bool frames_open() noexcept {
    if (frames.state == frame_lists::unused) [[unlikely]] {
        static thread_local frame_trimmer trimmer;
        (void)&trimmer;
        frames.state = frame_lists::open;
    }
    return frames.state == frame_lists::open;
}

// Not inline in the caller, which may be a coroutine: the compiler would keep the address of `frames` over a
// suspension, after which it may be another thread's. NULL: out of memory.
[[gnu::noinline]] inline void *frame_new(std::size_t size) noexcept {
    const std::size_t list = frame_lists::list_of(size);
    if (list >= frame_lists::lists)
        return ::operator new(size, std::nothrow);
    const std::size_t rounded = frame_lists::size_of(list);
    free_frame *frame = frames.head[list];
    if (!frame)
        return ::operator new(rounded, std::nothrow);
    unpoison(frame, rounded);
    frames.head[list] = frame->next;
    frames.bytes[list] -= rounded;
    return frame;
}

[[gnu::noinline]] inline void frame_delete(void *memory, std::size_t size) noexcept {
    const std::size_t list = frame_lists::list_of(size);
    const std::size_t rounded = frame_lists::size_of(list);
    if (list >= frame_lists::lists || !frames_open() || frames.bytes[list] + rounded > frame_lists::kept) {
        ::operator delete(memory);
        return;
    }
    frames.head[list] = ::new (memory) free_frame{frames.head[list]};
    frames.bytes[list] += rounded;
    poison(memory, rounded);
}

// Whether T may lie in the frame of a coroutine.
template <class T>
constexpr bool fits_frame = alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__;
template <class T>
constexpr bool fits_frame<T &> = true;
template <>
inline constexpr bool fits_frame<void> = true;
#define EVLOOP_ALIGNED_TOO_STRICTLY                                                                          \
    "coroutine frames are not aligned that strictly: let it lie on the heap, and give a pointer to it"

// Memory for a T, which need not fit a frame: from the lists where it does. NULL: out of memory.
template <class T>
void *object_new() noexcept {
    if constexpr (fits_frame<T>)
        return frame_new(sizeof(T));
    else
        return ::operator new(sizeof(T), std::align_val_t(alignof(T)), std::nothrow);
}
template <class T>
void object_delete(void *memory) noexcept {
    if constexpr (fits_frame<T>)
        frame_delete(memory, sizeof(T));
    else
        ::operator delete(memory, std::align_val_t(alignof(T)));
}

// A T there, made by construct(memory), which may throw. NULL: out of memory.
template <class T, class Construct>
T *object_make(Construct construct) {
    struct place {
        void *memory;
        ~place() {
            if (memory)
                object_delete<T>(memory);
        }
    } at{object_new<T>()};
    if (at.memory)
        construct(at.memory);
    return static_cast<T *>(std::exchange(at.memory, nullptr));
}

// Destroys what object_make has made. NULL: nothing.
template <class T>
void object_end(T *object) noexcept {
    if (!object)
        return;
    std::destroy_at(object);
    object_delete<T>(object);
}

// Suspends a coroutine before its first step.
//
// GCC before 12.3 lays the frame out wrongly (its bug 106188) when a coroutine awaits in the condition of an
// if or a switch and declares nothing at its outermost level. Such a coroutine cannot run; saying so is all
// that can be done, for it would not even run into an error. To declare a variable at its top mends it.
#if defined(__GNUC__) && !defined(__clang__) && (__GNUC__ < 12 || (__GNUC__ == 12 && __GNUC_MINOR__ < 3))
struct suspend_at_start {
    void *frame; // as the promise computes it
    explicit suspend_at_start(std::coroutine_handle<> self) noexcept : frame(self.address()) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept {
        if (self.address() == frame) [[likely]]
            return;
        std::fputs("GCC before 12.3 breaks this coroutine (bug 106188): declare a variable at its top\n",
                   stderr);
        std::abort();
    }
    void await_resume() const noexcept {}
};
#else
struct suspend_at_start : std::suspend_always {
    explicit suspend_at_start(std::coroutine_handle<>) noexcept {}
};
#endif

// A base for promises whose frames come from the lists.
struct frame_memory {
#if EVLOOP_EXCEPTIONS
    static void *operator new(std::size_t size) {
        void *memory = frame_new(size);
        if (!memory) [[unlikely]]
            throw std::bad_alloc();
        return memory;
    }
#else
    static void *operator new(std::size_t size) noexcept { return frame_new(size); }
    static void *operator new(std::size_t size, const std::nothrow_t &) noexcept { return frame_new(size); }
#endif
    static void operator delete(void *memory, std::size_t size) noexcept { frame_delete(memory, size); }
};

} // namespace detail

// Gives back the memory that this thread keeps for frames. @thread any
[[gnu::noinline]] inline void trim_frames() noexcept { detail::frames.trim(); }

} // namespace evloop::inline EVLOOP_CPP_ABI
