/* executor.c - pools of threads.
 *
 * A job is a block of its own: the operation may go while the job runs. Under the pool's lock the two know
 * each other; whoever leaves first takes the other's pointer away. Finished jobs are handed to their loop in
 * a list under the loop's lock, so that telling the loop cannot fail. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#    define _GNU_SOURCE /* pthread_setname_np */
#endif
#include "executor.h"
#include "../loop/access.h"
#include "../loop/embed.h"
#include "../loop/loop.h"
#include "../loop/node_type.h"
#include "../loop/part.h"
#include "../loop/post.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { JOB_QUEUED, JOB_RUNNING, JOB_DONE };

typedef struct evl_job {
    evl_link link; /* in the pool's queue, or through `next` in evl_jobs.done */
    evl_node node; /* of its drop: EVL_NODE_JOB */
    evl_executor *pool;
    evl_loop *loop;    /* a reference */
    evl_operation *op; /* NULL: no operation waits for it any more */
    evl_fn *fn;
    void *arg;
    evl_fn *drop;
    int state;
    bool back;     /* its loop has it, and frees it */
    bool given_up; /* done without having begun */
    bool internal; /* its drop is no user's, and need not wait */
} evl_job;

/* What a loop has of them. */
typedef struct evl_jobs {
    evl_link *
        done; /* evl_job.link, through `next`, the last one first: under the loop's lock, counted in posted */
    evl_executor *pools[EVL_POOLS];
} evl_jobs;

static evl_jobs *jobs_of(const evl_loop *loop) { return evl_part_at(loop, EVL_PART_JOBS); }

typedef struct worker {
    evl_link link; /* in evl_executor.workers */
    evl_executor *pool;
    pthread_t thread;
    bool busy; /* runs a job */
    bool left; /* left behind: it is not joined, and it frees itself */
} worker;

struct evl_executor {
    pthread_mutex_t lock;
    pthread_cond_t work;  /* a job, or the end */
    pthread_cond_t quiet; /* nothing is queued or running */
    evl_link queue;
    evl_link workers;
    evl_loop *home; /* whose memory this is; a reference */
    uint32_t generation;
    uint32_t refs; /* the owner's, each thread's, each job's */
    uint32_t max_threads, limit;
    uint32_t threads;
    bool closed;
    char name[16];
    evl_executor_info info;
};

/* In a forked child there are no threads, and the lock may be held for ever by one that is not there. */
static bool is_parents(const evl_executor *pool) { return pool->generation != evl_fork_now(); }

static void lock(evl_executor *pool) {
    if (!is_parents(pool))
        (void)pthread_mutex_lock(&pool->lock);
}

static void unlock(evl_executor *pool) {
    if (!is_parents(pool))
        (void)pthread_mutex_unlock(&pool->lock);
}

/* --- life, under the lock --------------------------------------------------------------------- */

static void free_pool(evl_executor *pool) {
    evl_loop *home = pool->home;
    if (!is_parents(pool)) {
        (void)pthread_cond_destroy(&pool->work);
        (void)pthread_cond_destroy(&pool->quiet);
        (void)pthread_mutex_destroy(&pool->lock);
    }
    evl_mem_free(&home->mem, pool, sizeof *pool);
    evl_loop_unref(home);
}

/* Unlocks, and frees the pool with the last reference. */
static void unlock_and_unref(evl_executor *pool) {
    bool last = --pool->refs == 0;
    unlock(pool);
    if (last)
        free_pool(pool);
}

static bool is_quiet(const evl_executor *pool) { return pool->info.queued == 0 && pool->info.running == 0; }

static void free_job(evl_job *job) {
    evl_loop *loop = job->loop;
    evl_executor *pool = job->pool;
    evl_mem_free(&loop->mem, job, sizeof *job);
    evl_loop_unref(loop);
    lock(pool);
    unlock_and_unref(pool);
}

static void drop_now(evl_job *job) {
    evl_fn *drop = job->drop;
    void *arg = job->arg;
    free_job(job);
    if (drop)
        drop(arg);
}

