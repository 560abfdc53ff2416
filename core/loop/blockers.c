/* blockers.c - what is open and queued: why a loop cannot be closed. */
#include "blockers.h"
#include "access.h"
#include "handle.h"
#include "loop.h"
#include "post.h"

typedef struct list {
    evl_blocker *out;
    int32_t cap;
    int32_t count;
} list;

static void add(list *l, evl_blocker blocker, const char *name) {
    evl_copy_name(blocker.name, name);
    if (l->count < l->cap)
        l->out[l->count] = blocker;
    l->count++;
}

static void add_count(list *l, int kind, uint32_t count) {
    if (count != 0)
        add(l, (evl_blocker){.kind = kind, .count = (int32_t)count}, NULL);
}

/* A closed stream that does not keep the loop going any more. */
static bool waits_for_peer(const evl_handle *handle) {
    return handle->node.kind == EVL_KIND_LINGERING && !evl_handle_is_active(handle);
}

static void add_handles(const evl_loop *loop, list *l) {
    for (int kind = EVL_KIND_IO; kind < EVL_HANDLES; kind++) {
        const evl_slab *slab = &loop->handles[kind];
        for (uint32_t slot = 0; slot < evl_slab_slots(slab); slot++) {
            const evl_handle *handle = evl_slab_at(slab, slot);
            if (evl_handle_is_shown(handle) && !waits_for_peer(handle))
                add(l, (evl_blocker){.id = evl_handle_id(handle), .kind = handle->node.kind, .count = 1},
                    handle->extra ? handle->extra->name : NULL);
        }
    }
}

/* What waits in a ready list, by kind; handles were listed already and posts are counted by their queues. */
typedef struct counts {
    uint32_t calls, futures, drops;
} counts;

static void count_nodes(const evl_link *head, counts *c) {
    for (const evl_link *link = head->next; link != head; link = link->next) {
        const evl_node *node = EVL_OWNER(link, evl_node, link);
        c->calls += node->kind == EVL_KIND_CALL;
        c->futures += node->kind == EVL_KIND_FUTURE;
        c->drops += node->kind == EVL_KIND_DROP;
    }
}

/* What is queued or held, one row per kind. */
static void add_counts(const evl_loop *loop, list *l) {
    counts c = {0};
    for (int sink = 0; sink < 2; sink++)
        count_nodes(&loop->sinks[sink], &c);
    count_nodes(&loop->running, &c);
    add_count(l, EVL_KIND_CALL, c.calls);
    add_count(l, EVL_KIND_FUTURE, c.futures);
    add_count(l, EVL_KIND_POST, evl_posts_left((evl_loop *)(uintptr_t)loop));
    add_count(l, EVL_KIND_OP, (uint32_t)loop->ops);
    add_count(l, EVL_KIND_HOLD, (uint32_t)atomic_load(&loop->holds));
    add_count(l, EVL_KIND_DROP, c.drops);
}

static int32_t list_all(const evl_loop *loop, evl_blocker *out, int32_t cap) {
    list l = {out, cap, 0};
    add_handles(loop, &l);
    add_counts(loop, &l);
    return l.count;
}

int32_t evl_blockers_queued(const evl_loop *loop, evl_blocker *out, int32_t cap) {
    list l = {out, cap, 0};
    add_counts(loop, &l);
    return l.count;
}

int32_t evl_count_blockers(const evl_loop *loop) { return list_all(loop, NULL, 0); }

int32_t evl_loop_blockers(const evl_loop *loop, evl_blocker *out, int32_t cap) {
    int rc = evl_enter_to_look(loop);
    if (rc != 0)
        return rc;
    if (cap < 0 || (cap > 0 && !out))
        return EVL_EINVAL;
    return list_all(loop, out, cap);
}
