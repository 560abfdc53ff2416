/* hiredis.c - hiredis against a redis-server of the test's own. */
#include "support.h"

#include <evloop/adapters/hiredis.h>

enum { CONNECTIONS = 20, COMMANDS = 500, ALL = CONNECTIONS * COMMANDS };

static char directory[64], path[96];
static pid_t server;

static void start_server(void) {
    char *argv[] = {"redis-server", "--port", "0",     "--unixsocket", path,          "--save", "",
                    "--appendonly", "no",     "--dir", directory,      "--maxmemory", "64mb",   NULL};
    unlink(path);
    server = start_program(argv);
    wait_for_unix(path);
}

/* What became of the commands of a case. */
static struct counts {
    int right, lost, wrong, connected, refused, ended, broken;
    evl_loop *loop;
} counts;
static redisAsyncContext *connections[CONNECTIONS];

static void on_connect(const redisAsyncContext *ac, int status) {
    (void)ac;
    status == REDIS_OK ? counts.connected++ : counts.refused++;
}

static void on_disconnect(const redisAsyncContext *ac, int status) {
    (void)ac;
    status == REDIS_OK ? counts.ended++ : counts.broken++;
}

static redisAsyncContext *attached(evl_loop *loop) {
    redisAsyncContext *ac = redisAsyncConnectUnix(path);
    CHECK(ac && !ac->err);
    CHECK_EQ(redisEvloopAttach(ac, loop), REDIS_OK);
    CHECK_EQ(redisEvloopAttach(ac, loop), REDIS_ERR);
    redisAsyncSetConnectCallback(ac, on_connect);
    redisAsyncSetDisconnectCallback(ac, on_disconnect);
    return ac;
}

static void got(redisAsyncContext *ac, void *reply, void *arg) {
    redisReply *r = reply;
    (void)ac;
    if (!r) {
        counts.lost++;
    } else if (r->type == REDIS_REPLY_STRING && atoi(r->str) == (int)(intptr_t)arg) {
        counts.right++;
    } else {
        counts.wrong++;
    }
}

static void got_last(redisAsyncContext *ac, void *reply, void *arg) {
    got(ac, reply, arg);
    if (reply)
        redisAsyncDisconnect(ac);
}

static void ask(redisAsyncContext *ac, int n, redisCallbackFn *fn) {
    CHECK_EQ(redisAsyncCommand(ac, fn, (void *)(intptr_t)n, "ECHO %d", n), REDIS_OK);
}

static void ask_half(redisCallbackFn *fn) {
    for (int i = 0; i < ALL / 2; i++)
        ask(connections[i % CONNECTIONS], i, fn);
}

/* The server is gone, and the connections do not know yet. */
static void kill_at_3000(redisAsyncContext *ac, void *reply, void *arg) {
    got(ac, reply, arg);
    if (counts.right == 3000 && reply) {
        end_program(server, SIGKILL);
        ask_half(got);
    }
}

/* 10,000 commands, the half of them with the server killed before. */
static void killed_server(void) {
    evl_loop *loop = new_loop();
    counts = (struct counts){0};
    for (int c = 0; c < CONNECTIONS; c++)
        connections[c] = attached(loop);
    ask_half(kill_at_3000);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK(counts.right >= 3000);
    CHECK(counts.lost >= ALL / 2);
    CHECK_EQ(counts.right + counts.lost, ALL);
    CHECK_EQ(counts.broken, CONNECTIONS); /* each was told so */
    close_loop(loop);
    start_server();
}

static void many(void) {
    evl_loop *loop = new_loop();
    counts = (struct counts){0};
    for (int c = 0; c < CONNECTIONS; c++) {
        redisAsyncContext *ac = attached(loop);
        for (int i = 0; i < COMMANDS; i++)
            ask(ac, c * COMMANDS + i, i + 1 < COMMANDS ? got : got_last);
    }
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.right, ALL);
    CHECK_EQ(counts.connected, CONNECTIONS);
    CHECK_EQ(counts.ended, CONNECTIONS);
    close_loop(loop);
}

static void free_it(redisAsyncContext *ac, void *reply, void *arg) {
    got(ac, reply, arg);
    if (reply)
        redisAsyncFree(ac);
}

static void freed_in_a_reply(void) {
    evl_loop *loop = new_loop();
    counts = (struct counts){0};
    redisAsyncContext *ac = attached(loop);
    ask(ac, 0, free_it);
    for (int i = 1; i < 100; i++)
        ask(ac, i, got);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.right, 1);
    CHECK_EQ(counts.lost, 99);
    close_loop(loop);
}

