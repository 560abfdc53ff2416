/* post.c - work from other threads: batches that posters fill under a lock and the loop takes away whole, and
 * the wake that is only sent to a loop that sleeps.
 *
 * A process may fork while another of its threads posts. What the child has of that is what the thread had
 * written up to some moment, and so a batch is whole after every single store: an item is counted when it is
 * complete, and a larger batch takes the place of a full one when it has its items. */
#include "post.h"
#include "../base/leaf.h"
#include "access.h"
#include "handle.h"
#include "loop.h"
#include "part.h"
#include "slow.h"

#define BATCH_MIN  8
#define SPARES_MAX 64 /* batches kept per queue; a loop needs two, and more if it posts to itself */

static void run_batch(void *arg, int64_t unused);
static void drop_batch(void *arg, int64_t unused);

int evl_posts_init(evl_loop *loop) {
    for (int i = 0; i < EVL_POSTS; i++) {
        evl_list_init(&loop->posts[i].taken);
        evl_list_init(&loop->posts[i].spares);
    }
    return evl_err_from_errno(pthread_mutex_init(&loop->lock, NULL));
}

/* --- batches ---------------------------------------------------------------------------------- */

static size_t batch_size(uint32_t cap) { return sizeof(evl_post_batch) + cap * sizeof(evl_post_item); }

static void free_batch(evl_loop *loop, evl_post_batch *batch) {
    if (batch)
        evl_mem_free(&loop->mem, batch, batch_size(batch->cap));
}

static evl_post_batch *first_batch(evl_link *list) { return EVL_OWNER(list->next, evl_post_batch, peers); }

/* Under the lock: the batch that is being filled, with room for one more item; NULL: out of memory. */
static evl_post_batch *with_room(evl_loop *loop, int queue) {
    evl_post_queue *q = &loop->posts[queue];
    evl_post_batch *full = q->in;
    if (EVL_LIKELY(full && full->len < full->cap))
        return full;
    if (full && full->cap > UINT32_MAX / 2)
        return NULL;
    uint32_t cap = full ? 2 * full->cap : BATCH_MIN;
    evl_post_batch *batch = evl_mem_zalloc(&loop->mem, batch_size(cap));
    if (!batch)
        return NULL;
    batch->loop = loop;
    batch->cap = cap;
    evl_node_set(&batch->node, EVL_KIND_POST, queue == EVL_POST_RECORD ? NULL : run_batch, batch);
    evl_node_set(&batch->drops, EVL_KIND_POST, drop_batch, batch);
    for (; full && batch->len < full->len; batch->len++)
        batch->items[batch->len] = full->items[batch->len];
    EVL_PUBLISH();
    q->in = batch;
    free_batch(loop, full);
    return batch;
}

/* Under the lock: what there is to work off, or NULL. Posters go on with a batch that has been worked off. */
static evl_post_batch *take_batch(evl_post_queue *q) {
    evl_post_batch *batch = q->in;
    if (!batch || batch->len == 0)
        return NULL;
    evl_list_append(&q->taken, &batch->peers);
    q->in = NULL;
    if (!evl_list_empty(&q->spares)) {
        q->in = first_batch(&q->spares);
        q->spare_count--;
        evl_list_remove(&q->in->peers);
    }
    return batch;
}

static void finish_batch(evl_loop *loop, int queue, evl_post_batch *batch) {
    evl_post_queue *q = &loop->posts[queue];
    evl_list_remove(&batch->peers);
    if (q->spare_count == SPARES_MAX) {
        free_batch(loop, batch);
        return;
    }
    batch->len = batch->pos = batch->dropped = 0;
    evl_list_prepend(&q->spares, &batch->peers); /* the one that is warm */
    q->spare_count++;
}

static void free_list(evl_loop *loop, evl_link *list) {
    while (!evl_list_empty(list)) {
        evl_post_batch *batch = first_batch(list);
        evl_list_remove(&batch->peers);
        free_batch(loop, batch);
    }
}

void evl_posts_free(evl_loop *loop) {
    for (int i = 0; i < EVL_POSTS; i++) {
        evl_post_queue *q = &loop->posts[i];
        free_batch(loop, q->in);
        free_list(loop, &q->taken);
        free_list(loop, &q->spares);
    }
    if (!evl_is_forked(loop)) /* else another thread may have held it when the process forked */
        (void)pthread_mutex_destroy(&loop->lock);
}

/* --- posting ---------------------------------------------------------------------------------- */

/* Pairs with sleep_in_kernel: what was stored before is seen by the loop, or the loop is seen asleep. The
 * exchange leaves one waker. */
void evl_notify(evl_loop *loop) {
    if (atomic_load(&loop->sleeping) && atomic_exchange(&loop->sleeping, false) && !evl_is_forked(loop))
        loop->backend->wake(loop->state);
}

