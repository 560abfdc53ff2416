/* evloop.h - one event loop over epoll, kqueue and select.
 *
 * A loop waits for everything at once: descriptors, deadlines, signals, other threads; and runs what is due,
 * one thing after the other, on one thread.
 *
 *     #include <evloop.h>
 *     #include <stdio.h>
 *
 *     static void tick(void *arg, int64_t expirations) {
 *         printf("%s (%lld)\n", (const char *)arg, (long long)expirations);
 *     }
 *
 *     int main(void) {
 *         evl_loop *loop;
 *         evl_timer *timer;
 *         if (evl_loop_new(&loop, NULL) != 0)
 *             return 1;
 *         evl_timer_new(loop, tick, "hello", &timer);
 *         evl_timer_start_in(timer, 500000000, 0);      // half a second from now, once
 *         evl_loop_run(loop, EVL_RUN_DEFAULT);          // returns when nothing is left to do
 *         evl_close(timer);
 *         return evl_loop_close(loop) != 0;
 *     }
 *
 * HANDLES happen many times: a watcher (io.h), a timer (timer.h, wall.h), a signal (signal.h), a hook
 * (hook.h), a stream and what else is below. All are ended by evl_close (handle.h), from which on nothing of
 * them is heard, wherever it is called from. What happens once is an operation, or a plain call (call.h):
 *
 *     evl_io_new(loop, fd, EVL_READ, 0, readable, conn, &io);    // readable(conn, mask) while fd can be read
 *     evl_io_set(io, EVL_READ | EVL_WRITE);                      // from now on both
 *     evl_call_soon(loop, fn, arg);                              // fn(arg) in the next pass
 *     evl_post(loop, fn, arg);                                   // the same from any thread
 *     evl_stop(loop, 0);                                         // run returns when this pass is over
 *
 * OPERATIONS (op.h) have one result, one deadline and one cancel each, whatever they wait for: time, an fd, a
 * signal, a lock or queue (sync.h, queue.h), a job on a thread (executor.h). A FUTURE (future.h) holds a
 * result for all who want it; hand its operation to anything, and combine futures with evl_gather,
 * evl_wait_for, evl_shield and the like:
 *
 *     evl_op_init(&op, done, conn, 0);
 *     evl_wait_fd(loop, &op, fd, EVL_READ);                      // done(conn, mask), once
 *     evl_op_deadline(&op, evl_now(loop) + 5000000000);          // or done(conn, EVL_ETIMEDOUT), 5 s later
 *     evl_op_cancel(&op);                                        // or done(conn, EVL_ECANCELED), next pass
 *
 * STREAMS (stream.h) are connections, pipes and terminals: read by operations or have data pushed, write
 * without waiting, close without losing anything. Make them by connecting (connect.h), accepting (server.h)
 * or from an fd. There are datagrams (udp.h), names (names.h) and child processes (process.h) too:
 *
 *     evl_connect(loop, &op, "localhost", "80", NULL, &stream);  // tries all addresses, fastest first
 *     evl_stream_write(stream, text, len);                       // sends, and queues what does not go at
 * once evl_stream_read_line(stream, &op, buf, sizeof buf);        // done(conn, bytes), 0 at the end
 *
 * ERRORS are negative numbers that a call returns, EVL_ENOMEM for one (errors.h); there is no errno, nothing
 * is printed, and nothing aborts. TIME is int64_t nanoseconds of a monotonic clock, and for tests of a
 * virtual one (loop.h). THREADS: a loop belongs to the thread that runs it; what other threads may call says
 * "@thread any".
 *
 * WITHOUT CALLBACKS the same things report through an array of flat records (record.h): make them with a NULL
 * function and call evl_loop_records. INSIDE ANOTHER LOOP one descriptor tells when evloop has work:
 * evl_loop_fd (loop.h). WHAT IS IT DOING? evl_loop_blockers, evl_loop_dump, evl_loop_metrics (metrics.h).
 *
 * The headers below are the manual; docs/design.md says how the library is built and why. */
#ifndef EVLOOP_H
#define EVLOOP_H

#include "evloop/backend.h"
#include "evloop/base.h"
#include "evloop/call.h"
#include "evloop/connect.h"
#include "evloop/errors.h"
#include "evloop/executor.h"
#include "evloop/future.h"
#include "evloop/handle.h"
#include "evloop/hook.h"
#include "evloop/io.h"
#include "evloop/loop.h"
#include "evloop/metrics.h"
#include "evloop/names.h"
#include "evloop/op.h"
#include "evloop/path.h"
#include "evloop/process.h"
#include "evloop/queue.h"
#include "evloop/record.h"
#include "evloop/server.h"
#include "evloop/signal.h"
#include "evloop/stream.h"
#include "evloop/sync.h"
#include "evloop/timer.h"
#include "evloop/transport.h"
#include "evloop/udp.h"
#include "evloop/waitq.h"
#include "evloop/wall.h"

#endif
