/* job.c - jobs: an operation that a thread of a pool completes. */
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/loop.h"
#include "../loop/node_type.h"
#include "../loop/part.h"
#include "../loop/post.h"
#include "pool.h"

#include <string.h>
#include <unistd.h>

/* What a loop has of them. */
typedef struct evl_jobs {
    evl_link *
        done; /* evl_job.link, through `next`, the last one first: under the loop's lock, counted in posted */
    evl_executor *pools[EVL_POOLS];
} evl_jobs;

static evl_jobs *jobs_of(const evl_loop *loop) { return evl_part_at(loop, EVL_PART_JOBS); }

static void free_job(evl_job *job) {
    evl_loop *loop = job->loop;
    evl_executor *pool = job->pool;
    evl_mem_free(&loop->mem, job, sizeof *job);
    evl_loop_unref(loop);
    evl_pool_lock(pool);
    evl_pool_unlock_and_unref(pool);
}

void evl_job_drop(evl_job *job) {
    evl_fn *drop = job->drop;
    void *arg = job->arg;
    free_job(job);
    if (drop)
        drop(arg);
}

/* As soon as the loop has the job, it may free it and be closed. */
bool evl_job_hand_back(evl_job *job) {
    evl_loop *loop = evl_loop_ref(job->loop);
    (void)pthread_mutex_lock(&loop->lock);
    bool closed = evl_is_shut(loop);
    if (!closed) {
        evl_jobs *jobs = jobs_of(loop);
        job->link.next = jobs->done;
        EVL_PUBLISH(); /* one store, for a child of a fork in between: see post.c */
        jobs->done = &job->link;
        atomic_fetch_add(&loop->posted, 1);
    }
    (void)pthread_mutex_unlock(&loop->lock);
    if (!closed)
        evl_notify(loop);
    evl_loop_unref(loop);
    return !closed;
}

/* --- on the loop's thread --------------------------------------------------------------------- */

/* The argument is dropped, and the block goes with it. A user's drop runs later, and the block carries it:
 * there is always memory for that. */
static void give_up(evl_job *job) {
    evl_loop *loop = job->loop;
    if (!job->drop || job->internal || evl_is_shut(loop)) {
        evl_job_drop(job);
        return;
    }
    job->node = (evl_node){.sink = EVL_SINK_CALL, .type = EVL_NODE_JOB, .kind = EVL_KIND_DROP};
    evl_ready(loop, &job->node);
    evl_touch(loop);
}

static void run_drop(evl_loop *loop, evl_node *node) {
    (void)loop;
    evl_job_drop(EVL_OWNER(node, evl_job, node));
}

static void forget_drop(evl_loop *loop, evl_node *node, evl_link *drops) {
    (void)loop;
    evl_list_append(drops, &node->link);
}

/* In a child, whose parent's threads bring nothing back any more. */
static bool came_back(const evl_job *job) {
    if (job->back)
        return true;
    for (const evl_link *link = jobs_of(job->loop)->done; link; link = link->next)
        if (link == &job->link)
            return true;
    return false;
}

/* Under the lock: whether a job without an operation will never come back. */
static bool withdraw(evl_job *job) {
    evl_executor *pool = job->pool;
    job->op = NULL;
    if (evl_pool_is_parents(pool))
        return !came_back(job); /* a thread may be in the pool's lists, which are not used here */
    if (job->state != EVL_JOB_QUEUED)
        return false;
    evl_list_remove(&job->link);
    pool->info.queued--;
    pool->info.canceled++;
    if (evl_pool_is_quiet(pool))
        (void)pthread_cond_broadcast(&pool->quiet);
    return true;
}

/* The operation goes: the job loses it, and if it has not begun, it never will. */
void evl_job_leave(evl_operation *op) {
    evl_job *job = op->owner;
    evl_executor *pool = job->pool;
    op->loop->awaited--;
    evl_pool_lock(pool);
    bool never = withdraw(job);
    evl_pool_unlock(pool);
    if (never)
        give_up(job);
}

/* The block stays until then, in case the argument has to be dropped after all. */
static void deliver(evl_operation *op) { free_job(op->owner); }

static void refuse(evl_operation *op) { give_up(op->owner); }

static const evl_op_type running = {
    .name = "job", .leave = evl_job_leave, .deliver = deliver, .refuse = refuse, .threaded = true};

/* The argument goes to the operation, if one waits and the job has run. */
static void take_back(evl_loop *loop, evl_job *job) {
    evl_operation *op = job->op;
    bool is_taken = op && !job->given_up, stays = is_taken && !job->internal;
    if (op) {
        loop->awaited--;
        op->value = job->arg;
    }
    if (op)
        evl_op_complete(op, is_taken ? 0 : EVL_ECANCELED);
    if (!is_taken)
        give_up(job);
    else if (!stays)
        free_job(job);
}

static evl_job *job_at(evl_link *link) { return EVL_OWNER(link, evl_job, link); }

/* Under the lock: what the threads have handed back, the first one first. */
static uint32_t take_done(evl_jobs *jobs, evl_link *done) {
    uint32_t count = 0;
    for (evl_link *link = jobs->done, *next; link; link = next, count++) {
        next = link->next;
        job_at(link)->back = true;
        evl_list_prepend(done, link);
    }
    jobs->done = NULL;
    return count;
}

