/* handle.c - what all handles have in common: slots, ids, names, drops, closing. */
#include "handle.h"
#include "access.h"
#include "embed.h"
#include "loop.h"
#include "watcher.h"

uint64_t evl_handle_id(const evl_handle *handle) {
    return (uint64_t)handle->gen << 32 | evl_handle_place(handle);
}

int evl_check_kind_slow(const evl_handle *handle, int kind) {
    if (!handle)
        return EVL_EINVAL;
    if (handle->node.kind == 0)
        return evl_is_closed(handle->loop) ? EVL_ECLOSED : EVL_ESTALE;
    if (handle->node.kind == EVL_KIND_LINGERING)
        return EVL_ESTALE;
    return kind == 0 || handle->node.kind == kind ? 0 : EVL_EINVAL;
}

evl_handle *evl_handle_find(const evl_loop *loop, uint64_t id) {
    uint32_t kind = (uint32_t)id >> EVL_ID_SLOT_BITS;
    uint32_t slot = (uint32_t)id & ((UINT32_C(1) << EVL_ID_SLOT_BITS) - 1);
    if (kind == 0 || kind >= EVL_HANDLES || slot >= evl_slab_slots(&loop->handles[kind]))
        return NULL;
    evl_handle *handle = evl_slab_at(&loop->handles[kind], slot);
    bool found =
        handle->node.kind == kind && handle->gen == id >> 32 && !(handle->node.flags & EVL_F_INTERNAL);
    return found ? handle : NULL;
}

evl_handle *evl_handle_alloc(evl_loop *loop, int kind, evl_done_fn *fn, void *arg) {
    evl_node *node = evl_slab_alloc(&loop->handles[kind], &loop->mem);
    if (!node)
        return NULL;
    evl_handle *handle = EVL_OWNER(node, evl_handle, node);
    evl_node_set(node, kind, fn, arg);
    node->flags = EVL_F_KEEP;
    node->u.result = 0;
    handle->loop = loop;
    handle->extra = NULL;
    return handle;
}

evl_handle *evl_handle_alloc_internal(evl_loop *loop, int kind, evl_done_fn *fn, void *arg) {
    evl_handle *handle = evl_handle_alloc(loop, kind, fn, arg);
    if (!handle)
        return NULL;
    handle->node.flags = EVL_F_INTERNAL;
    loop->internal++;
    return handle;
}

static bool pushes(const evl_handle *handle) { return handle->loop->types[handle->node.kind]->pushes; }

/* The handle's own argument, which a drop gets. */
static void *own_arg(const evl_handle *handle) {
    if (!pushes(handle))
        return handle->node.arg;
    return handle->extra ? handle->extra->node.arg : NULL;
}

/* The drop runs later, as a deferred call whose node is the extra's own, so that nothing can fail here. */
static void release_extra(evl_loop *loop, evl_extra *extra, void *arg) {
    if (!extra->drop) {
        evl_slab_release(&loop->extras, &extra->node);
        return;
    }
    evl_node_set(&extra->node, EVL_KIND_DROP, NULL, arg);
    extra->node.fn.plain = extra->drop;
    extra->node.u.drop = NULL;
    extra->node.sink = EVL_SINK_CALL;
    extra->node.type = EVL_NODE_ONCE;
    evl_ready(loop, &extra->node);
}

void evl_handle_release(evl_handle *handle) {
    evl_loop *loop = handle->loop;
    evl_slab *slab = &loop->handles[handle->node.kind];
    evl_handle_set_active(handle, false);
    evl_list_unlink(&handle->node.link);
    if (EVL_UNLIKELY(handle->node.flags & EVL_F_INTERNAL))
        loop->internal--;
    if (handle->extra)
        release_extra(loop, handle->extra, own_arg(handle));
    handle->extra = NULL;
    bool again = true;
    if (EVL_UNLIKELY((uint16_t)++handle->gen == 0)) {
        evl_io_tags_repeat(loop);
        again = handle->gen != 0; /* else its next id would be an old one: the slot is retired */
    }
#if defined(EVLOOP_CHECKS)
    again = (handle->node.flags & EVL_F_INTERNAL) != 0; /* a stale pointer of a caller's is always reported */
#endif
    if (again)
        evl_slab_release(slab, &handle->node);
    else {
        handle->node.kind = 0;
        slab->live--;
    }
}

/* The drop takes its extra along. The name moves to another one, unless that would have to be allocated. */
static evl_extra *keep_name(evl_loop *loop, evl_extra *extra, void *arg) {
    if (!extra || !extra->drop)
        return extra;
    evl_extra *kept = NULL;
    if (extra->name[0] != '\0' && loop->extras.free) {
        kept = EVL_OWNER(evl_slab_alloc(&loop->extras, &loop->mem), evl_extra, node);
        kept->node.kind = EVL_KIND_DROP;
        kept->drop = NULL;
        evl_copy_name(kept->name, extra->name);
    }
    release_extra(loop, extra, arg);
    return kept;
}

void evl_handle_linger(evl_handle *handle) {
    handle->extra = keep_name(handle->loop, handle->extra, own_arg(handle));
    evl_handle_set_active(handle, false);
    handle->node.kind = EVL_KIND_LINGERING;
    handle->node.flags |= EVL_F_KEEP;
    evl_handle_set_active(handle, true);
}

