/* compiler.h - what the compilers call differently. */
#ifndef EVL_CORE_COMPILER_H
#define EVL_CORE_COMPILER_H

#include <stdatomic.h>

#if defined(__GNUC__)
#    define EVL_LIKELY(x)   __builtin_expect(!!(x), 1)
#    define EVL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#    define EVL_COLD        __attribute__((cold, noinline))
#    define EVL_APART       __attribute__((noinline)) /* so that its caller needs fewer registers */
#    define EVL_PREFETCH(p) __builtin_prefetch(p)
#else
#    define EVL_LIKELY(x)   (x)
#    define EVL_UNLIKELY(x) (x)
#    define EVL_COLD
#    define EVL_APART
#    define EVL_PREFETCH(p) ((void)(p))
#endif

#if defined(__has_builtin)
#    define EVL_HAS(builtin) __has_builtin(builtin)
#else
#    define EVL_HAS(builtin) 0
#endif

#if defined(__has_feature)
#    define EVL_HAS_FEATURE(feature) __has_feature(feature)
#else
#    define EVL_HAS_FEATURE(feature) 0
#endif

/* What was written before is there for a forked child that sees what is written after. ThreadSanitizer knows
 * no fences, and needs none here: other threads are kept out by a lock. */
#if defined(__SANITIZE_THREAD__) || EVL_HAS_FEATURE(thread_sanitizer)
#    define EVL_PUBLISH() atomic_signal_fence(memory_order_release)
#else
#    define EVL_PUBLISH() atomic_thread_fence(memory_order_release)
#endif

#endif
