/* cares.c - c-ares against name servers of the test's own, which are processes that can be killed. */
#include "support.h"

#include <arpa/inet.h>
#include <evloop/adapters/cares.h>

enum { ALL = 10000 };

/* --- the server: nN.test has the address 10.0.0.0 + N, lN.test is 127.0.0.1, noN.test is unknown, of
 * dropN.test nothing is heard
 * ---- */

static size_t answer(const unsigned char *query, size_t n, unsigned char *out) {
    const unsigned char *label = query + 12;
    char name[64] = "";
    size_t end = 12;
    if (n < 17 || n > 500 || label[0] > 60)
        return 0;
    memcpy(name, label + 1, label[0]);
    while (end < n && query[end] != 0)
        end += query[end] + 1u;
    end += 5; /* the final 0, type, class */
    if (end > n || strncmp(name, "drop", 4) == 0)
        return 0;
    int known = (name[0] == 'l' || (name[0] == 'n' && name[1] != 'o')) && query[end - 3] == 1;
    memcpy(out, query, end);
    out[2] = 0x81;
    out[3] = name[1] == 'o' ? 0x83 : 0x80;
    memset(out + 4, 0, 8);
    out[5] = 1;
    out[7] = (unsigned char)known;
    if (!known)
        return end;
    unsigned long number = strtoul(name + 1, NULL, 10);
    const unsigned char record[] = {0xc0,
                                    12,
                                    0,
                                    1,
                                    0,
                                    1,
                                    0,
                                    0,
                                    0,
                                    60,
                                    0,
                                    4,
                                    10,
                                    (unsigned char)(number >> 16),
                                    (unsigned char)(number >> 8),
                                    (unsigned char)number};
    memcpy(out + end, record, sizeof record);
    if (name[0] == 'l')
        memcpy(out + end + 12, "\x7f\0\0\1", 4);
    return end + sizeof record;
}

static int udp, tcp, port, go[2];

static void by_udp(void *arg, int64_t mask) {
    unsigned char query[512], out[600];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t n;
    (void)arg, (void)mask;
    while ((n = recvfrom(udp, query, sizeof query, MSG_DONTWAIT, (struct sockaddr *)&from, &size)) > 0) {
        size_t length = answer(query, (size_t)n, out);
        if (length > 0)
            (void)!sendto(udp, out, length, 0, (struct sockaddr *)&from, size);
    }
}

static void by_tcp(void *arg, int64_t n) {
    evl_stream *s = (evl_stream *)arg;
    const void *data;
    unsigned char out[602];
    if (n <= 0) {
        evl_close(s);
        return;
    }
    evl_stream_peek(s, &data);
    const unsigned char *p = (const unsigned char *)data, *end = p + n;
    while (end - p >= 2 && end - p >= 2 + (p[0] << 8 | p[1])) {
        size_t length = answer(p + 2, (size_t)(p[0] << 8 | p[1]), out + 2);
        out[0] = (unsigned char)(length >> 8);
        out[1] = (unsigned char)length;
        if (length > 0)
            evl_stream_write(s, out, length + 2);
        p += 2 + (p[0] << 8 | p[1]);
    }
    if (p < end)
        evl_stream_unread(s, p, (size_t)(end - p));
}

static void connection(void *arg, int64_t rc) {
    evl_server **server = (evl_server **)arg;
    evl_stream *s;
    (void)rc;
    while (evl_server_accept(*server, &s) == 0)
        evl_stream_on_data(s, by_tcp, s);
}

static pid_t start_server(int waits) {
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte;
    if (getppid() != parent || (waits && read(go[0], &byte, 1) != 1))
        _exit(1);
    evl_loop *loop = new_loop();
    evl_server *server;
    evl_io *io;
    CHECK_EQ(evl_server_listen_fds(loop, &tcp, 1, NULL, &server), 0);
    CHECK_EQ(evl_server_on_connection(server, connection, &server), 0);
    CHECK_EQ(evl_io_new(loop, udp, EVL_READ, 0, by_udp, NULL, &io), 0);
    evl_loop_run(loop, EVL_RUN_FOREVER);
    _exit(0);
}

/* --- the client
 * --------------------------------------------------------------------------------------------- */

static struct counts {
    int right, failed, wrong, kill_at, status;
    pid_t server;
} counts;

static void found(void *arg, int status, int timeouts, struct ares_addrinfo *list) {
    (void)timeouts;
    if (status != ARES_SUCCESS) {
        CHECK(ares_strerror(status)[0] != '\0');
        counts.failed++;
        counts.status = status;
    } else {
        const struct sockaddr_in *a = (const struct sockaddr_in *)(const void *)list->nodes->ai_addr;
        if (ntohl(a->sin_addr.s_addr) == (10u << 24) + (uint32_t)(intptr_t)arg)
            counts.right++;
        else
            counts.wrong++;
        ares_freeaddrinfo(list);
    }
    if (counts.kill_at && counts.right == counts.kill_at) {
        counts.kill_at = 0;
        end_program(counts.server, SIGKILL);
        CHECK_EQ(write(go[1], "", 1), 1);
    }
}