static uint32_t collect_done(evl_loop *loop, void *state) {
    evl_link done;
    evl_list_init(&done);
    if (!evl_is_forked(loop))
        (void)pthread_mutex_lock(&loop->lock);
    uint32_t count = take_done(state, &done);
    if (!evl_is_forked(loop))
        (void)pthread_mutex_unlock(&loop->lock);
    while (!evl_list_empty(&done)) {
        evl_job *job = job_at(done.next);
        evl_list_remove(&job->link);
        take_back(loop, job);
    }
    return count;
}

/* --- what a loop has of them ------------------------------------------------------------------ */

static bool open_jobs(evl_loop *loop, void *state) {
    static const evl_node_type dropping = {.run = run_drop, .forget = forget_drop};
    (void)state;
    evl_node_know(loop, EVL_NODE_JOB, &dropping);
    return true;
}

/* What their threads have not begun comes back; those that are busy are left behind. In a child the pools are
 * the parent's: new ones are made when they are needed. */
static void close_pools(evl_loop *loop, void *state) {
    evl_jobs *jobs = state;
    (void)loop;
    for (int i = 0; i < EVL_POOLS; i++) {
        evl_executor *pool = jobs->pools[i];
        jobs->pools[i] = NULL;
        (void)evl_executor_close(pool, EVL_CLOSE_ABANDON, 0);
    }
}

static const evl_part jobs_part = {.place = EVL_PART_JOBS,
                                   .size = sizeof(evl_jobs),
                                   .open = open_jobs,
                                   .stop = close_pools,
                                   .fork = close_pools,
                                   .collect = collect_done};

int evl_jobs_pool(evl_loop *loop, int which, uint32_t threads, const char *name, evl_executor **out) {
    evl_jobs *jobs = evl_part_need(loop, &jobs_part);
    if (!jobs)
        return EVL_ENOMEM;
    int rc = 0;
    if (!jobs->pools[which])
        rc = evl_executor_new(loop, threads, EVL_UNBOUNDED, name, &jobs->pools[which]);
    *out = jobs->pools[which];
    return rc;
}

static int default_pool(evl_loop *loop, evl_executor **out) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t threads = cores > 0 && cores < 28 ? (uint32_t)cores + 4 : 32;
    return evl_jobs_pool(loop, EVL_POOL_DEFAULT, threads, "evloop", out);
}

int32_t evl_loop_executor_stats(evl_loop *loop, evl_executor_info *out) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    const evl_jobs *jobs = evl_part_at(loop, EVL_PART_JOBS);
    if (jobs && jobs->pools[EVL_POOL_DEFAULT])
        return evl_executor_stats(jobs->pools[EVL_POOL_DEFAULT], out);
    if (!out || out->struct_size < sizeof out->struct_size)
        return EVL_EINVAL;
    evl_executor_info none = {.struct_size = out->struct_size};
    memcpy(out, &none, none.struct_size < sizeof none ? none.struct_size : sizeof none);
    return 0;
}

/* --- starting --------------------------------------------------------------------------------- */

static int start_job(evl_executor *pool, evl_loop *loop, evl_op *op, const evl_op_type *type, evl_job plan,
                     uint32_t flags) {
    evl_job *job = evl_part_need(loop, &jobs_part) ? evl_mem_zalloc(&loop->mem, sizeof *job) : NULL;
    if (!job)
        return EVL_ENOMEM;
    *job = plan;
    job->pool = pool;
    job->loop = loop;
    job->since = evl_monotonic();
    evl_pool_lock(pool);
    int rc = evl_pool_admit(pool, flags);
    if (rc != 0) {
        evl_pool_unlock(pool);
        evl_mem_free(&loop->mem, job, sizeof *job);
        return rc;
    }
    (void)evl_loop_ref(loop);
    pool->refs++;
    job->op = evl_op_park(loop, op, type, job);
    loop->awaited++;
    evl_list_append(&pool->queue, &job->link);
    pool->info.queued++;
    pool->info.accepted++;
    (void)pthread_cond_signal(&pool->work);
    evl_pool_unlock(pool);
    return 0;
}

int evl_job_start(evl_executor *pool, evl_loop *loop, evl_op *op, const evl_op_type *type, evl_fn *fn,
                  void *arg, evl_fn *drop) {
    evl_job plan = {.fn = fn, .arg = arg, .drop = drop, .internal = true};
    return start_job(pool, loop, op, type, plan, 0);
}

int32_t evl_executor_submit(evl_executor *pool, evl_loop *loop, evl_op *op, evl_fn *fn, void *arg,
                            evl_fn *drop, uint32_t flags) {
    int rc = evl_op_check_start(loop, op);
    if (rc == 0 && (!fn || (flags & ~(uint32_t)EVL_SUBMIT_WAIT) != 0))
        rc = EVL_EINVAL;
    if (rc == 0 && !pool)
        rc = default_pool(loop, &pool);
    if (rc == 0 && evl_pool_is_parents(pool))
        rc = EVL_EFORK;
    if (rc != 0)
        return rc;
    evl_job plan = {.fn = fn, .arg = arg, .drop = drop};
    return start_job(pool, loop, op, &running, plan, flags);
}
