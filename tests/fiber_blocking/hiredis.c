/* hiredis.c - hiredis' synchronous interface, in fibers. */
#include "crowd.h"

#include <hiredis/hiredis.h>

static char path[96];

/* BLPOP of a list of its own, which stays empty, takes 0.2 s. */
static int64_t client(void *arg) {
    redisContext *c = redisConnectUnix(path);
    (void)arg;
    CHECK(c && !c->err);
    for (int i = 0; i < 20; i++) {
        redisReply *r = redisCommand(c, "ECHO %d", i);
        CHECK(r && r->type == REDIS_REPLY_STRING && atoi(r->str) == i);
        freeReplyObject(r);
    }
    redisReply *r = redisCommand(c, "BLPOP nothing 0.2");
    CHECK(r && r->type == REDIS_REPLY_NIL);
    freeReplyObject(r);
    redisFree(c);
    return 0;
}

/* A time limit of the library's, which it sets on the socket. */
static int64_t impatient(void *arg) {
    struct timeval limit = {0, 50000};
    redisContext *c = redisConnectUnixWithTimeout(path, limit);
    (void)arg;
    CHECK(c && !c->err);
    CHECK_EQ(redisSetTimeout(c, limit), REDIS_OK);
    CHECK(redisCommand(c, "BLPOP nothing 10") == NULL);
    CHECK_EQ(c->err, REDIS_ERR_IO);
    redisFree(c);
    return 0;
}

int main(void) {
    begin_tests();
    const char *directory = own_directory();
    snprintf(path, sizeof path, "%s/socket", directory);
    char dir[64];
    snprintf(dir, sizeof dir, "%s", directory);
    char *argv[] = {"redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
                    "--dir",        dir,      NULL};
    pid_t server = start_program(argv);
    wait_for_unix(path);
    evl_loop *loop = new_loop();
    CHECK(crowd(loop, CROWD, client, NULL) < CROWD * 200 * EVL_MS / 2);
    CHECK(crowd(loop, CROWD, impatient, NULL) < CROWD * 50 * EVL_MS);
    CHECK_EQ(client(NULL), 0); /* outside of a fiber it is what it was */
    close_loop(loop);
    end_program(server, SIGTERM);
    unlink(path);
    CHECK_EQ(rmdir(directory), 0);
    return 0;
}