/* --- on the pool's threads -------------------------------------------------------------------- */

/* The loop hears of the job, or it is gone and this thread is the one to give the argument up. */
static void hand_back(evl_job *job) {
    evl_loop *loop = job->loop;
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
    if (!closed) {
        evl_notify(loop);
        return;
    }
    drop_now(job);
}

static void run_job(worker *self, evl_job *job) {
    evl_executor *pool = self->pool;
    job->state = JOB_RUNNING;
    self->busy = true;
    pool->info.queued--;
    pool->info.running++;
    unlock(pool);
    job->fn(job->arg);
    lock(pool);
    job->state = JOB_DONE;
    self->busy = false;
    pool->info.running--;
    if (job->op)
        pool->info.finished++;
    else
        pool->info.late++;
    if (is_quiet(pool))
        (void)pthread_cond_broadcast(&pool->quiet);
    unlock(pool);
    hand_back(job);
    lock(pool);
}

static evl_job *next_job(evl_executor *pool) {
    while (evl_list_empty(&pool->queue) && !pool->closed)
        (void)pthread_cond_wait(&pool->work, &pool->lock);
    if (evl_list_empty(&pool->queue))
        return NULL;
    evl_job *job = EVL_OWNER(pool->queue.next, evl_job, link);
    evl_list_remove(&job->link);
    return job;
}

static void free_worker(worker *self) { evl_mem_free(&self->pool->home->mem, self, sizeof *self); }

static void *work(void *arg) {
    worker *self = arg;
    evl_executor *pool = self->pool;
    lock(pool);
#if defined(__linux__)
    if (pool->name[0] != '\0')
        (void)pthread_setname_np(pthread_self(), pool->name);
#endif
    for (evl_job *job; (job = next_job(pool));)
        run_job(self, job);
    pool->threads--;
    pool->info.threads--;
    if (self->left)
        free_worker(self);
    unlock_and_unref(pool);
    return NULL;
}

/* Under the lock. The thread begins with taking it, and so sees what is written here. */
static int start_thread(evl_executor *pool) {
    sigset_t all, before;
    worker *self = evl_mem_zalloc(&pool->home->mem, sizeof *self);
    if (!self)
        return EVL_ENOMEM;
    self->pool = pool;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&self->thread, NULL, work, self);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        free_worker(self);
        return evl_err_from_errno(rc);
    }
    evl_list_append(&pool->workers, &self->link);
    pool->refs++;
    pool->threads++;
    pool->info.threads++;
    return 0;
}

/* --- on the loop's thread --------------------------------------------------------------------- */

/* The argument is dropped, and the block goes with it. A user's drop runs later, and the block carries it:
 * there is always memory for that. */
static void give_up(evl_job *job) {
    evl_loop *loop = job->loop;
    if (!job->drop || job->internal || evl_is_shut(loop)) {
        drop_now(job);
        return;
    }
    job->node = (evl_node){.sink = EVL_SINK_CALL, .type = EVL_NODE_JOB, .kind = EVL_KIND_DROP};
    evl_ready(loop, &job->node);
    evl_touch(loop);
}

static void run_drop(evl_loop *loop, evl_node *node) {
    (void)loop;
    drop_now(EVL_OWNER(node, evl_job, node));
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
    if (is_parents(pool))
        return !came_back(job); /* a thread may be in the pool's lists, which are not used here */
    if (job->state != JOB_QUEUED)
        return false;
    evl_list_remove(&job->link);
    pool->info.queued--;
    pool->info.canceled++;
    if (is_quiet(pool))
        (void)pthread_cond_broadcast(&pool->quiet);
    return true;
}

/* The operation goes: the job loses it, and if it has not begun, it never will. */
void evl_job_leave(evl_operation *op) {
    evl_job *job = op->owner;
    evl_executor *pool = job->pool;
    op->loop->awaited--;
    lock(pool);
    bool never = withdraw(job);
    unlock(pool);
    if (never)
        give_up(job);
}

