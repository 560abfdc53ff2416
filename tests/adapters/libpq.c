/* libpq.c - libpq against a PostgreSQL server of the test's own, in which each backend has its turn. */
#include "support.h"

#include <evloop/adapters/libpq.h>
#include <grp.h>
#include <pwd.h>

enum { CONNECTIONS = 10, QUERIES = 100, ALL = CONNECTIONS * QUERIES };

static char directory[64], data[80], conninfo[128];
static pid_t server;

/* The server refuses to be root. */
static pid_t start_as_nobody(char *const argv[]) {
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid != 0)
        return pid;
    struct passwd *user = getuid() == 0 ? getpwnam("nobody") : NULL;
    if (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid)))
        _exit(1);
    prctl(PR_SET_PDEATHSIG,
          SIGQUIT); /* the server ends its own children then; after setuid, which clears this */
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    if (!getenv("EVLOOP_TEST_VERBOSE"))
        dup2(null, 2);
    if (getppid() != parent || chdir(directory) != 0)
        _exit(1);
    execv(argv[0], argv);
    _exit(127);
}

static void start_server(void) {
    char *argv[] = {(char *)POSTGRES,
                    "-D",
                    data,
                    "-k",
                    directory,
                    "-F",
                    "-c",
                    "listen_addresses=",
                    "-c",
                    "autovacuum=off",
                    "-c",
                    "max_wal_senders=0",
                    NULL};
    server = start_as_nobody(argv);
    int64_t until = monotonic() + 60 * EVL_SECOND;
    while (PQping(conninfo) != PQPING_OK) {
        CHECK(monotonic() < until);
        nap();
    }
}

static void make_server(void) {
    char *argv[] = {(char *)INITDB, "-D", data, "-A",   "trust",      "-U",
                    "test",         "-N", "-E", "UTF8", "--locale=C", NULL};
    int status;
    snprintf(directory, sizeof directory, "%s", own_directory());
    snprintf(data, sizeof data, "%s/data", directory);
    snprintf(conninfo, sizeof conninfo, "host=%s user=test dbname=postgres", directory);
    struct passwd *user = getuid() == 0 ? getpwnam("nobody") : NULL;
    CHECK(!user || chown(directory, user->pw_uid, user->pw_gid) == 0);
    pid_t pid = start_as_nobody(argv);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    start_server();
}

static void end_server(void) {
    char command[128];
    end_program(server, SIGQUIT);
    snprintf(command, sizeof command, "rm -rf '%s'", directory);
    CHECK_EQ(system(command), 0);
}

/* What became of a query: EVL_FUTURE_*, and the value is `n`. */
static int outcome(evl_future *query, int n) {
    void *result;
    int state = evl_future_state(query);
    int32_t rc = evl_future_pointer(query, &result);
    if (state == EVL_FUTURE_VALUE) {
        CHECK_EQ(PQresultStatus(result), PGRES_TUPLES_OK);
        CHECK_EQ(atoi(PQgetvalue(result, 0, 0)), n);
    } else {
        CHECK(rc < 0 && rc != EVL_EAGAIN && evl_err_name(rc));
    }
    evl_future_unref(query);
    return state;
}

static void no_notices(void *arg, const char *text) { (void)arg, (void)text; }

static evl_pq *connect_one(evl_loop *loop) {
    evl_pq *pq;
    CHECK_EQ(evl_pq_connect(loop, conninfo, NULL, &pq), 0);
    PQsetNoticeProcessor(evl_pq_conn(pq), no_notices, NULL);
    return pq;
}

static evl_future *ask(evl_pq *pq, int n) {
    char text[16];
    const char *values[] = {text, NULL};
    evl_future *query;
    snprintf(text, sizeof text, "%d", n);
    CHECK_EQ(evl_pq_query(pq, "select $1::int, $2::text", 2, values, &query), 0);
    return query;
}

/* Results are freed in a pass. */
static void finish(evl_loop *loop) {
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    close_loop(loop);
}

static int results, killed;

static void got(void *arg, int64_t state) {
    (void)arg;
    results += state == EVL_FUTURE_VALUE;
    if (results == 300 && !killed) {
        killed = 1;
        end_program(server, SIGQUIT);
    }
}

