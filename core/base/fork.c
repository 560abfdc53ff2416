#if defined(__linux__) && !defined(_GNU_SOURCE)
#    define _GNU_SOURCE /* MADV_WIPEONFORK */
#endif
#include "fork.h"

#include <evloop/errors.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#define NO_SUCH_ADVICE (-1)

static atomic_uint fallback_words[2];
static atomic_uint last_generation; /* inherited by a child, so that its generations are new ones */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int status;

atomic_uint *evl_fork_word = fallback_words;

static void forget_in_child(void) {
    for (int i = 0; i < 2; i++)
        atomic_store_explicit(&fallback_words[i], 0, memory_order_relaxed);
}

/* An emulator of system calls (qemu-user) may take every advice and follow none: one
 * that does not exist is asked for first. */
static bool wiped_on_fork(void *page, size_t size) {
#if defined(MADV_WIPEONFORK)
    return madvise(page, size, NO_SUCH_ADVICE) != 0 && madvise(page, size, MADV_WIPEONFORK) == 0;
#elif defined(INHERIT_ZERO)
    return minherit(page, size, INHERIT_ZERO) == 0;
#else
    (void)page;
    (void)size;
    return false;
#endif
}

/* A page that is wiped also sees a raw clone; a handler of pthread_atfork sees only fork. These calls come
 * once in a process, before its first loop, and so are not in the table of system calls. */
static void set_up(void) {
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0);
    if (page != MAP_FAILED) {
        if (wiped_on_fork(page, size)) {
            evl_fork_word = page;
            return;
        }
        (void)munmap(page, size);
    }
    status = evl_err_from_errno(pthread_atfork(NULL, NULL, forget_in_child));
}

int evl_fork_generation(uint32_t *out) {
    (void)pthread_once(&once, set_up);
    if (status != 0)
        return status;
    uint32_t now = evl_fork_now();
    if (now == 0) {
        uint32_t fresh = atomic_fetch_add(&last_generation, 1) + 1;
        if (atomic_compare_exchange_strong(evl_fork_word, &now, fresh))
            now = fresh; /* else another thread was first, and `now` is its generation */
    }
    *out = now;
    return 0;
}
