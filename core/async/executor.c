/* executor.c - pools of threads. */
#if defined(__linux__) && !defined(_GNU_SOURCE)
#    define _GNU_SOURCE /* pthread_setname_np */
#endif
#include "../loop/access.h"
#include "../loop/loop.h"
#include "pool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

typedef struct worker {
    evl_link link; /* in evl_executor.workers */
    evl_executor *pool;
    pthread_t thread;
    bool busy; /* runs a job */
    bool left; /* left behind: it is not joined, and it frees itself */
} worker;

/* --- life, under the lock --------------------------------------------------------------------- */

static void free_pool(evl_executor *pool) {
    evl_loop *home = pool->home;
    if (!evl_pool_is_parents(pool)) {
        (void)pthread_cond_destroy(&pool->work);
        (void)pthread_cond_destroy(&pool->quiet);
        (void)pthread_mutex_destroy(&pool->lock);
    }
    evl_mem_free(&home->mem, pool, sizeof *pool);
    evl_loop_unref(home);
}

void evl_pool_unlock_and_unref(evl_executor *pool) {
    bool last = --pool->refs == 0;
    evl_pool_unlock(pool);
    if (last)
        free_pool(pool);
}

/* --- threads ---------------------------------------------------------------------------------- */

/* Around user code, without the lock, which may take any time and may close the pool. */
static void begin(worker *self) {
    self->busy = true;
    self->pool->info.running++;
    evl_pool_unlock(self->pool);
}

static void end(worker *self) {
    evl_pool_lock(self->pool);
    self->busy = false;
    self->pool->info.running--;
    if (evl_pool_is_quiet(self->pool))
        (void)pthread_cond_broadcast(&self->pool->quiet);
}

/* Idle before it hands the job back: who is called with the result may close the pool and finds it quiet. */
static void run_job(worker *self, evl_job *job) {
    evl_executor *pool = self->pool;
    uint64_t waited = (uint64_t)(evl_monotonic() - job->since);
    job->state = EVL_JOB_RUNNING;
    pool->info.queued--;
    pool->info.wait_ns += waited;
    if (waited > pool->info.wait_max_ns)
        pool->info.wait_max_ns = waited;
    begin(self);
    job->fn(job->arg);
    end(self);
    job->state = EVL_JOB_DONE;
    if (job->op)
        pool->info.finished++;
    else
        pool->info.late++;
    evl_pool_unlock(pool);
    bool taken = evl_job_hand_back(job);
    evl_pool_lock(pool);
    if (taken)
        return;
    begin(self);
    evl_job_drop(job);
    end(self);
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
    evl_pool_lock(pool);
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
    evl_pool_unlock_and_unref(pool);
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

int evl_pool_admit(evl_executor *pool, uint32_t flags) {
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

/* --- making ----------------------------------------------------------------------------------- */

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

/* --- the end ---------------------------------------------------------------------------------- */

/* False when the time is up. */
static bool wait_until_quiet(evl_executor *pool, int64_t timeout_ns) {
    struct timespec until;
    (void)clock_gettime(QUIET_CLOCK, &until);
    int64_t at = evl_saturated_add((int64_t)until.tv_sec * 1000000000 + until.tv_nsec, timeout_ns);
    until = evl_timespec(at);
    while (!evl_pool_is_quiet(pool)) {
        if (timeout_ns < 0)
            (void)pthread_cond_wait(&pool->quiet, &pool->lock);
        else if (pthread_cond_timedwait(&pool->quiet, &pool->lock, &until) == ETIMEDOUT &&
                 !evl_pool_is_quiet(pool))
            return false;
    }
    return true;
}

/* What has not begun goes back to its loop, which cancels it. */
static void give_up_queue(evl_executor *pool) {
    while (!evl_list_empty(&pool->queue)) {
        evl_job *job = EVL_OWNER(pool->queue.next, evl_job, link);
        evl_list_remove(&job->link);
        job->state = EVL_JOB_DONE;
        job->given_up = true;
        pool->info.queued--;
        pool->info.canceled++;
        evl_pool_unlock(pool);
        if (!evl_job_hand_back(job))
            evl_job_drop(job);
        evl_pool_lock(pool);
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
    evl_pool_unlock(pool);
    while (!evl_list_empty(&idle)) {
        worker *self = EVL_OWNER(idle.next, worker, link);
        evl_list_remove(&self->link);
        (void)pthread_join(self->thread, NULL);
        free_worker(self);
    }
    evl_pool_lock(pool);
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
    evl_pool_unlock_and_unref(pool);
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
    if (evl_pool_is_parents(pool)) {
        forget_threads(pool);
        return 0;
    }
    evl_pool_lock(pool);
    if (timeout_ns < 0 && is_worker(pool)) {
        evl_pool_unlock(pool);
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
    evl_pool_unlock_and_unref(pool);
    return quiet ? 0 : EVL_ETIMEDOUT;
}

int32_t evl_executor_stats(evl_executor *pool, evl_executor_info *out) {
    if (!pool || !out || out->struct_size < sizeof out->struct_size)
        return EVL_EINVAL;
    uint32_t size = out->struct_size;
    evl_pool_lock(pool);
    pool->info.struct_size = size;
    memcpy(out, &pool->info, size < sizeof *out ? size : sizeof *out);
    evl_pool_unlock(pool);
    return 0;
}