static void ask(evl_cares *c, const char *prefix, int n) {
    struct ares_addrinfo_hints hints = {.ai_family = AF_INET, .ai_flags = ARES_AI_NOSORT};
    char name[32];
    snprintf(name, sizeof name, "%s%d.test", prefix, n);
    ares_getaddrinfo(evl_cares_channel(c), name, NULL, &hints, found, (void *)(intptr_t)n);
}

static evl_cares *new_channel(evl_loop *loop, int flags, int timeout_ms, int tries, int at) {
    static char lookups[] = "b";
    struct ares_options options = {
        .flags = flags | ARES_FLAG_NOSEARCH, .timeout = timeout_ms, .tries = tries, .lookups = lookups};
    char server[32];
    evl_cares *c;
    CHECK_EQ(evl_cares_new(loop, &options,
                           ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS, &c),
             0);
    snprintf(server, sizeof server, "127.0.0.1:%d", at);
    CHECK_EQ(ares_set_servers_ports_csv(evl_cares_channel(c), server), ARES_SUCCESS);
    counts = (struct counts){.right = 0};
    return c;
}

/* 10,000 questions at once; the server is killed after 3,000 answers, and another takes over. Over ten
 * channels, for c-ares 1.18 gives more questions to one writev than the kernel takes. */
static void killed_server(void) {
    enum { CHANNELS = 10 };
    evl_loop *loop = new_loop();
    evl_cares *c[CHANNELS];
    pid_t other = start_server(1);
    for (int i = 0; i < CHANNELS; i++)
        c[i] = new_channel(loop, ARES_FLAG_USEVC, 5000, 4, port);
    counts.server = start_server(0);
    counts.kill_at = 3000;
    for (int i = 0; i < ALL; i++)
        ask(c[i % CHANNELS], "n", i);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.right, ALL);
    for (int i = 0; i < CHANNELS; i++)
        evl_cares_free(c[i]);
    close_loop(loop);
    end_program(other, SIGKILL);
}

static void over_udp(void) {
    evl_loop *loop = new_loop();
    evl_cares *c = new_channel(loop, 0, 500, 6, port);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 50; i++)
            ask(c, "n", i);
        CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
        CHECK_EQ(counts.right, 50 * (round + 1));
    }
    evl_cares_free(c);
    close_loop(loop);
}

static void errors(void) {
    evl_loop *loop = new_loop();
    evl_cares *c = new_channel(loop, 0, 2000, 2, port);
    ask(c, "no", 1);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.status, ARES_ENOTFOUND);
    evl_cares_free(c);

    c = new_channel(loop, 0, 30, 2, port);
    int64_t began = monotonic();
    ask(c, "drop", 1);
    ask(c, "drop", 2);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.failed, 2);
    CHECK_EQ(counts.status, ARES_ETIMEOUT);
    CHECK(monotonic() - began >= 60 * EVL_MS); /* both tries */
    evl_cares_free(c);

    int fd, nobody = free_port(SOCK_STREAM, &fd);
    for (int flags = 0; flags <= ARES_FLAG_USEVC; flags += ARES_FLAG_USEVC) {
        c = new_channel(loop, flags, 2000, 2, nobody);
        ask(c, "n", 1);
        CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
        CHECK_EQ(counts.status, ARES_ECONNREFUSED);
        evl_cares_free(c);
    }
    close(fd);
    close_loop(loop);
}

static void cancelled(void) {
    evl_loop *loop = new_loop();
    evl_cares *c = new_channel(loop, 0, 60000, 2, port);
    for (int i = 0; i < 100; i++)
        ask(c, "drop", i);
    evl_loop_run(loop, EVL_RUN_NOWAIT);
    ares_cancel(evl_cares_channel(c));
    CHECK_EQ(counts.failed, 100);
    CHECK_EQ(counts.status, ARES_ECANCELLED);
    evl_cares_free(c);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    close_loop(loop);
}

static void freed_in_flight(void) {
    for (int passes = 0; passes < 4; passes++)
        for (int loop_first = 0; loop_first < 2; loop_first++) {
            evl_loop *loop = new_loop();
            evl_cares *c = new_channel(loop, passes % 2 ? ARES_FLAG_USEVC : 0, 60000, 2, port);
            for (int i = 0; i < 50; i++)
                ask(c, i % 2 ? "drop" : "n", i);
            for (int i = 0; i < passes; i++) {
                evl_loop_run(loop, EVL_RUN_NOWAIT);
                nap();
            }
            if (loop_first)
                CHECK_EQ(evl_loop_destroy(loop), 0);
            evl_cares_free(c);
            CHECK_EQ(counts.right + counts.failed, 50);
            if (!loop_first)
                close_loop(loop);
        }
}

