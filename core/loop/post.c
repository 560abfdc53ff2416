/* post.c - work from other threads: arrays under a lock that the loop swaps for empty ones, and the wake that
 * is only sent to a loop that sleeps. */
#include "loop.h"

static void run_batch(void *arg, int64_t unused);
static void drop_batch(void *arg, int64_t unused);

int evl_posts_init(evl_loop *loop) {
    evl_post_queue *calls = &loop->posts[EVL_POST_CALL], *records = &loop->posts[EVL_POST_RECORD];
    evl_node_set(&calls->node, EVL_KIND_POST, run_batch, loop);
    evl_node_set(&records->node, EVL_KIND_POST, NULL, loop);
    evl_node_set(&records->drops, EVL_KIND_POST, drop_batch, loop);
    return evl_err_from_errno(pthread_mutex_init(&loop->lock, NULL));
}

void evl_posts_free(evl_loop *loop) {
    for (int i = 0; i < EVL_POSTS; i++) {
        evl_post_queue *q = &loop->posts[i];
        evl_mem_free(&loop->mem, q->in, q->in_cap * sizeof *q->in);
        evl_mem_free(&loop->mem, q->batch, q->batch_cap * sizeof *q->batch);
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
    evl_post_queue *q = &loop->posts[queue];
    if (evl_is_forked(loop))
        return evl_is_closed(loop) ? EVL_ECLOSED : EVL_EFORK;
    if (loop->flags & EVL_LOOP_NOPOST)
        return EVL_ENOTSUP;
    (void)pthread_mutex_lock(&loop->lock);
    int rc = evl_is_closed(loop)
                 ? EVL_ECLOSED
                 : evl_mem_reserve(&loop->mem, (void **)&q->in, &q->in_cap, q->in_len + 1, sizeof *q->in);
    if (rc == 0) {
        q->in[q->in_len++] = item;
        atomic_fetch_add(&loop->posted, 1);
    }
    (void)pthread_mutex_unlock(&loop->lock);
    if (rc == 0)
        evl_notify(loop);
    return rc;
}

int32_t evl_post_owned(evl_loop *loop, evl_fn *fn, void *arg, evl_fn *drop) {
    if (!loop)
        return EVL_EINVAL;
    return append(loop, fn ? EVL_POST_CALL : EVL_POST_RECORD,
                  (evl_post_item){.fn = fn, .arg = arg, .drop = drop});
}

int32_t evl_post(evl_loop *loop, evl_fn *fn, void *arg) { return evl_post_owned(loop, fn, arg, NULL); }

int evl_post_internal(evl_loop *loop, evl_post_item item) { return append(loop, EVL_POST_INTERNAL, item); }

static void close_by_id(evl_loop *loop, const evl_post_item *item) {
    (void)evl_close(evl_handle_find(loop, item->id));
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

static bool batch_is_done(const evl_post_queue *q) {
    return q->batch_pos == q->batch_len && !evl_linked(&q->drops.link);
}

static void swap(evl_post_queue *q) {
    evl_post_item *items = q->batch;
    uint32_t cap = q->batch_cap;
    q->batch = q->in;
    q->batch_cap = q->in_cap;
    q->batch_len = q->in_len;
    q->batch_pos = q->dropped = 0;
    q->in = items;
    q->in_cap = cap;
    q->in_len = 0;
}

/* This runs no user code, and so it waits for nobody's turn. */
static void act_on_batch(evl_loop *loop, evl_post_queue *q) {
    while (q->batch_pos < q->batch_len) {
        evl_post_item item = q->batch[q->batch_pos++];
        item.act(loop, &item);
    }
}

void evl_posts_take(evl_loop *loop) {
    if (atomic_load_explicit(&loop->posted, memory_order_relaxed) == 0)
        return;
    uint32_t taken = 0;
    (void)pthread_mutex_lock(&loop->lock);
    for (int i = 0; i < EVL_POSTS; i++) {
        evl_post_queue *q = &loop->posts[i];
        if (q->in_len == 0 || !batch_is_done(q))
            continue;
        swap(q);
        taken += q->batch_len;
        if (i != EVL_POST_INTERNAL)
            evl_ready(loop, &q->node);
    }
    atomic_fetch_sub(&loop->posted, taken);
    (void)pthread_mutex_unlock(&loop->lock);
    loop->metrics.posts += taken;
    act_on_batch(loop, &loop->posts[EVL_POST_INTERNAL]);
    evl_jobs_take(loop);
}

static void run_batch(void *arg, int64_t unused) {
    evl_loop *loop = arg;
    evl_post_queue *q = &loop->posts[EVL_POST_CALL];
    (void)unused;
    while (q->batch_pos < q->batch_len && !evl_is_closed(loop)) {
        evl_post_item item = q->batch[q->batch_pos++];
        item.fn(item.arg);
        if (item.drop)
            item.drop(item.arg);
    }
    loop->since_poll += q->batch_len - 1; /* the batch itself is counted as one callback */
    loop->metrics.callbacks += q->batch_len - 1;
}

/* The drops of records that were handed out are user code and wait for a run. The batch stays until then. */
static void drop_batch(void *arg, int64_t unused) {
    evl_loop *loop = arg;
    evl_post_queue *q = &loop->posts[EVL_POST_RECORD];
    (void)unused;
    while (q->dropped < q->batch_pos && !evl_is_closed(loop)) {
        evl_post_item item = q->batch[q->dropped++];
        if (item.drop)
            item.drop(item.arg);
    }
}

int32_t evl_posts_record(evl_loop *loop, evl_record *out, int32_t cap) {
    evl_post_queue *q = &loop->posts[EVL_POST_RECORD];
    int32_t count = 0;
    for (; count < cap && q->batch_pos < q->batch_len; count++) {
        const evl_post_item *item = &q->batch[q->batch_pos++];
        out[count] = (evl_record){.user_data = (uintptr_t)item->arg, .kind = EVL_KIND_POST};
        if (item->drop && !evl_linked(&q->drops.link))
            evl_ready(loop, &q->drops);
    }
    if (q->batch_pos == q->batch_len)
        evl_list_unlink(&q->node.link);
    return count;
}

/* Jobs that have returned are not among them: either an operation waits for one, or nobody does. */
uint32_t evl_posts_left(evl_loop *loop) {
    uint32_t left = 0;
    bool locked = !evl_is_forked(loop); /* else by a thread that is not here, perhaps */
    if (locked)
        (void)pthread_mutex_lock(&loop->lock);
    for (int i = 0; i < EVL_POSTS; i++)
        left += loop->posts[i].in_len;
    if (locked)
        (void)pthread_mutex_unlock(&loop->lock);
    for (int i = 0; i < EVL_POSTS; i++)
        left += loop->posts[i].batch_len - loop->posts[i].batch_pos;
    const evl_post_queue *records = &loop->posts[EVL_POST_RECORD];
    return left + (evl_linked(&records->drops.link) ? records->batch_pos - records->dropped : 0);
}

/* The loop is closed: nothing is appended any more, and no lock is needed, or safe in a forked child. */
void evl_posts_drop(evl_loop *loop) {
    for (int i = EVL_POST_CALL; i <= EVL_POST_RECORD; i++) {
        evl_post_queue *q = &loop->posts[i];
        uint32_t pos = i == EVL_POST_RECORD && q->dropped < q->batch_pos ? q->dropped : q->batch_pos;
        for (; pos < q->batch_len; pos++)
            if (q->batch[pos].drop)
                q->batch[pos].drop(q->batch[pos].arg);
        for (uint32_t k = 0; k < q->in_len; k++)
            if (q->in[k].drop)
                q->in[k].drop(q->in[k].arg);
        q->batch_pos = q->batch_len = q->dropped = q->in_len = 0;
    }
    evl_post_queue *internal = &loop->posts[EVL_POST_INTERNAL];
    act_on_batch(loop, internal);
    swap(internal);
    act_on_batch(loop, internal);
    evl_jobs_take(loop);
    atomic_store(&loop->posted, 0);
}
