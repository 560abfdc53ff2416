/* compiler.h - what the compilers call differently. */
#ifndef EVL_CORE_COMPILER_H
#define EVL_CORE_COMPILER_H

#if defined(__GNUC__)
#    define EVL_LIKELY(x)   __builtin_expect(!!(x), 1)
#    define EVL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#    define EVL_COLD        __attribute__((cold, noinline))
#    define EVL_APART       __attribute__((noinline)) /* so that its caller needs fewer registers */
#else
#    define EVL_LIKELY(x)   (x)
#    define EVL_UNLIKELY(x) (x)
#    define EVL_COLD
#    define EVL_APART
#endif

#if defined(__has_builtin)
#    define EVL_HAS(builtin) __has_builtin(builtin)
#else
#    define EVL_HAS(builtin) 0
#endif

#endif