/* The refusal and the appending are one step under the lock: a post is either taken in or refused. */
static int append(evl_loop *loop, int queue, evl_post_item item) {
    evl_leaf_check(&loop->mem);
    if (evl_is_forked(loop))
        return evl_is_shut(loop) ? EVL_ECLOSED : EVL_EFORK;
    if (loop->flags & EVL_LOOP_NOPOST)
        return EVL_ENOTSUP;
    (void)pthread_mutex_lock(&loop->lock);
    int rc = evl_is_shut(loop) ? EVL_ECLOSED : 0;
    evl_post_batch *batch = rc == 0 ? with_room(loop, queue) : NULL;
    if (batch) {
        batch->items[batch->len] = item;
        EVL_PUBLISH();
        batch->len++;
        atomic_fetch_add(&loop->posted, 1);
    }
    (void)pthread_mutex_unlock(&loop->lock);
    if (!batch)
        return rc != 0 ? rc : EVL_ENOMEM;
    evl_notify(loop);
    return 0;
}

int32_t evl_post_owned(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop) {
    if (!loop)
        return EVL_EINVAL;
    return append(loop, fn ? EVL_POST_CALL : EVL_POST_RECORD,
                  (evl_post_item){.fn = fn, .arg = arg, .drop = drop});
}

int32_t evl_post(evl_loop *loop, evl_fn *fn, void *arg) { return evl_post_owned(loop, fn, arg, NULL); }

int evl_post_internal(evl_loop *loop, evl_post_item item) { return append(loop, EVL_POST_INTERNAL, item); }

static bool close_by_id(evl_loop *loop, const evl_post_item *item) {
    (void)evl_close(evl_handle_find(loop, item->id));
    return true;
}

int32_t evl_close_later(evl_loop *loop, uint64_t id) {
    return loop ? evl_post_internal(loop, (evl_post_item){.act = close_by_id, .id = id}) : EVL_EINVAL;
}

int32_t evl_wake(evl_loop *loop) {
    if (!loop)
        return EVL_EINVAL;
    if (evl_is_forked(loop))
        return EVL_EFORK;
    atomic_store(&loop->wake_asked, true);
    evl_notify(loop);
    return 0;
}

/* --- taking in -------------------------------------------------------------------------------- */

/* This runs no user code, and so it needs no turn. What finds no memory stays where it is for the
 * next pass, which is asked for by one more in `posted`. */
static void act_on_taken(evl_loop *loop) {
    evl_post_queue *q = &loop->posts[EVL_POST_INTERNAL];
    while (!evl_list_empty(&q->taken)) {
        evl_post_batch *batch = first_batch(&q->taken);
        for (; batch->pos < batch->len; batch->pos++) {
            evl_post_item item = batch->items[batch->pos];
            if (!item.act(loop, &item)) {
                q->again = true;
                atomic_fetch_add(&loop->posted, 1);
                return;
            }
        }
        finish_batch(loop, EVL_POST_INTERNAL, batch);
    }
}

/* Under the lock: takes a queue's batch off what is `posted`. */
static evl_post_batch *take_in(evl_loop *loop, int queue) {
    evl_post_batch *batch = take_batch(&loop->posts[queue]);
    if (batch) {
        atomic_fetch_sub(&loop->posted, batch->len);
        loop->metrics.posts += batch->len;
    }
    return batch;
}

static void line_up(evl_loop *loop) {
    for (int i = EVL_POST_CALL; i <= EVL_POST_RECORD; i++) {
        evl_post_batch *batch = take_in(loop, i);
        if (batch)
            evl_ready(loop, &batch->node);
    }
}

void evl_posts_line_up(evl_loop *loop) {
    (void)pthread_mutex_lock(&loop->lock);
    line_up(loop);
    (void)pthread_mutex_unlock(&loop->lock);
}

static void act(evl_loop *loop) {
    evl_post_queue *internal = &loop->posts[EVL_POST_INTERNAL];
    if (EVL_UNLIKELY(internal->again)) {
        internal->again = false;
        atomic_fetch_sub(&loop->posted, 1);
    }
    act_on_taken(loop);
}

void evl_posts_act(evl_loop *loop) {
    (void)pthread_mutex_lock(&loop->lock);
    (void)take_in(loop, EVL_POST_INTERNAL);
    (void)pthread_mutex_unlock(&loop->lock);
    act(loop);
}

void evl_posts_take(evl_loop *loop) {
    if (atomic_load_explicit(&loop->posted, memory_order_relaxed) == 0)
        return;
    (void)pthread_mutex_lock(&loop->lock);
    line_up(loop);
    (void)take_in(loop, EVL_POST_INTERNAL);
    (void)pthread_mutex_unlock(&loop->lock);
    act(loop);
    if (loop->parts_collecting)
        atomic_fetch_sub(&loop->posted, evl_parts_collect(loop));
}

/* A user function of an item. What the loop is to it afterwards. */
static inline int call_user(evl_loop *loop, evl_fn *fn, void *arg) {
    if (EVL_UNLIKELY(loop->slow_ns >= 0))
        evl_call_timed(loop, fn, arg);
    else
        fn(arg);
    return evl_still(loop);
}

