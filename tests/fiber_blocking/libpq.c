/* libpq.c - libpq's PQexec, in fibers. */
#include "crowd.h"

#include <libpq-fe.h>
#include <pwd.h>

static char directory[64], data[80], connection[160];

/* Neither initdb nor the server runs as root. */
static void become_another(void) {
    const struct passwd *other = getuid() == 0 ? getpwnam("postgres") : NULL;
    if (other) {
        CHECK_EQ(chown(directory, other->pw_uid, other->pw_gid), 0);
        CHECK_EQ(setgid(other->pw_gid), 0);
        CHECK_EQ(setuid(other->pw_uid), 0);
    }
}

static pid_t start_as_another(char *const argv[]) {
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid != 0)
        return pid;
    become_another();
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    if (!getenv("EVLOOP_TEST_VERBOSE"))
        dup2(null, 2);
    if (getppid() == parent)
        execv(argv[0], argv);
    _exit(127);
}

static int64_t client(void *arg) {
    PGconn *c = PQconnectdb(connection);
    (void)arg;
    if (PQstatus(c) != CONNECTION_OK) {
        fprintf(stderr, "%s", PQerrorMessage(c));
        return EVL_EIO;
    }
    PGresult *r = PQexec(c, "select pg_sleep(0.3), 42");
    int64_t rc = PQresultStatus(r) == PGRES_TUPLES_OK && atoi(PQgetvalue(r, 0, 1)) == 42 ? 0 : EVL_EPROTO;
    PQclear(r);
    PQfinish(c);
    return rc;
}

static void wait_for_server(void) {
    int64_t until = monotonic() + 30 * EVL_SECOND;
    while (PQping(connection) != PQPING_OK) {
        CHECK(monotonic() < until);
        nap();
    }
}

int main(void) {
    begin_tests();
    snprintf(directory, sizeof directory, "%s", own_directory());
    snprintf(data, sizeof data, "%s/data", directory);
    snprintf(connection, sizeof connection, "host=%s user=test dbname=postgres", directory);
    char *init[] = {INITDB, "-D", data, "-U", "test", "-A", "trust", "--no-sync", "--no-instructions", NULL};
    int status;
    CHECK_EQ(waitpid(start_as_another(init), &status, 0) > 0 ? status : -1, 0);
    char postgres[256];
    snprintf(postgres, sizeof postgres, "%s", INITDB);
    snprintf(strrchr(postgres, '/') + 1, 16, "postgres");
    char *serve[] = {
        postgres, "-D", data, "-k", directory, "-c", "listen_addresses=", "-c", "fsync=off", NULL};
    pid_t server = start_as_another(serve);
    wait_for_server();
    evl_loop *loop = new_loop();
    CHECK(crowd(loop, CROWD, client, NULL) < CROWD * 300 * EVL_MS / 2);
    CHECK_EQ(client(NULL), 0); /* outside of a fiber it is what it was */
    close_loop(loop);
    end_program(server, SIGQUIT);
    char command[128];
    snprintf(command, sizeof command, "rm -r '%s'", directory);
    CHECK_EQ(system(command), 0);
    return 0;
}