static void killed_server(void) {
    static evl_future *queries[ALL];
    evl_loop *loop = new_loop();
    evl_pq *pq[CONNECTIONS];
    int right = 0, failed = 0;
    for (int i = 0; i < CONNECTIONS; i++)
        pq[i] = connect_one(loop);
    results = killed = 0;
    for (int i = 0; i < ALL; i++) {
        queries[i] = ask(pq[i % CONNECTIONS], i);
        CHECK_EQ(evl_future_on_done(queries[i], got, NULL), 0);
    }
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    for (int i = 0; i < ALL; i++) {
        int state = outcome(queries[i], i);
        right += state == EVL_FUTURE_VALUE;
        failed += state == EVL_FUTURE_ERROR;
    }
    CHECK_EQ(right, results);
    CHECK(right >= 300 && failed > 0);
    CHECK_EQ(right + failed, ALL);
    evl_future *query;
    CHECK_EQ(evl_pq_query(pq[0], "select 1", 0, NULL, &query), EVL_ECONNRESET);
    for (int i = 0; i < CONNECTIONS; i++)
        evl_pq_close(pq[i]);
    finish(loop);
    start_server();
}

static void many(void) {
    static evl_future *queries[ALL];
    evl_loop *loop = new_loop();
    evl_pq *pq[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++)
        pq[i] = connect_one(loop);
    for (int i = 0; i < ALL; i++)
        queries[i] = ask(pq[i % CONNECTIONS], i);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE); /* idle connections do not keep it */
    for (int i = 0; i < ALL; i++)
        CHECK_EQ(outcome(queries[i], i), EVL_FUTURE_VALUE);
    for (int i = 0; i < CONNECTIONS; i++)
        evl_pq_close(pq[i]);
    finish(loop);
}

/* More than a socket takes at once, both ways; and what SQL refuses is a result. */
static void large_and_wrong(void) {
    enum { SIZE = 2000000 };
    evl_loop *loop = new_loop();
    evl_pq *pq = connect_one(loop);
    evl_future *large, *wrong, *after;
    char *text = malloc(SIZE + 1);
    const char *values[] = {text};
    void *result;
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    CHECK_EQ(evl_pq_query(pq, "select $1::text", 1, values, &large), 0);
    CHECK_EQ(evl_pq_query(pq, "nonsense", 0, NULL, &wrong), 0);
    after = ask(pq, 7);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(evl_future_pointer(large, &result), 0);
    CHECK_EQ(PQgetlength(result, 0, 0), SIZE);
    CHECK_EQ(evl_future_pointer(wrong, &result), 0);
    CHECK_EQ(PQresultStatus(result), PGRES_FATAL_ERROR);
    CHECK_EQ(outcome(after, 7), EVL_FUTURE_VALUE);
    evl_future_unref(large);
    evl_future_unref(wrong);
    free(text);
    evl_pq_close(pq);
    finish(loop);
}

static void cancelled(void) {
    evl_loop *loop = new_loop();
    evl_pq *pq = connect_one(loop);
    evl_future *slow, *limited, *waiting, *last;
    CHECK_EQ(evl_pq_query(pq, "select pg_sleep(0.05)", 0, NULL, &slow), 0);
    CHECK_EQ(evl_wait_for(slow, 10 * EVL_MS, &limited), 0);
    waiting = ask(pq, 1);
    last = ask(pq, 2);
    CHECK_EQ(evl_future_cancel(waiting), 1);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(evl_future_value(limited, NULL), EVL_ETIMEDOUT);
    CHECK_EQ(evl_future_state(slow), EVL_FUTURE_CANCELLED);
    CHECK_EQ(outcome(waiting, 1), EVL_FUTURE_CANCELLED);
    CHECK_EQ(outcome(last, 2), EVL_FUTURE_VALUE);
    evl_future_unref(slow);
    evl_future_unref(limited);
    evl_pq_close(pq);
    finish(loop);
}

static void some_passes(evl_loop *loop, int n) {
    for (int i = 0; i < n; i++) {
        evl_loop_run(loop, EVL_RUN_NOWAIT);
        nap();
    }
}

