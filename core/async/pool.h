/* pool.h - a pool of threads and its jobs, for executor.c (the pool and its threads) and job.c (jobs, and the
 * loop that they are started from).
 *
 * A job is a block of its own: the operation may go while the job runs. Under the pool's lock the two know
 * each other; the one that leaves first clears the other's pointer. Finished jobs are handed to their loop in
 * a list under the loop's lock, so that notifying the loop cannot fail. */
#ifndef EVL_CORE_POOL_H
#define EVL_CORE_POOL_H

#include "../base/compiler.h"
#include "../base/fork.h"
#include "executor.h"
#include <pthread.h>

enum { EVL_JOB_QUEUED, EVL_JOB_RUNNING, EVL_JOB_DONE };

typedef struct evl_job {
    evl_link link; /* in the pool's queue, or through `next` in evl_jobs.done */
    evl_node node; /* of its drop: EVL_NODE_JOB */
    evl_executor *pool;
    evl_loop *loop;    /* a reference */
    evl_operation *op; /* NULL: no operation waits for it any more */
    evl_fn *fn;
    void *arg;
    evl_fn *drop;
    int64_t since; /* when it was accepted */
    int state;
    bool back;     /* its loop has it, and frees it */
    bool given_up; /* done without having begun */
    bool internal; /* its drop is no user's, and need not wait */
} evl_job;

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
static inline bool evl_pool_is_parents(const evl_executor *pool) {
    return pool->generation != evl_fork_now();
}

static inline void evl_pool_lock(evl_executor *pool) {
    if (!evl_pool_is_parents(pool))
        (void)pthread_mutex_lock(&pool->lock);
}

static inline void evl_pool_unlock(evl_executor *pool) {
    if (!evl_pool_is_parents(pool))
        (void)pthread_mutex_unlock(&pool->lock);
}

static inline bool evl_pool_is_quiet(const evl_executor *pool) {
    return pool->info.queued == 0 && pool->info.running == 0;
}

/* executor.c. Unlocks, and frees the pool with the last reference. */
void evl_pool_unlock_and_unref(evl_executor *pool);

/* Under the lock: whether one more job may come in. Starts a thread if none is free for it. */
int evl_pool_admit(evl_executor *pool, uint32_t flags);

/* job.c. The loop is notified of the job. False: it is gone, and evl_job_drop is the caller's to do. */
bool evl_job_hand_back(evl_job *job);
void evl_job_drop(evl_job *job); /* gives the argument up, here and now, and frees the job */

#endif
