/* executor.h - jobs from the inside: operations of the library's own that need a thread. */
#ifndef EVL_CORE_EXECUTOR_H
#define EVL_CORE_EXECUTOR_H

#include "../op/op.h"

/* The pools that a loop has of its own. */
enum { EVL_POOL_DEFAULT = 0, EVL_POOL_NAMES = 1, EVL_POOLS = 2 };

/* One of them, made on the first call. EVL_ENOMEM, and what evl_executor_new returns. */
int evl_jobs_pool(evl_loop *loop, int which, uint32_t threads, const char *name, evl_executor **out);

/* Runs fn(arg) on a thread of the pool for an operation of the given type, whose `leave` is evl_job_leave and
 * which is `threaded`.
 * When it completes with 0, op->value is arg: the type's `deliver` makes a result of it and frees it, and its
 * `refuse` frees it. drop(arg), which runs no user code, is called where the job is abandoned instead, on
 * either thread. The caller has checked the start. EVL_ENOMEM, EVL_ECLOSED, and what starting a thread
 * returns. */
int evl_job_start(evl_executor *pool, evl_loop *loop, evl_op *op, const evl_op_type *type, evl_fn *fn,
                  void *arg, evl_fn *drop);
void evl_job_leave(evl_operation *op);

#endif