static void closed_in_flight(void) {
    for (int passes = 0; passes < 8; passes++) {
        evl_loop *loop = new_loop();
        evl_future *connected, *queries[10];
        evl_pq *pq;
        CHECK_EQ(evl_pq_connect(loop, conninfo, &connected, &pq), 0);
        for (int i = 0; i < 10; i++)
            queries[i] = ask(pq, i);
        some_passes(loop, passes);
        evl_pq_close(pq);
        CHECK(evl_future_state(connected) != EVL_FUTURE_PENDING);
        (void)evl_future_value(connected, NULL);
        evl_future_unref(connected);
        for (int i = 0; i < 10; i++)
            CHECK(outcome(queries[i], i) != EVL_FUTURE_PENDING);
        CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
        finish(loop);
    }
}

static void loop_destroyed_first(void) {
    for (int passes = 0; passes < 8; passes++) {
        evl_loop *loop = new_loop();
        evl_future *connected, *queries[10];
        evl_pq *pq;
        CHECK_EQ(evl_pq_connect(loop, conninfo, &connected, &pq), 0);
        for (int i = 0; i < 10; i++)
            queries[i] = ask(pq, i);
        some_passes(loop, passes);
        CHECK_EQ(evl_loop_destroy(loop), 0);
        for (int i = 0; i < 10; i++)
            CHECK(evl_future_state(queries[i]) != EVL_FUTURE_PENDING);
        evl_future *late;
        CHECK(evl_pq_query(pq, "select 1", 0, NULL, &late) < 0);
        evl_pq_close(pq);
        evl_future_unref(connected);
        for (int i = 0; i < 10; i++)
            evl_future_unref(queries[i]);
    }
}

static void refused(void) {
    static const char *const strings[] = {"host=/there/is/none", "nonsense"};
    char text[128];
    for (int i = 0; i < 3; i++) {
        evl_loop *loop = new_loop();
        evl_future *connected;
        evl_pq *pq;
        snprintf(text, sizeof text, i == 2 ? "host=%s user=test dbname=none" : "%s",
                 i == 2 ? directory : strings[i]);
        CHECK_EQ(evl_pq_connect(loop, text, &connected, &pq), 0);
        evl_future *query = ask(pq, 0);
        CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
        CHECK_EQ(evl_future_value(connected, NULL), EVL_ECONNABORTED);
        CHECK_EQ(evl_future_value(query, NULL), EVL_ECONNABORTED);
        CHECK(PQerrorMessage(evl_pq_conn(pq))[0] != '\0');
        evl_future_unref(connected);
        evl_future_unref(query);
        evl_pq_close(pq);
        finish(loop);
    }
}

static void copy_is_refused(void) {
    evl_loop *loop = new_loop();
    evl_pq *pq = connect_one(loop);
    evl_future *copy, *after;
    CHECK_EQ(evl_pq_query(pq, "copy (select 1) to stdout", 0, NULL, &copy), 0);
    after = ask(pq, 1);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(evl_future_value(copy, NULL), EVL_ENOTSUP);
    CHECK_EQ(outcome(after, 1), EVL_FUTURE_ERROR);
    evl_future_unref(copy);
    evl_pq_close(pq);
    finish(loop);
}

static evl_pq *listener;

static void notified(void *arg, PGnotify *notify) {
    CHECK(strcmp(notify->extra, "hello") == 0);
    PQfreemem(notify);
    ++*(int *)arg;
    evl_pq_close(listener); /* here */
}

static void notifications(void) {
    evl_loop *loop = new_loop();
    evl_pq *pq = connect_one(loop);
    evl_future *listening, *sent;
    int count = 0;
    listener = connect_one(loop);
    CHECK_EQ(evl_pq_query(listener, "listen channel", 0, NULL, &listening), 0);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    evl_pq_on_notify(listener, notified, &count);
    CHECK_EQ(evl_pq_query(pq, "notify channel, 'hello'", 0, NULL, &sent), 0);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(count, 1);
    evl_future_unref(listening);
    evl_future_unref(sent);
    evl_pq_close(pq);
    finish(loop);
}

int main(int argc, char **argv) {
    begin_tests();
    make_server();
    for (int i = 1; i < argc; i++) {
        puts(argv[i]);
        CHECK_EQ(setenv("EVLOOP_BACKEND", argv[i], 1), 0);
        CASE(many);
        CASE(killed_server);
        CASE(large_and_wrong);
        CASE(cancelled);
        CASE(closed_in_flight);
        CASE(loop_destroyed_first);
        CASE(refused);
        CASE(copy_is_refused);
        CASE(notifications);
    }
    end_server();
    return argc < 2;
}