/* The block stays until then, in case the argument has to be given up after all. */
static void deliver(evl_operation *op) { free_job(op->owner); }

static void refuse(evl_operation *op) { give_up(op->owner); }

static const evl_op_type running = {
    .name = "job", .leave = evl_job_leave, .deliver = deliver, .refuse = refuse, .threaded = true};

/* Who gets the argument: the operation, if one waits and the job has run. */
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

/* A timeout is not to end early or late because the wall clock is set. */
#if defined(_POSIX_CLOCK_SELECTION) && _POSIX_CLOCK_SELECTION > 0
#    define QUIET_CLOCK CLOCK_MONOTONIC

static int init_quiet(pthread_cond_t *quiet) {
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    if (rc != 0)
        return rc;
    rc = pthread_condattr_setclock(&attr, QUIET_CLOCK);
    if (rc == 0)
        rc = pthread_cond_init(quiet, &attr);
    (void)pthread_condattr_destroy(&attr);
    return rc;
}
#else
#    define QUIET_CLOCK CLOCK_REALTIME

static int init_quiet(pthread_cond_t *quiet) { return pthread_cond_init(quiet, NULL); }
#endif

int32_t evl_executor_new(evl_loop *loop, uint32_t threads, uint32_t limit, const char *name,
                         evl_executor **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    if (!out || threads == 0)
        return EVL_EINVAL;
    evl_executor *pool = evl_mem_zalloc(&loop->mem, sizeof *pool);
    if (!pool)
        return EVL_ENOMEM;
    rc = pthread_mutex_init(&pool->lock, NULL);
    if (rc == 0)
        rc = pthread_cond_init(&pool->work, NULL);
    if (rc == 0)
        rc = init_quiet(&pool->quiet);
    if (rc != 0) {
        evl_mem_free(&loop->mem, pool, sizeof *pool);
        return evl_err_from_errno(rc);
    }
    evl_list_init(&pool->queue);
    evl_list_init(&pool->workers);
    pool->home = evl_loop_ref(loop);
    pool->generation = loop->origin;
    pool->refs = 1;
    pool->max_threads = threads;
    pool->limit = limit;
    for (size_t i = 0; name && name[i] != '\0' && i + 1 < sizeof pool->name; i++)
        pool->name[i] = name[i];
    *out = pool;
    return 0;
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

/* Under the lock: whether one more job may come in. Starts a thread if none is free for it. */
static int admit(evl_executor *pool, uint32_t flags) {
    if (pool->closed)
        return EVL_ECLOSED;
    bool free_thread = pool->threads > pool->info.running + pool->info.queued;
    bool may_grow = pool->threads < pool->max_threads;
    if (!free_thread && !may_grow && !(flags & EVL_SUBMIT_WAIT) && pool->info.queued >= pool->limit)
        return EVL_EAGAIN;
    if (free_thread || !may_grow)
        return 0;
    int rc = start_thread(pool);
    return rc != 0 && pool->threads != 0 ? 0 : rc; /* the threads there are will do */
}

static int start_job(evl_executor *pool, evl_loop *loop, evl_op *op, const evl_op_type *type, evl_job plan,
                     uint32_t flags) {
    evl_job *job = evl_part_need(loop, &jobs_part) ? evl_mem_zalloc(&loop->mem, sizeof *job) : NULL;
    if (!job)
        return EVL_ENOMEM;
    *job = plan;
    job->pool = pool;
    job->loop = loop;
    lock(pool);
    int rc = admit(pool, flags);
    if (rc != 0) {
        unlock(pool);
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
    unlock(pool);
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
    if (rc == 0 && is_parents(pool))
        rc = EVL_EFORK;
    if (rc != 0)
        return rc;
    evl_job plan = {.fn = fn, .arg = arg, .drop = drop};
    return start_job(pool, loop, op, &running, plan, flags);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* False when the time is up. */
static bool wait_until_quiet(evl_executor *pool, int64_t timeout_ns) {
    struct timespec until;
    (void)clock_gettime(QUIET_CLOCK, &until);
    int64_t at = evl_saturated_add((int64_t)until.tv_sec * 1000000000 + until.tv_nsec, timeout_ns);
    until = evl_timespec(at);
    while (!is_quiet(pool)) {
        if (timeout_ns < 0)
            (void)pthread_cond_wait(&pool->quiet, &pool->lock);
        else if (pthread_cond_timedwait(&pool->quiet, &pool->lock, &until) == ETIMEDOUT && !is_quiet(pool))
            return false;
    }
    return true;
}

/* What has not begun goes back to its loop, which cancels it. */
static void give_up_queue(evl_executor *pool) {
    while (!evl_list_empty(&pool->queue)) {
        evl_job *job = EVL_OWNER(pool->queue.next, evl_job, link);
        evl_list_remove(&job->link);
        job->state = JOB_DONE;
        job->given_up = true;
        pool->info.queued--;
        pool->info.canceled++;
        unlock(pool);
        hand_back(job);
        lock(pool);
    }
}

/* Joins the threads that are through, and leaves the others behind. */
static void end_threads(evl_executor *pool) {
    evl_link idle;
    evl_list_init(&idle);
    while (!evl_list_empty(&pool->workers)) {
        worker *self = EVL_OWNER(pool->workers.next, worker, link);
        evl_list_remove(&self->link);
        self->left = self->busy;
        if (self->left)
            (void)pthread_detach(self->thread);
        else
            evl_list_append(&idle, &self->link);
    }
    unlock(pool);
    while (!evl_list_empty(&idle)) {
        worker *self = EVL_OWNER(idle.next, worker, link);
        evl_list_remove(&self->link);
        (void)pthread_join(self->thread, NULL);
        free_worker(self);
    }
    lock(pool);
}

/* A child has their memory, and not them. */
static void forget_threads(evl_executor *pool) {
    pool->closed = true;
    while (!evl_list_empty(&pool->workers)) {
        worker *self = EVL_OWNER(pool->workers.next, worker, link);
        evl_list_remove(&self->link);
        free_worker(self);
        pool->refs--;
    }
    unlock_and_unref(pool);
}

/* Whether this is one of the pool's own threads, whose job cannot end while it waits for that. */
static bool is_worker(const evl_executor *pool) {
    for (const evl_link *link = pool->workers.next; link != &pool->workers; link = link->next)
        if (pthread_equal(EVL_OWNER(link, worker, link)->thread, pthread_self()))
            return true;
    return false;
}

int32_t evl_executor_close(evl_executor *pool, int32_t how, int64_t timeout_ns) {
    if (!pool)
        return 0;
    if (how != EVL_CLOSE_DRAIN && how != EVL_CLOSE_ABANDON)
        return EVL_EINVAL;
    if (is_parents(pool)) {
        forget_threads(pool);
        return 0;
    }
    lock(pool);
    if (timeout_ns < 0 && is_worker(pool)) {
        unlock(pool);
        return EVL_EDEADLK;
    }
    pool->closed = true;
    (void)pthread_cond_broadcast(&pool->work);
    if (how == EVL_CLOSE_ABANDON)
        give_up_queue(pool);
    bool quiet = wait_until_quiet(pool, timeout_ns);
    if (!quiet)
        give_up_queue(pool);
    end_threads(pool);
    unlock_and_unref(pool);
    return quiet ? 0 : EVL_ETIMEDOUT;
}

int32_t evl_executor_stats(evl_executor *pool, evl_executor_info *out) {
    if (!pool || !out || out->struct_size < sizeof out->struct_size)
        return EVL_EINVAL;
    uint32_t size = out->struct_size;
    lock(pool);
    pool->info.struct_size = size;
    memcpy(out, &pool->info, size < sizeof *out ? size : sizeof *out);
    unlock(pool);
    return 0;
}