/* --- as evloop's resolver --- */

enum { LOOKUPS = 1000 };
static evl_op ops[LOOKUPS];
static evl_addresses *lists[LOOKUPS];

static void looked_up(void *arg, int64_t result) {
    struct sockaddr_in a;
    int i = (int)(intptr_t)arg;
    if (result != 1) {
        counts.failed++;
        counts.status = (int)result;
        return;
    }
    memcpy(&a, evl_addresses_at(lists[i], 0, NULL), sizeof a);
    counts.right += ntohl(a.sin_addr.s_addr) == (10u << 24) + (uint32_t)i && ntohs(a.sin_port) == 80;
    evl_addresses_free(lists[i]);
}

static void look_up(evl_loop *loop, const char *prefix, int i) {
    char name[32];
    snprintf(name, sizeof name, "%s%d.test", prefix, i);
    evl_op_init(&ops[i], looked_up, (void *)(intptr_t)i, 0);
    CHECK_EQ(evl_getaddrinfo(loop, &ops[i], name, "http", EVL_NAME_IPV4, &lists[i]), 0);
}

static void as_resolver(void) {
    evl_loop *loop = new_loop();
    evl_cares *c = new_channel(loop, ARES_FLAG_USEVC, 5000, 4, port);
    CHECK_EQ(evl_cares_use(c), 0);
    for (int i = 0; i < LOOKUPS; i++)
        look_up(loop, "n", i);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.right, LOOKUPS);

    look_up(loop, "no", 0);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.status, EVL_EAI_NONAME);

    look_up(loop, "drop", 0);
    CHECK_EQ(evl_op_timeout(&ops[0], 10 * EVL_MS), 0);
    while (evl_op_active(&ops[0]))
        evl_loop_run(loop, EVL_RUN_ONCE);
    CHECK_EQ(counts.status, EVL_ETIMEDOUT);
    evl_cares_free(c);
    close_loop(loop);
}

static void connected(void *arg, int64_t result) {
    (void)arg;
    counts.status = (int)result;
}

static void connects_by_name(void) {
    evl_loop *loop = new_loop();
    evl_cares *c = new_channel(loop, 0, 5000, 4, port);
    evl_stream *stream;
    char service[8];
    CHECK_EQ(evl_cares_use(c), 0);
    snprintf(service, sizeof service, "%d", port);
    evl_op_init(&ops[0], connected, NULL, 0);
    counts.status = 1;
    CHECK_EQ(evl_connect(loop, &ops[0], "l1.test", service, NULL, &stream), 0);
    while (evl_op_active(&ops[0]))
        evl_loop_run(loop, EVL_RUN_ONCE);
    CHECK_EQ(counts.status, 0);
    evl_stream_abort(stream);
    evl_cares_free(c);
    CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    close_loop(loop);
}

static void resolver_freed_in_flight(void) {
    for (int loop_first = 0; loop_first < 2; loop_first++) {
        evl_loop *loop = new_loop();
        evl_cares *c = new_channel(loop, 0, 5000, 4, port);
        CHECK_EQ(evl_cares_use(c), 0);
        for (int i = 0; i < 10; i++)
            look_up(loop, "drop", i);
        evl_op_close(&ops[5]);
        evl_loop_run(loop, EVL_RUN_NOWAIT);
        if (loop_first)
            CHECK_EQ(evl_loop_destroy(loop), 0);
        evl_cares_free(c);
        if (loop_first)
            continue;
        CHECK_EQ(evl_loop_run(loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
        CHECK_EQ(counts.failed, 9);
        CHECK_EQ(counts.status, EVL_ECANCELED);
        close_loop(loop);
    }
}

int main(void) {
    begin_tests();
    CHECK_EQ(ares_library_init(ARES_LIB_INIT_ALL), ARES_SUCCESS);
    CHECK_EQ(pipe(go), 0);
    port = free_port(SOCK_STREAM, &tcp);
    CHECK_EQ(listen(tcp, 100), 0);
    struct sockaddr_in a;
    socklen_t size = sizeof a;
    CHECK_EQ(getsockname(tcp, (struct sockaddr *)&a, &size), 0);
    udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(udp, (struct sockaddr *)&a, size), 0);
    CASE(killed_server);
    pid_t server = start_server(0);
    CASE(over_udp);
    CASE(errors);
    CASE(cancelled);
    CASE(freed_in_flight);
    CASE(as_resolver);
    CASE(connects_by_name);
    CASE(resolver_freed_in_flight);
    end_program(server, SIGKILL);
    ares_library_cleanup();
    return 0;
}