/* What is left is the first of the next run, or waits for evl_loop_fork in a child. */
static void go_on_later(evl_loop *loop, evl_node *node) {
    evl_list_prepend(&loop->sinks[node->sink], &node->link);
}

static void run_batch(void *arg, int64_t unused) {
    evl_post_batch *batch = arg;
    evl_loop *loop = batch->loop;
    (void)unused;
    uint32_t first = batch->pos;
    int rc = 0;
    while (rc == 0 && !loop->leaving && batch->pos < batch->len) {
        evl_post_item item = batch->items[batch->pos++];
        rc = call_user(loop, item.fn, item.arg);
        if (item.drop)
            rc = call_user(loop, item.drop, item.arg);
    }
    if (rc == EVL_ECLOSED)
        return;                                 /* what is left is dropped with the loop */
    loop->since_poll += batch->pos - first - 1; /* the batch itself is counted as one callback */
    loop->metrics.callbacks += batch->pos - first - 1;
    if (batch->pos == batch->len)
        finish_batch(loop, EVL_POST_CALL, batch);
    else
        go_on_later(loop, &batch->node);
}

/* The drops of records that were handed out are user code and wait for a run. The batch stays until then. */
static void drop_batch(void *arg, int64_t unused) {
    evl_post_batch *batch = arg;
    evl_loop *loop = batch->loop;
    (void)unused;
    int rc = 0;
    while (rc == 0 && !loop->leaving && batch->dropped < batch->pos) {
        evl_post_item item = batch->items[batch->dropped++];
        if (item.drop)
            rc = call_user(loop, item.drop, item.arg);
    }
    if (rc == EVL_ECLOSED)
        return;
    if (batch->dropped < batch->pos)
        go_on_later(loop, &batch->drops);
    else if (batch->pos == batch->len)
        finish_batch(loop, EVL_POST_RECORD, batch);
}

int32_t evl_posts_record(evl_node *node, evl_record *out, int32_t cap) {
    evl_post_batch *batch = EVL_OWNER(node, evl_post_batch, node);
    evl_loop *loop = batch->loop;
    int32_t count = 0;
    for (; count < cap && batch->pos < batch->len; count++) {
        const evl_post_item *item = &batch->items[batch->pos++];
        out[count] = (evl_record){.user_data = (uintptr_t)item->arg, .kind = EVL_KIND_POST};
        if (item->drop && !evl_linked(&batch->drops.link))
            evl_ready(loop, &batch->drops);
    }
    if (batch->pos < batch->len)
        return count;
    evl_list_unlink(&node->link);
    if (!evl_linked(&batch->drops.link))
        finish_batch(loop, EVL_POST_RECORD, batch);
    return count;
}

/* Jobs that have returned are not among them: either an operation waits for one, or none does. */
uint32_t evl_posts_left(evl_loop *loop) {
    uint32_t left = 0;
    bool locked = !evl_is_forked(loop); /* else by a thread that is not here, perhaps */
    if (locked)
        (void)pthread_mutex_lock(&loop->lock);
    for (int i = 0; i < EVL_POSTS; i++)
        left += loop->posts[i].in ? loop->posts[i].in->len : 0;
    if (locked)
        (void)pthread_mutex_unlock(&loop->lock);
    for (int i = 0; i < EVL_POSTS; i++)
        for (evl_link *link = loop->posts[i].taken.next; link != &loop->posts[i].taken; link = link->next) {
            const evl_post_batch *batch = EVL_OWNER(link, evl_post_batch, peers);
            left += batch->len - (evl_linked(&batch->drops.link) ? batch->dropped : batch->pos);
        }
    return left;
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Each drop that has not run. A call's runs with the call, a record's after it has been handed out. */
static void give_up_batch(evl_post_batch *batch, int queue) {
    uint32_t next = queue == EVL_POST_RECORD ? batch->dropped : batch->pos;
    while (next < batch->len) {
        evl_post_item item = batch->items[next++];
        if (item.drop)
            item.drop(item.arg);
    }
}

/* The loop is closed: nothing is appended any more, and no lock is needed, or safe in a forked child. */
void evl_posts_drop(evl_loop *loop) {
    for (int i = EVL_POST_CALL; i <= EVL_POST_RECORD; i++) {
        evl_post_queue *q = &loop->posts[i];
        (void)take_batch(q);
        while (!evl_list_empty(&q->taken)) {
            evl_post_batch *batch = first_batch(&q->taken);
            evl_list_remove(&batch->peers);
            give_up_batch(batch, i);
            free_batch(loop, batch);
        }
    }
    (void)take_batch(&loop->posts[EVL_POST_INTERNAL]);
    act_on_taken(loop);
}

/* A thread of the parent may have been between an item and its count. */
void evl_posts_fork(evl_loop *loop) {
    uint32_t posted = loop->posts[EVL_POST_INTERNAL].again;
    for (int i = 0; i < EVL_POSTS; i++)
        posted += loop->posts[i].in ? loop->posts[i].in->len : 0;
    atomic_store(&loop->posted, posted);
}