void evl_handle_flip_active(evl_handle *handle) {
    evl_node *node = &handle->node;
    node->flags ^= EVL_F_ACTIVE;
    int change = evl_handle_is_active(handle) ? 1 : -1;
    if (node->flags & EVL_F_KEEP)
        handle->loop->alive += change;
    bool by_time = node->kind == EVL_KIND_TIMER || node->kind == EVL_KIND_WALL || node->kind == EVL_KIND_HOOK;
    if (!by_time)
        handle->loop->outside += change;
}

void evl_handle_detach(evl_handle *handle) { handle->loop->types[handle->node.kind]->detach(handle); }

void evl_handle_know(evl_loop *loop, int kind, const evl_handle_type *type) {
    loop->types[kind] = type;
    loop->handles[kind].size = type->size;
}

int32_t evl_close(evl_handle *handle) {
    if (!handle)
        return 0;
    evl_loop *loop = handle->loop;
    if (evl_is_closed(loop))
        return 0;
    int rc = evl_check_kind(handle, 0);
    if (rc == 0)
        rc = evl_enter_child(loop);
    if (rc != 0)
        return rc;
    const evl_handle_type *type = loop->types[handle->node.kind];
    if (type->lingers && type->lingers(handle))
        evl_handle_linger(handle);
    else {
        type->detach(handle);
        evl_handle_release(handle);
    }
    evl_touch(loop);
    return 0;
}

uint64_t evl_id(const evl_handle *handle) {
    return evl_check_kind(handle, 0) == 0 ? evl_handle_id(handle) : 0;
}

evl_handle *evl_lookup(evl_loop *loop, uint64_t id) {
    return evl_enter_to_look(loop) == 0 ? evl_handle_find(loop, id) : NULL;
}

int32_t evl_kind(const evl_handle *handle) {
    int rc = evl_check_kind(handle, 0);
    return rc != 0 ? rc : handle->node.kind;
}

evl_loop *evl_loop_of(const evl_handle *handle) {
    return evl_check_kind(handle, 0) == 0 ? handle->loop : NULL;
}

void *evl_arg(const evl_handle *handle) { return evl_check_kind(handle, 0) == 0 ? own_arg(handle) : NULL; }

static evl_extra *extra_of(evl_handle *handle) {
    if (!handle->extra) {
        evl_node *node = evl_slab_alloc(&handle->loop->extras, &handle->loop->mem);
        if (!node)
            return NULL;
        handle->extra = EVL_OWNER(node, evl_extra, node);
        handle->extra->drop = NULL;
        handle->extra->name[0] = '\0';
        node->arg = NULL;
        node->kind = EVL_KIND_DROP;
    }
    return handle->extra;
}

static int enter_child_handle(const evl_handle *handle) {
    int rc = evl_check_kind(handle, 0);
    return rc != 0 ? rc : evl_enter_child(handle->loop);
}

int32_t evl_set_arg(evl_handle *handle, void *arg) {
    int rc = enter_child_handle(handle);
    if (rc != 0)
        return rc;
    if (!pushes(handle)) {
        handle->node.arg = arg;
        return 0;
    }
    evl_extra *extra = extra_of(handle);
    if (!extra)
        return EVL_ENOMEM;
    extra->node.arg = arg;
    return 0;
}

int32_t evl_set_push_arg(evl_handle *handle, void *arg) {
    int rc = enter_child_handle(handle);
    if (rc != 0)
        return rc;
    if (!pushes(handle))
        return EVL_EINVAL;
    handle->node.arg = arg;
    return 0;
}

int32_t evl_set_name(evl_handle *handle, const char *name) {
    int rc = evl_enter_handle(handle, 0);
    if (rc != 0 || (!name && !handle->extra))
        return rc;
    evl_extra *extra = extra_of(handle);
    if (!extra)
        return EVL_ENOMEM;
    evl_copy_name(extra->name, name);
    return 0;
}

const char *evl_name(const evl_handle *handle) {
    return evl_check_kind(handle, 0) == 0 && handle->extra ? handle->extra->name : "";
}

int32_t evl_set_drop(evl_handle *handle, evl_fn *drop) {
    int rc = evl_enter_handle(handle, 0);
    if (rc != 0 || (!drop && !handle->extra))
        return rc;
    evl_extra *extra = extra_of(handle);
    if (!extra)
        return EVL_ENOMEM;
    extra->drop = drop;
    return 0;
}

int32_t evl_keep_alive(evl_handle *handle, int32_t on) {
    int rc = evl_enter_handle(handle, 0);
    if (rc != 0)
        return rc;
    bool active = evl_handle_is_active(handle);
    evl_handle_set_active(handle, false);
    handle->node.flags = (uint8_t)(on ? handle->node.flags | EVL_F_KEEP : handle->node.flags & ~EVL_F_KEEP);
    evl_handle_set_active(handle, active);
    evl_touch(handle->loop);
    return 0;
}

int32_t evl_active(const evl_handle *handle) {
    return evl_enter_to_read(handle, 0) == 0 && evl_handle_is_active(handle);
}
