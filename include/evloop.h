/* evloop.h - one event loop over epoll, kqueue and select.
 *
 * A loop waits for everything at once (descriptors, deadlines, signals, other threads) and runs what is
 * due, one callback after the other, on one thread.
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
 *         evl_timer_start_in(timer, 500000000, 0); // half a second from now, once
 *         evl_loop_run(loop, EVL_RUN_DEFAULT);     // returns when nothing is left to do
 *         evl_close(timer);
 *         return evl_loop_close(loop) != 0;
 *     }
 *
 * HANDLES are for what can happen many times: a watcher (io.h), a timer (timer.h, wall.h), a signal
 * (signal.h), a hook (hook.h), a stream, a server and so on. Every handle is ended by evl_close
 * (handle.h); after it returns no callback of the handle runs, wherever it was called. What happens once
 * is an operation, or a plain call (call.h):
 *
 *     evl_io_new(loop, fd, EVL_READ, 0, readable, conn, &io); // readable(conn, mask) while fd can be read
 *     evl_io_set(io, EVL_READ | EVL_WRITE);                   // from now on both
 *     evl_call_soon(loop, fn, arg);                           // fn(arg) in the next pass
 *     evl_call_later(loop, 5 * EVL_SECOND, fn, arg, &id);     // fn(arg) in 5 s
 *     evl_post(loop, fn, arg);                                // as evl_call_soon, from any thread
 *     evl_stop(loop, 0);                                      // run returns when this pass is over
 *
 * OPERATIONS (op.h) have one result, one deadline and one cancel each, whatever they wait for: time, an
 * fd, a signal, a lock or queue (sync.h, queue.h), a job on a thread (executor.h). A FUTURE (future.h)
 * holds a result for all who want it; let any operation complete it, and combine futures with evl_gather,
 * evl_wait_for, evl_shield and others:
 *
 *     evl_op_init(&op, done, conn, 0);
 *     evl_wait_fd(loop, &op, fd, EVL_READ);             // done(conn, mask), once
 *     evl_op_timeout(&op, 5 * EVL_SECOND);              // or done(conn, EVL_ETIMEDOUT) 5 s later
 *     evl_op_cancel(&op);                               // or done(conn, EVL_ECANCELED) in the next pass
 *
 * STREAMS (stream.h) are connections, pipes and terminals: they are read by operations or push data to a
 * callback, are written without waiting, and close without losing what was written. They are made by
 * connecting (connect.h), by accepting (server.h), or from an fd. There are datagrams (udp.h), names
 * (names.h), child processes (process.h) and watched paths (path.h) too:
 *
 *     evl_connect(loop, &op, "localhost", "80", NULL, &stream); // tries all addresses of the host
 *     evl_stream_write(stream, text, len);                      // sends, and queues what is not sent at once
 *     evl_stream_read_line(stream, &op, buf, sizeof buf);       // done(conn, bytes), 0 at the end
 *
 * ERRORS are negative numbers that a call returns, such as EVL_ENOMEM (errors.h); there is no errno,
 * nothing is printed, and nothing aborts. TIME is int64_t nanoseconds (EVL_MS, EVL_SECOND) of a monotonic
 * clock, or of a virtual one for tests (loop.h). THREADS: a loop belongs to the thread that runs it;
 * functions that other threads may call are marked "@thread any".
 *
 * WITHOUT CALLBACKS the same things are reported in an array of flat records (record.h): make them with a
 * NULL function and call evl_loop_records. INSIDE ANOTHER LOOP one descriptor is readable when evloop has
 * work: evl_loop_fd (loop.h). WHAT IS OPEN, AND WHY DOES IT NOT END? evl_loop_blockers, evl_loop_dump,
 * evl_loop_metrics (metrics.h).
 *
 * The headers below are the reference; docs/ has tutorials and guides, and docs/design.md says how the
 * library is built and why. */
#ifndef EVLOOP_H
#define EVLOOP_H

#include "evloop/async.h"
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
#include "evloop/modules.h"
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
