/* chat.c - a chat room on a Unix socket: what one says in a line, all the others get.
 *     chat PATH      then, from several terminals: nc -U PATH
 *
 * Nobody is waited for: who does not read has a queue of at most a megabyte, and is shown the door after. */
#define _POSIX_C_SOURCE 200809L
#include <evloop.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_LIMIT = 1 << 20 };

typedef struct guest {
    struct guest *next;
    evl_stream *stream; /* NULL: gone, and about to be forgotten */
    evl_op heard;
    char name[24];
    char line[1024];
} guest;

static evl_server *server;
static guest *guests;
static int number;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "chat: %s: %s\n", what, evl_strerror(rc));
        exit(1);
    }
}

/* From one to all the others. Who cannot take it is only marked, for the list is being walked. */
static void tell(const guest *from, const char *separator, const char *text, size_t size) {
    const evl_buf parts[] = {{from->name, strlen(from->name)}, {separator, strlen(separator)}, {text, size}};
    int64_t total = (int64_t)(parts[0].len + parts[1].len + size);
    for (guest *g = guests; g != NULL; g = g->next) {
        if (g == from || g->stream == NULL || evl_stream_writev(g->stream, parts, 3) == total)
            continue;
        evl_op_close(&g->heard);
        evl_stream_abort(g->stream);
        g->stream = NULL;
    }
}

static void say(const guest *from, const char *text) { tell(from, " ", text, strlen(text)); }

/* Forgets those who are gone, and tells the others; until telling makes nobody go. */
static void see_off(void) {
    for (guest **at = &guests; *at != NULL;) {
        guest *g = *at;
        if (g->stream != NULL) {
            at = &g->next;
            continue;
        }
        *at = g->next;
        say(g, "has left\n");
        free(g);
        at = &guests;
    }
}

static void listen_to(guest *g);

static void on_line(void *arg, int64_t n) {
    guest *g = arg;
    if (n > 0) {
        tell(g, ": ", g->line, (size_t)n);
        listen_to(g);
    } else {
        evl_close(g->stream); /* what is queued still goes out */
        g->stream = NULL;
    }
    see_off();
}

static void listen_to(guest *g) {
    check(evl_stream_read_line(g->stream, &g->heard, g->line, sizeof g->line), "evl_stream_read_line");
}

static void on_connection(void *arg, int64_t rc) {
    evl_stream *stream;
    (void)arg;
    check((int32_t)rc, "the server");
    while (evl_server_accept(server, &stream) == 0) {
        guest *g = calloc(1, sizeof *g);
        check(g == NULL ? EVL_ENOMEM : 0, "a guest");
        snprintf(g->name, sizeof g->name, "guest %d", ++number);
        g->stream = stream;
        g->next = guests;
        guests = g;
        check(evl_stream_set_marks(stream, QUEUE_LIMIT, EVL_AUTO, QUEUE_LIMIT), "evl_stream_set_marks");
        check(evl_op_init(&g->heard, on_line, g, 0), "evl_op_init");
        listen_to(g);
        say(g, "has come\n");
    }
    see_off();
}

static void on_signal(void *arg, int64_t count) {
    (void)count;
    check(evl_stop(arg, 0), "evl_stop");
}

int main(int argc, char **argv) {
    evl_loop *loop;
    evl_signal *handle;
    if (argc != 2)
        return fputs("usage: chat PATH\n", stderr), 2;
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    check(evl_signal_new(loop, SIGINT, on_signal, loop, &handle), "evl_signal_new");
    check(evl_signal_new(loop, SIGTERM, on_signal, loop, &handle), "evl_signal_new");
    check(evl_server_listen_unix(loop, argv[1], NULL, &server), "evl_server_listen_unix");
    check(evl_server_on_connection(server, on_connection, NULL), "evl_server_on_connection");
    printf("the room is open: nc -U %s\n", argv[1]);
    fflush(stdout);
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "evl_loop_run");
    check(evl_loop_destroy(loop), "evl_loop_destroy"); /* removes the path too */
    for (guest *g; (g = guests) != NULL; free(g))
        guests = g->next;
    return 0;
}
