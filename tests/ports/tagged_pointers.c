/* An allocator whose pointers carry a tag in the highest byte, as Android's do on arm64, where the processor
 * ignores it. Watchers, several for one fd, and the loop's own wake all come back from the kernel as who they
 * are. */
#include <evloop.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TAG_SHIFT 56

static void *with_tag(void *ptr) {
    return ptr ? (void *)((uintptr_t)ptr | (uintptr_t)UINT64_C(0xb4) << TAG_SHIFT) : NULL;
}

static void *without(void *ptr) { return (void *)((uintptr_t)ptr & (((uintptr_t)1 << TAG_SHIFT) - 1)); }

static void *tagged(void *ctx, void *ptr, size_t old_size, size_t new_size) {
    (void)ctx;
    (void)old_size;
    if (new_size == 0) {
        free(without(ptr));
        return NULL;
    }
    return with_tag(realloc(without(ptr), new_size));
}

static void count(void *arg, int64_t mask) {
    (void)mask;
    ++*(int *)arg;
}

static void count_post(void *arg) { ++*(int *)arg; }

static int check(const char *backend) {
    evl_options options = {.struct_size = sizeof options, .backend = backend, .alloc = tagged};
    evl_loop *loop;
    evl_io *first, *second;
    int pair[2], heard = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || write(pair[1], "x", 1) != 1)
        return 1;
    if (evl_loop_new(&loop, &options) != 0 ||
        evl_io_new(loop, pair[0], EVL_READ, 0, count, &heard, &first) != 0 ||
        evl_io_new(loop, pair[0], EVL_READ, 0, count, &heard, &second) != 0 ||
        evl_post(loop, count_post, &heard) != 0)
        return 2;
    if (evl_loop_run(loop, EVL_RUN_NOWAIT) < 0 || heard != 3)
        return 3;
    evl_close(first);
    evl_close(second);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return evl_loop_close(loop) != 0 ? 4 : 0;
}

int main(void) {
    (void)prctl(55 /* PR_SET_TAGGED_ADDR_CTRL */, 1UL, 0UL, 0UL,
                0UL); /* or system calls would refuse the pointers */
    const char *const backends[] = {"epoll", "select"};
    for (int i = 0; i < 2; i++) {
        int rc = check(backends[i]);
        if (rc != 0) {
            (void)fprintf(stderr, "%s: %d\n", backends[i], rc);
            return rc;
        }
    }
    return 0;
}
