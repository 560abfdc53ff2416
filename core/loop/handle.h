/* handle.h - what all handles have: their memory, their ids and their kinds. */
#ifndef EVL_CORE_HANDLE_H
#define EVL_CORE_HANDLE_H

#include "../base/compiler.h"
#include "../base/name.h"
#include "../base/node.h"
#include <evloop/base.h>
#include <stdbool.h>
#include <stddef.h>

/* An id: generation 32 bits, kind 4, slot 28. The generation makes it unique for the loop's life. */
#define EVL_ID_SLOT_BITS 28
#define EVL_HANDLES      16 /* kinds of handles, all below this, index loop->handles */

/* What a kind of handle is to the code that serves them all. The kinds of the upper floors are made known to
 * the loop with their first handle. */
typedef struct evl_handle_type {
    uint32_t size;
    void (*detach)(evl_handle *handle); /* from whatever it is attached to */

    /* Closed by its user: whether it lingers, see evl_handle_linger. NULL: it never does. */
    bool (*lingers)(evl_handle *handle);

    /* The handle is its fd's watcher, and the kernel has reported `mask`. Or its fd is taken from it for an
     * `error`, which is not 0 then, and `mask` is the fd: EVL_EBADF and EVL_ECLOSED say that another part
     * closes it, or has. Runs no user code. */
    void (*event)(evl_handle *handle, uint32_t mask, int error);

    /* The node's argument is that of a push function, and the handle's own lies in its extra. */
    bool pushes;

    /* EVL_NODE_TAKE: right before the callback, takes what there is; false if it was nothing. */
    bool (*take)(evl_handle *handle, int64_t *result);

    void (*describe)(const evl_handle *handle, char *buf,
                     size_t cap); /* the dump's words for it; NULL: inspect.c has them */
} evl_handle_type;

/* What few handles have: a drop and a name. The node carries the drop when the handle is gone. Until then its
 * argument is the handle's own, if the type pushes. */
typedef struct evl_extra {
    evl_node node;
    evl_fn *drop;
    char name[EVL_NAME_SIZE];
} evl_extra;

struct evl_handle {
    evl_node node;
    evl_loop *loop;
    evl_extra *extra; /* NULL: none */
    uint32_t gen;     /* counts how often the slot was used */
};

enum {
    EVL_F_ONESHOT = EVL_F_OWN,   /* watcher: EVL_IO_ONESHOT */
    EVL_F_EDGE = EVL_F_OWN << 1, /* watcher: EVL_IO_EDGE */
    EVL_F_EXCLUSIVE = EVL_F_OWN, /* a listener: of the queues that wait for its socket the kernel wakes one */
    EVL_F_SHARED = EVL_F_OWN << 2,  /* first watcher of an fd: there are others */
    EVL_F_DIRTY = EVL_F_OWN << 3,   /* first watcher of an fd: something has to be sent to the kernel */
    EVL_F_WAKE = EVL_F_OWN << 4,    /* not a user's watcher: the backend's wake, or the changed wall clock */
    EVL_F_INTERNAL = EVL_F_OWN << 5 /* part of an operation, and not shown: fn.done(arg, result) runs no user
                                       code and is called at once; arg is NULL while no operation waits */
};

/* handle.c: the whole of the next. */
int evl_check_kind_slow(const evl_handle *handle, int kind);

/* Whether a handle is there and of this kind; 0 accepts any. */
static inline int evl_check_kind(const evl_handle *handle, int kind) {
    if (EVL_LIKELY(handle && kind != 0 && handle->node.kind == kind))
        return 0;
    return evl_check_kind_slow(handle, kind);
}

/* Where a handle lies: its slab and its slot, as in an id. A closed stream that lingers stays where it was.
 */
static inline uint32_t evl_handle_place(const evl_handle *handle) {
    uint32_t kind = handle->node.kind == EVL_KIND_LINGERING ? EVL_KIND_STREAM : handle->node.kind;
    return kind << EVL_ID_SLOT_BITS | handle->node.slot;
}

void evl_handle_flip_active(evl_handle *handle);

static inline bool evl_handle_is_active(const evl_handle *handle) {
    return (handle->node.flags & EVL_F_ACTIVE) != 0;
}

static inline void evl_handle_set_active(evl_handle *handle, bool on) {
    if (evl_handle_is_active(handle) != on)
        evl_handle_flip_active(handle);
}

/* A handle that its user has made, a closed one that lingers included. */
static inline bool evl_handle_is_shown(const evl_handle *handle) {
    return handle->node.kind != 0 && !(handle->node.flags & EVL_F_INTERNAL);
}

evl_handle *evl_handle_alloc(evl_loop *loop, int kind, evl_done_fn *fn, void *arg);
evl_handle *evl_handle_alloc_internal(evl_loop *loop, int kind, evl_done_fn *fn,
                                      void *arg); /* EVL_F_INTERNAL */
void evl_handle_release(evl_handle *handle);      /* off the ready list, drop queued, slot free */
void evl_handle_detach(evl_handle *handle);       /* from whatever its kind is attached to */

/* A closed stream that has something left to do, until its detach and evl_handle_release. It is of the kind
 * EVL_KIND_LINGERING, in the slot it had, so that no call accepts it; its argument is released, and its id
 * and its name stay for dumps and blockers. It keeps the loop alive while it is active.
 */
void evl_handle_linger(evl_handle *handle);
void evl_handle_know(evl_loop *loop, int kind, const evl_handle_type *type);
uint64_t evl_handle_id(const evl_handle *handle);
evl_handle *evl_handle_find(const evl_loop *loop, uint64_t id);

#endif
