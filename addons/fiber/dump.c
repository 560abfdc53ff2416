/* dump.c - the fibers of a loop as text. */
#include "internal.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Text that is counted, also where it does not fit. */
typedef struct text {
    char *buf;
    size_t cap, length;
} text;

static void print(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void print(text *t, const char *format, ...) {
    va_list list;
    va_start(list, format);
    size_t left = t->length < t->cap ? t->cap - t->length : 0;
    int n = vsnprintf(left ? t->buf + t->length : NULL, left, format, list);
    va_end(list);
    t->length += n > 0 ? (size_t)n : 0;
}

static void print_place(text *t, const void *where) {
    Dl_info info;
    if (!where || !dladdr(where, &info) || !info.dli_fname)
        return;
    print(t, ", at %s+0x%zx", info.dli_fname, (size_t)((const char *)where - (const char *)info.dli_fbase));
    if (info.dli_sname)
        print(t, " (%s)", info.dli_sname);
}

static void print_state(text *t, const evl_fiber *fiber) {
    static const char *const states[] = {"new", "ready", "running", "waits", "switched away", "ended"};
    print(t, ", %s", states[fiber->state]);
    if (fiber->state != EVL_FIBER_WAITING)
        return;
    print(t, ": %s for %.3f s", fiber->what, (double)(evl_now(fiber->loop) - fiber->since) / 1e9);
    print_place(t, fiber->where);
}

static void print_one(text *t, const evl_fiber *fiber) {
    print(t, "fiber %" PRIu64, fiber->id);
    if (fiber->name[0])
        print(t, " '%s'", fiber->name);
    if (fiber->requests)
        print(t, ", cancelled %u times", (unsigned)fiber->requests);
    print_state(t, fiber);
    print(t, "\n");
}

int32_t evl_fiber_dump(const evl_loop *loop, char *buf, size_t cap) {
    if (!loop || (cap && !buf))
        return EVL_EINVAL;
    const fiber_scheduler *scheduler = fiber_scheduler_find(loop);
    text t = {buf, cap, 0};
    if (cap)
        buf[0] = 0;
    for (const evl_fiber *fiber = scheduler ? scheduler->first : NULL; fiber; fiber = fiber->after)
        print_one(&t, fiber);
    return (int32_t)t.length;
}