static void freed_in_flight(void) {
    evl_loop *loop = new_loop();
    for (int passes = 0; passes < 4; passes++) {
        counts = (struct counts){0};
        redisAsyncContext *ac = attached(loop);
        for (int i = 0; i < 100; i++)
            ask(ac, i, got);
        for (int i = 0; i < passes; i++)
            evl_loop_run(loop, EVL_RUN_NOWAIT);
        redisAsyncFree(ac);
        CHECK_EQ(counts.right + counts.lost, 100);
        CHECK_EQ(evl_loop_alive(loop), 0);
    }
    close_loop(loop);
}

static void loop_destroyed_first(void) {
    for (int passes = 0; passes < 3; passes++) {
        evl_loop *loop = new_loop();
        counts = (struct counts){0};
        redisAsyncContext *ac = attached(loop);
        for (int i = 0; i < 100; i++)
            ask(ac, i, got);
        for (int i = 0; i < passes; i++)
            evl_loop_run(loop, EVL_RUN_NOWAIT);
        CHECK_EQ(evl_loop_destroy(loop), 0);
        if (counts.right < 100)
            ask(ac, 100, got); /* waits in vain */
        redisAsyncFree(ac);
        CHECK_EQ(counts.right + counts.lost, counts.right < 100 ? 101 : 100);
    }
}

static void destroy_loop(redisAsyncContext *ac, void *reply, void *arg) {
    got(ac, reply, arg);
    if (reply)
        evl_loop_destroy(counts.loop);
}

static void loop_destroyed_in_a_reply(void) {
    counts = (struct counts){.loop = new_loop()};
    redisAsyncContext *ac = attached(counts.loop);
    ask(ac, 0, destroy_loop);
    ask(ac, 1, got);
    evl_loop_run(counts.loop, EVL_RUN_DEFAULT);
    redisAsyncFree(ac);
    CHECK_EQ(counts.right + counts.lost, 2);
}

static void refused(void) {
    evl_loop *loop = new_loop();
    int fd, port = free_port(SOCK_STREAM, &fd);
    counts = (struct counts){0};
    redisAsyncContext *ac = redisAsyncConnect("127.0.0.1", port);
    CHECK_EQ(redisEvloopAttach(ac, loop), REDIS_OK);
    redisAsyncSetConnectCallback(ac, on_connect);
    ask(ac, 0, got);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.refused, 1);
    CHECK_EQ(counts.lost, 1);
    close(fd);

    ac = redisAsyncConnectUnix("/there/is/none"); /* fails at once */
    CHECK(ac->err != 0);
    CHECK_EQ(redisEvloopAttach(ac, loop), REDIS_ERR);
    redisAsyncFree(ac);
    close_loop(loop);
}

/* What else closes fds says so; then nothing waits for ever. */
static void fd_closing(void) {
    evl_loop *loop = new_loop();
    counts = (struct counts){0};
    redisAsyncContext *ac = attached(loop);
    ask(ac, 0, got);
    CHECK_EQ(evl_fd_closing(loop, (evl_fd)ac->c.fd), 2);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.lost, 1);
    close_loop(loop);
}

static void *no_memory(void *ctx, void *ptr, size_t old_size, size_t new_size) {
    int *left = ctx;
    (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return (*left)-- > 0 ? realloc(ptr, new_size) : NULL;
}

static void without_memory(void) {
    int attached_after = -1;
    for (int allowed = 0; attached_after < 0; allowed++) {
        int left = 1000;
        evl_options options = {.struct_size = sizeof options, .alloc = no_memory, .alloc_ctx = &left};
        evl_loop *loop;
        CHECK_EQ(evl_loop_new(&loop, &options), 0);
        left = allowed;
        redisAsyncContext *ac = redisAsyncConnectUnix(path);
        if (redisEvloopAttach(ac, loop) == REDIS_OK)
            attached_after = allowed;
        redisAsyncFree(ac);
        close_loop(loop);
    }
    CHECK(attached_after > 0);
}

int main(void) {
    begin_tests();
    snprintf(directory, sizeof directory, "%s", own_directory());
    snprintf(path, sizeof path, "%s/redis", directory);
    start_server();
    CASE(many);
    CASE(killed_server);
    CASE(freed_in_a_reply);
    CASE(freed_in_flight);
    CASE(loop_destroyed_first);
    CASE(loop_destroyed_in_a_reply);
    CASE(refused);
    CASE(fd_closing);
    CASE(without_memory);
    end_program(server, SIGKILL);
    unlink(path);
    CHECK_EQ(rmdir(directory), 0);
    return 0;
}
