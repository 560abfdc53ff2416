/* stack.c - memory for stacks: mapped, with a guard page below, and kept for the next fiber of the thread. */
#include "internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_include)
#    if __has_include(<valgrind/valgrind.h>)
#        include <valgrind/valgrind.h>
#    endif
#endif
#if !defined(VALGRIND_STACK_REGISTER)
#    define VALGRIND_STACK_REGISTER(low, high) 0
#    define VALGRIND_STACK_DEREGISTER(id)      ((void)(id))
#endif

#if defined(__SANITIZE_ADDRESS__)
#    define ASAN 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define ASAN 1
#    endif
#endif
#if defined(ASAN)
#    include <sanitizer/asan_interface.h>
#else
#    define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at))
#endif

#if !defined(MAP_STACK)
#    define MAP_STACK 0
#endif
#if !defined(MAP_NORESERVE)
#    define MAP_NORESERVE 0
#endif

enum { KEPT = 64, PAINT = 0xa5 };

/* Stacks of the default size without a fiber, one linked to the next at its top. */
typedef struct kept {
    char *first; /* the top of the stack, less a pointer */
    int count;
} kept;

static _Thread_local kept spare;
static pthread_key_t at_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static size_t page(void) {
    static _Atomic size_t known;
    size_t size = atomic_load_explicit(&known, memory_order_relaxed);
    if (size == 0)
        atomic_store_explicit(&known, size = (size_t)sysconf(_SC_PAGESIZE), memory_order_relaxed);
    return size;
}

/* Linux has guard pages since 6.13 that need no mapping of their own. */
static bool guard(char *at) {
#if defined(__linux__)
    enum { GUARD_INSTALL = 102, NO_HUGE_PAGES = 15 };
    if (madvise(at, page(), GUARD_INSTALL) == 0)
        return true;
    (void)madvise(at + page(), 1, NO_HUGE_PAGES);
#endif
    return mprotect(at, page(), PROT_NONE) == 0;
}

static void unmap(char *low, size_t size, bool guarded) {
    size_t below = guarded ? page() : 0;
    (void)munmap(low - below, size + below);
}

static char **link_of(char *low) { return (char **)(void *)(low + FIBER_STACK - sizeof(char *)); }

int32_t evl_fiber_trim(void) {
    int32_t count = 0;
    for (; spare.first; count++) {
        char *low = spare.first;
        spare.first = *link_of(low);
        unmap(low, FIBER_STACK, true);
    }
    spare.count = 0;
    return count;
}

static void trim(void *unused) {
    (void)unused;
    (void)evl_fiber_trim();
}

static void make_key(void) { (void)pthread_key_create(&at_exit, trim); }

static int32_t map(fiber_stack *stack) {
    size_t below = stack->guarded ? page() : 0;
    char *low = mmap(NULL, stack->size + below, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (low == MAP_FAILED)
        return EVL_ENOMEM;
    stack->low = low + below;
    if (!stack->guarded || guard(low))
        return 0;
    unmap(stack->low, stack->size, true);
    return EVL_ENOMEM;
}

int32_t fiber_stack_new(size_t size, bool guarded, fiber_stack *out) {
    out->size = (size + page() - 1) / page() * page();
    out->guarded = guarded;
    if (out->size == FIBER_STACK && guarded && spare.first) {
        out->low = spare.first;
        spare.first = *link_of(out->low);
        spare.count--;
    } else if (map(out) != 0)
        return EVL_ENOMEM;
#if defined(EVLOOP_CHECKS)
    memset(out->low, PAINT, out->size);
#endif
    out->valgrind = VALGRIND_STACK_REGISTER(out->low, out->low + out->size - 1);
    return 0;
}

void fiber_stack_free(fiber_stack *stack) {
    VALGRIND_STACK_DEREGISTER(stack->valgrind);
    ASAN_UNPOISON_MEMORY_REGION(stack->low, stack->size);
    if (stack->size != FIBER_STACK || !stack->guarded || spare.count >= KEPT) {
        unmap(stack->low, stack->size, stack->guarded);
        return;
    }
    (void)pthread_once(&once, make_key);
    if (spare.count == 0)
        (void)pthread_setspecific(at_exit, &spare);
    *link_of(stack->low) = spare.first;
    spare.first = stack->low;
    spare.count++;
}

int64_t fiber_stack_used(const fiber_stack *stack) {
#if defined(EVLOOP_CHECKS)
    size_t unused = 0;
    while (unused < stack->size && (unsigned char)stack->low[unused] == PAINT)
        unused++;
    return (int64_t)(stack->size - unused);
#else
    (void)stack;
    return EVL_ENOTSUP;
#endif
}
