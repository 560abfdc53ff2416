/* What the examples in the headers take as given. */
#include <evloop.h>
#include <evloop/fiber.h>
#include <evloop/http.h>
#include <evloop/http_server.h>
#include <evloop/tls.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

extern evl_loop *loop;
extern evl_timer *timer;
extern evl_io *io;
extern evl_stream *stream, *to_child;
extern evl_server *server;
extern evl_udp *udp;
extern evl_process *process;
extern evl_path *path;
extern evl_signal *sig;
extern evl_hook *hook;
extern evl_async *async;
extern evl_future *future;
extern evl_tls_context *context;
extern evl_server *listener;
extern evl_http_server *web;
extern evl_http_session *session;
extern evl_http_request *request;
extern evl_lock *lock;
extern evl_queue *queue;
extern evl_addresses *list;
extern evl_op op, put_op, get_op;
extern evl_waitq q;
extern evl_poll_row *rows;
extern evl_fd fd;
extern const void *address;
extern uint32_t length, to_length;
extern int32_t n, cap;
extern uint64_t id;
extern int64_t ns, timeout_ns;
extern void *app, *arg, *conn, *view, *job, *file, *item, *pool, *vm;
extern const char *text;
extern size_t len;
extern const void *to;
extern char buf[256];
extern evl_address own;

extern evl_fn fn, refresh, finished, give_up, collect_garbage, read_all;
extern evl_done_fn connected, done, readable, changed, exited, interrupted, received, work_came;
void dispatch(uint64_t user_data, int32_t result);
