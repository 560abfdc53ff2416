/* queue.c - producers and consumers.
 *
 * A getter is woken when there is an item for it, and takes one when it is delivered; until then the item is
 * spoken for (`promised`), so that no getter overtakes. A putter is woken by its item going in. */
#include "../loop/access.h"
#include "../loop/loop.h"
#include "sync.h"

/* One item and where it belongs. */
typedef struct item {
    void *value;
    int64_t priority;
    uint64_t order;
} item;

typedef struct store {
    item *items; /* FIFO, LIFO: a ring; PRIORITY: a binary heap from head 0 */
    uint32_t head, size, cap;
    int32_t order;
} store;

struct evl_queue {
    evl_waiters getters; /* first: see evl_sync_leave */
    evl_waiters putters; /* op->value is the item, op->until its priority */
    evl_waiters joiners;
    store store;
    uint32_t promised; /* items that woken getters will take */
    uint32_t maxsize;
    uint64_t next_order;
    uint32_t unfinished;
    bool closed;
    int32_t error; /* of those that come later, once it is closed */
    evl_fn *drop;
};

/* --- storage ---------------------------------------------------------------------------------- */

static item *at(const store *s, uint32_t i) { return &s->items[(s->head + i) % s->cap]; }

static int reserve(store *s, evl_mem *mem) {
    if (s->size < s->cap)
        return 0;
    uint32_t cap = s->cap ? s->cap * 2 : 16;
    item *fresh = evl_mem_resize(mem, NULL, 0, (size_t)cap * sizeof *fresh);
    if (!fresh)
        return EVL_ENOMEM;
    for (uint32_t i = 0; i < s->size; i++)
        fresh[i] = *at(s, i);
    evl_mem_free(mem, s->items, (size_t)s->cap * sizeof *s->items);
    s->items = fresh;
    s->head = 0;
    s->cap = cap;
    return 0;
}

static bool before(const item *a, const item *b) {
    return a->priority < b->priority || (a->priority == b->priority && a->order < b->order);
}

