/* compiler.h - what the compilers call differently. */
#ifndef EVL_CORE_COMPILER_H
#define EVL_CORE_COMPILER_H

#if defined(__GNUC__)
#    define EVL_LIKELY(x)   __builtin_expect(!!(x), 1)
#    define EVL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#    define EVL_COLD        __attribute__((cold, noinline))
#else
#    define EVL_LIKELY(x)   (x)
#    define EVL_UNLIKELY(x) (x)
#    define EVL_COLD
#endif

#if defined(__has_builtin)
#    define EVL_HAS(builtin) __has_builtin(builtin)
#else
#    define EVL_HAS(builtin) 0
#endif

#endif
