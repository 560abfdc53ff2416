/* inspect.c - what is open, and why a loop does not end. */
#include "../loop/access.h"
#include "../loop/blockers.h"
#include "../loop/handle.h"
#include "../loop/hook.h"
#include "../loop/loop.h"
#include "../loop/watcher.h"

#include <stdarg.h>
#include <stdio.h>

int32_t evl_loop_walk(const evl_loop *loop, uint64_t *ids, int32_t cap) {
    int rc = evl_enter_to_look(loop);
    if (rc != 0)
        return rc;
    if (cap < 0 || (cap > 0 && !ids))
        return EVL_EINVAL;
    int32_t count = 0;
    for (int kind = EVL_KIND_IO; kind < EVL_HANDLES; kind++) {
        const evl_slab *slab = &loop->handles[kind];
        for (uint32_t slot = 0; slot < evl_slab_slots(slab); slot++) {
            const evl_handle *handle = evl_slab_at(slab, slot);
            if (!evl_handle_is_shown(handle))
                continue;
            if (count < cap)
                ids[count] = evl_handle_id(handle);
            count++;
        }
    }
    return count;
}

/* --- the dump --------------------------------------------------------------------------------- */

typedef struct text {
    char *buf;
    size_t cap, len;
} text;

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
print(text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    size_t room = t->len < t->cap ? t->cap - t->len : 0;
    int n = vsnprintf(room ? t->buf + t->len : NULL, room, format, args);
    va_end(args);
    t->len += n > 0 ? (size_t)n : 0;
}

/* Names are the user's: whatever could be taken for the dump's own syntax is shown as a dot. */
static void print_name(text *t, const char *name) {
    if (!name || name[0] == '\0')
        return;
    print(t, " name=\"");
    for (; *name; name++) {
        unsigned char c = (unsigned char)*name; /* UTF-8 is shown as it is */
        print(t, "%c", c < ' ' || c == '"' || c == '\\' || c == 127 ? '.' : c);
    }
    print(t, "\"");
}

static void print_mask(text *t, uint32_t mask) {
    print(t, "%s%s%s%s", mask & EVL_READ ? "r" : "", mask & EVL_WRITE ? "w" : "", mask & EVL_PRI ? "p" : "",
          mask == 0 ? "-" : "");
}

static void print_kind(text *t, const evl_loop *loop, const evl_handle *handle) {
    switch (handle->node.kind) {
    case EVL_KIND_IO:
        print(t, "io id=%llu fd=%d mask=", (unsigned long long)evl_handle_id(handle), evl_io_fd(handle));
        print_mask(t, ((const evl_watcher *)handle)->mask);
        break;
    case EVL_KIND_TIMER:
        print(t, "timer id=%llu", (unsigned long long)evl_handle_id(handle));
        if (evl_timer_deadline(handle) != EVL_NEVER)
            print(t, " in=%lldns",
                  (long long)evl_saturated_add(evl_timer_deadline(handle), -evl_clock_read(&loop->clock)));
        break;
    case EVL_KIND_WALL:
        print(t, "wall id=%llu", (unsigned long long)evl_handle_id(handle));
        if (evl_wall_deadline(handle) != EVL_NEVER)
            print(t, " at=%lld", (long long)evl_wall_deadline(handle));
        break;
    case EVL_KIND_SIGNAL:
        print(t, "signal id=%llu signo=%d", (unsigned long long)evl_handle_id(handle),
              evl_signal_number(handle));
        break;
    case EVL_KIND_HOOK:
        print(t, "hook id=%llu when=%d", (unsigned long long)evl_handle_id(handle),
              ((const evl_hook_handle *)handle)->when);
        break;
    default: {
        char words[160];
        loop->types[handle->node.kind]->describe(handle, words, sizeof words);
        print(t, "%s", words);
    }
    }
}

static void print_handle(text *t, const evl_loop *loop, const evl_handle *handle) {
    print_kind(t, loop, handle);
    print(t, "%s%s%s", handle->node.flags & EVL_F_ACTIVE ? " active" : "",
          handle->node.flags & EVL_F_KEEP ? " keep" : "",
          handle->node.kind != EVL_KIND_HOOK && evl_linked(&handle->node.link) ? " due" : "");
    print_name(t, handle->extra ? handle->extra->name : NULL);
    print(t, "\n");
}

int32_t evl_loop_dump(const evl_loop *loop, char *buf, size_t cap) {
    static const char *const names[] = {
        [EVL_KIND_FUTURE] = "futures", [EVL_KIND_CALL] = "calls", [EVL_KIND_POST] = "posts",
        [EVL_KIND_OP] = "ops",         [EVL_KIND_HOLD] = "holds", [EVL_KIND_DROP] = "drops"};
    int rc = evl_enter_to_look(loop);
    if (rc != 0)
        return rc;
    if (cap > 0 && !buf)
        return EVL_EINVAL;
    text t = {buf, cap, 0};
    print(&t, "loop backend=%s alive=%d", loop->backend->name, evl_is_alive(loop));
    print_name(&t, loop->name);
    print(&t, "\n");
    for (int kind = EVL_KIND_IO; kind < EVL_HANDLES; kind++)
        for (uint32_t slot = 0; slot < evl_slab_slots(&loop->handles[kind]); slot++) {
            const evl_handle *handle = evl_slab_at(&loop->handles[kind], slot);
            if (evl_handle_is_shown(handle))
                print_handle(&t, loop, handle);
        }
    evl_blocker counts[8];
    int32_t rows = evl_blockers_queued(loop, counts, 8);
    for (int32_t i = 0; i < rows; i++)
        print(&t, "%s count=%d\n", names[counts[i].kind], counts[i].count);
    return (int32_t)t.len;
}