static void sift_up(item *heap, uint32_t i) {
    item moving = heap[i];
    for (; i > 0 && before(&moving, &heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = moving;
}

static void sift_down(item *heap, uint32_t size) {
    item moving = heap[0];
    uint32_t i = 0;
    for (uint32_t child; (child = 2 * i + 1) < size; i = child) {
        if (child + 1 < size && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &moving))
            break;
        heap[i] = heap[child];
    }
    heap[i] = moving;
}

/* There is room. */
static void insert(evl_queue *q, void *value, int64_t priority) {
    store *s = &q->store;
    *at(s, s->size) = (item){value, priority, q->next_order++};
    s->size++;
    q->unfinished++;
    if (s->order == EVL_QUEUE_PRIORITY)
        sift_up(s->items, s->size - 1);
}

static void *take(store *s) {
    void *value;
    s->size--;
    if (s->order == EVL_QUEUE_LIFO)
        return at(s, s->size)->value;
    value = at(s, 0)->value;
    if (s->order == EVL_QUEUE_FIFO) {
        s->head = (s->head + 1) % s->cap;
        return value;
    }
    s->items[0] = s->items[s->size];
    if (s->size > 0)
        sift_down(s->items, s->size);
    return value;
}

static bool has_room(const evl_queue *q) { return q->maxsize == 0 || q->store.size < q->maxsize; }

/* --- waking ----------------------------------------------------------------------------------- */

/* Promised first: a getter in a future takes its item inside the wake. */
static void wake_getters(evl_queue *q) {
    while (q->promised < q->store.size && evl_waiters_first(&q->getters)) {
        q->promised++;
        (void)evl_sync_hand(&q->getters);
    }
}

/* The items of waiting putters go in as room appears. */
static void admit_putters(evl_queue *q) {
    for (evl_operation *op; has_room(q) && (op = evl_waiters_first(&q->putters));) {
        if (reserve(&q->store, &q->getters.loop->mem) != 0)
            return; /* tried again with the next get */
        insert(q, op->value, op->until);
        (void)evl_waiters_wake(&q->putters, 0);
    }
    wake_getters(q);
}

/* Items that are still in it may have been called done. */
static void finish(evl_queue *q, uint32_t count) {
    q->unfinished -= count < q->unfinished ? count : q->unfinished;
    if (q->unfinished == 0)
        (void)evl_waiters_wake_all(&q->joiners, 0);
}

/* --- the operations --------------------------------------------------------------------------- */

static void *get_one(evl_queue *q) {
    void *value = take(&q->store);
    admit_putters(q);
    return value;
}

static void deliver_get(evl_operation *op) {
    evl_queue *q = op->owner;
    q->promised--;
    if (evl_sync_is_freed(&q->getters))
        op->node.u.result = EVL_ECLOSED;
    else if (q->store.size == 0)
        op->node.u.result = q->error; /* shut down at once after the wake */
    else
        *(void **)op->value = get_one(q);
    evl_sync_handed(&q->getters);
}

static void refuse_get(evl_operation *op) {
    evl_queue *q = op->owner;
    q->promised--;
    if (!evl_sync_is_freed(&q->getters))
        wake_getters(q);
    evl_sync_handed(&q->getters);
}

static void leave_put(evl_operation *op) { evl_waiters_remove(&((evl_queue *)op->owner)->putters, op); }

static void leave_join(evl_operation *op) { evl_waiters_remove(&((evl_queue *)op->owner)->joiners, op); }

static const evl_op_type getting = {
    .name = "queue get", .leave = evl_sync_leave, .deliver = deliver_get, .refuse = refuse_get};
static const evl_op_type putting = {.name = "queue put", .leave = leave_put, .stands = true};
static const evl_op_type joining = {.name = "queue join", .leave = leave_join};

static int enter(const evl_queue *q) { return q ? evl_enter(q->getters.loop) : EVL_EINVAL; }

int32_t evl_queue_new(evl_loop *loop, uint32_t maxsize, int32_t order, evl_fn *drop, evl_queue **out) {
    if (out)
        *out = NULL;
    if (order < EVL_QUEUE_FIFO || order > EVL_QUEUE_PRIORITY)
        return EVL_EINVAL;
    int rc = evl_sync_new(loop, sizeof **out, (void **)out);
    if (rc != 0)
        return rc;
    evl_queue *q = *out;
    evl_waiters_init(&q->putters, loop);
    evl_waiters_init(&q->joiners, loop);
    q->maxsize = maxsize;
    q->store.order = order;
    q->drop = drop;
    return 0;
}

/* Takes all items out at once. */
static store empty(evl_queue *q) {
    store all = q->store;
    q->store = (store){.order = all.order};
    return all;
}

/* The drop is user code, which may free the queue and destroy the loop: the items are no queue's any more. */
static void drop_all(evl_loop *loop, store *all, evl_fn *drop) {
    (void)evl_loop_ref(loop);
    while (drop && all->size > 0)
        drop(take(all));
    evl_mem_free(&loop->mem, all->items, (size_t)all->cap * sizeof *all->items);
    evl_loop_unref(loop);
}

void evl_queue_free(evl_queue *q) {
    if (!q)
        return;
    evl_loop *loop = q->getters.loop;
    evl_fn *drop = q->drop;
    if (!evl_is_closed(loop)) {
        (void)evl_waiters_wake_all(&q->putters, EVL_ECLOSED);
        (void)evl_waiters_wake_all(&q->joiners, EVL_ECLOSED);
    }
    store all = empty(q);
    (void)evl_loop_ref(loop); /* until the items are gone */
    evl_sync_free(loop, q, sizeof *q);
    drop_all(loop, &all, drop);
    evl_loop_unref(loop);
}

int32_t evl_queue_try_put(evl_queue *q, void *value, int64_t priority) {
    int rc = enter(q);
    if (rc != 0)
        return rc;
    if (q->closed)
        return q->error;
    if (!has_room(q) || evl_waiters_first(&q->putters))
        return EVL_EAGAIN;
    rc = reserve(&q->store, &q->getters.loop->mem);
    if (rc != 0)
        return rc;
    insert(q, value, priority);
    wake_getters(q);
    return 0;
}

int32_t evl_queue_put(evl_queue *q, evl_op *op, void *value, int64_t priority) {
    if (!q)
        return EVL_EINVAL;
    evl_loop *loop = q->getters.loop;
    int rc = evl_op_check_start(loop, op);
    if (rc == 0)
        rc = evl_queue_try_put(q, value, priority);
    if (rc == 0)
        return evl_op_start_done(loop, op, &putting, q, 0);
    if (rc != EVL_EAGAIN)
        return rc;
    evl_operation *self = evl_op_park(loop, op, &putting, q);
    self->value = value;
    self->until = priority;
    evl_waiters_add(&q->putters, self);
    return 0;
}

int32_t evl_queue_try_get(evl_queue *q, void **value) {
    int rc = enter(q);
    if (rc != 0)
        return rc;
    if (!value)
        return EVL_EINVAL;
    if (q->store.size <= q->promised)
        return q->closed && q->store.size == 0 ? q->error : EVL_EAGAIN;
    *value = get_one(q);
    return 0;
}

int32_t evl_queue_get(evl_queue *q, evl_op *op, void **value) {
    if (!q || !value)
        return EVL_EINVAL;
    evl_loop *loop = q->getters.loop;
    int rc = evl_op_check_start(loop, op);
    if (rc != 0)
        return rc;
    if (q->store.size > q->promised) { /* nothing waits then */
        q->promised++;
        evl_operation *self = evl_operation_of(op);
        self->value = value;
        rc = evl_sync_start_done(&q->getters, op, &getting);
        if (rc == 1) {
            q->promised--;
            *value = get_one(q);
        }
        return rc;
    }
    if (q->closed)
        return q->error;
    evl_operation *self = evl_op_park(loop, op, &getting, q);
    self->value = value;
    evl_waiters_add(&q->getters, self);
    return 0;
}

int32_t evl_queue_task_done(evl_queue *q) {
    int rc = enter(q);
    if (rc != 0)
        return rc;
    if (q->unfinished == 0)
        return EVL_ERANGE;
    finish(q, 1);
    return 0;
}

int32_t evl_queue_join(evl_queue *q, evl_op *op) {
    if (!q)
        return EVL_EINVAL;
    evl_loop *loop = q->getters.loop;
    int rc = evl_op_check_start(loop, op);
    if (rc != 0)
        return rc;
    if (q->unfinished == 0)
        return evl_op_start_done(loop, op, &joining, q, 0);
    evl_waiters_add(&q->joiners, evl_op_park(loop, op, &joining, q));
    return 0;
}

int32_t evl_queue_shutdown(evl_queue *q, int32_t immediate) {
    return evl_queue_fail(q, EVL_ESHUTDOWN, immediate);
}

int32_t evl_queue_fail(evl_queue *q, int32_t error, int32_t immediate) {
    int rc = enter(q);
    if (rc != 0)
        return rc;
    if (error >= 0 || error == EVL_EAGAIN) /* which says that there is nothing yet */
        return EVL_EINVAL;
    if (!q->closed)
        q->error = error;
    store all = {0};
    evl_loop *loop = q->getters.loop;
    evl_fn *drop = q->drop;
    q->closed = true;
    (void)evl_waiters_wake_all(&q->putters, q->error);
    if (immediate) {
        all = empty(q);
        finish(q, all.size);
    }
    if (q->store.size == q->promised || immediate)
        (void)evl_waiters_wake_all(&q->getters, q->error);
    if (immediate)
        drop_all(loop, &all, drop);
    return 0;
}

int32_t evl_queue_size(const evl_queue *q) { return q ? (int32_t)q->store.size : EVL_EINVAL; }
