/* curl.c - libcurl against HTTP servers of the test's own, which are processes that can be killed. */
#include "support.h"

#include <evloop/adapters/curl.h>
#include <sys/mman.h>

enum { ALL = 10000 };

/* --- the server: "ok" for every request but those of /silent -------------------------------------- */

static evl_loop *serving;

static void serve(void *arg, int64_t n) {
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    evl_stream *s = arg;
    const void *data;
    if (n <= 0) {
        evl_close(s);
        return;
    }
    evl_stream_peek(s, &data);
    if (n < 4 || memcmp((const char *)data + n - 4, "\r\n\r\n", 4) != 0)
        evl_stream_unread(s, data, (size_t)n);
    else if (strncmp((const char *)data, "GET /silent", 11) != 0)
        evl_stream_write(s, reply, sizeof reply - 1);
}

static void connection(void *arg, int64_t rc) {
    evl_server **server = arg;
    evl_stream *s;
    (void)rc;
    while (evl_server_accept(*server, &s) == 0)
        evl_stream_on_data(s, serve, s);
}

static int listening, port, go[2];

static pid_t start_server(int waits) {
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte;
    if (getppid() != parent || (waits && read(go[0], &byte, 1) != 1))
        _exit(1);
    evl_server *server;
    evl_options options = {.struct_size = sizeof options};
    CHECK_EQ(evl_loop_new(&serving, &options), 0);
    CHECK_EQ(evl_server_listen_fds(serving, &listening, 1, NULL, &server), 0);
    CHECK_EQ(evl_server_on_connection(server, connection, &server), 0);
    evl_loop_run(serving, EVL_RUN_FOREVER);
    _exit(0);
}

/* --- the client ----------------------------------------------------------------------------------- */

static struct counts {
    int right, failed, unnamed;
    int kill_at; /* ended transfers until the first server is killed; 0: never */
    pid_t server;
    evl_curl *attached;
    CURLM *multi;
    evl_loop *loop;
    CURL *other;
} counts;

static size_t take(char *data, size_t size, size_t n, void *arg) {
    (void)data;
    *(size_t *)arg += size * n;
    return size * n;
}

static CURL *request(const char *path, size_t *got) {
    char url[64];
    CURL *easy = curl_easy_init();
    CHECK(easy != NULL);
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", port, path);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, got);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, got);
    *got = 0;
    return easy;
}

static void count(void *arg, CURL *easy, CURLcode result) {
    size_t *got;
    (void)arg;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &got);
    if (result == CURLE_OK && *got == 2)
        counts.right++;
    else if (result != CURLE_OK && curl_easy_strerror(result)[0])
        counts.failed++;
    else
        counts.unnamed++;
    curl_easy_cleanup(easy);
    if (counts.kill_at && counts.right + counts.failed == counts.kill_at) {
        end_program(counts.server, SIGKILL);
        CHECK_EQ(write(go[1], "", 1), 1);
    }
}

static void begin(evl_curl_done_fn *done) {
    counts = (struct counts){.loop = new_loop(), .multi = curl_multi_init()};
    CHECK_EQ(evl_curl_attach(counts.loop, counts.multi, done, NULL, &counts.attached), 0);
}

static void end(void) {
    evl_curl_detach(counts.attached);
    CHECK_EQ(curl_multi_cleanup(counts.multi), CURLM_OK);
    close_loop(counts.loop);
}

static void add(const char *path, size_t *got) {
    CHECK_EQ(curl_multi_add_handle(counts.multi, request(path, got)), CURLM_OK);
}

/* 10,000 transfers over 100 connections; the server is killed after 3,000, and another takes over. */
static void killed_server(void) {
    static size_t got[ALL];
    pid_t other = start_server(1);
    begin(count);
    counts.kill_at = 3000;
    counts.server = start_server(0);
    curl_multi_setopt(counts.multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, 100L);
    curl_multi_setopt(counts.multi, CURLMOPT_MAXCONNECTS, 100L);
    for (int i = 0; i < ALL; i++)
        add("/", &got[i]);
    CHECK_EQ(evl_loop_run(counts.loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.right + counts.failed, ALL);
    CHECK(counts.right >= ALL - 200); /* what was in flight may have failed */
    end();
    end_program(other, SIGKILL);
}

static pid_t server;

static void waits_for_nothing(void) {
    size_t got[2];
    begin(count);
    CHECK_EQ(evl_loop_run(counts.loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    add("/", &got[0]);
    add("/", &got[1]);
    CHECK_EQ(evl_loop_run(counts.loop, EVL_RUN_DEFAULT),
             EVL_RUN_DONE); /* connections are kept, the loop ends */
    CHECK_EQ(counts.right, 2);
    end();
}

static void added_before(void) {
    size_t got;
    counts = (struct counts){.loop = new_loop(), .multi = curl_multi_init()};
    add("/", &got);
    CHECK_EQ(evl_curl_attach(counts.loop, counts.multi, count, NULL, &counts.attached), 0);
    CHECK_EQ(evl_loop_run(counts.loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.right, 1);
    end();
}

static void errors(void) {
    size_t got[3];
    int fd;
    begin(count);
    int there = port;
    port = free_port(SOCK_STREAM, &fd);
    add("/", &got[0]); /* refused */
    port = there;
    CURL *slow = request("/silent", &got[1]);
    curl_easy_setopt(slow, CURLOPT_TIMEOUT_MS, 50L);
    CHECK_EQ(curl_multi_add_handle(counts.multi, slow), CURLM_OK);
    add("/", &got[2]);
    CHECK_EQ(evl_loop_run(counts.loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.right, 1);
    CHECK_EQ(counts.failed, 2);
    close(fd);
    end();
}

static void some_passes(int n) {
    for (int i = 0; i < n; i++) {
        evl_loop_run(counts.loop, EVL_RUN_NOWAIT);
        nap();
    }
}

static void cancelled(void) {
    size_t got;
    begin(count);
    for (int passes = 0; passes < 5; passes++) {
        CURL *easy = request("/silent", &got);
        CHECK_EQ(curl_multi_add_handle(counts.multi, easy), CURLM_OK);
        some_passes(passes);
        CHECK_EQ(curl_multi_remove_handle(counts.multi, easy), CURLM_OK);
        curl_easy_cleanup(easy);
        CHECK_EQ(evl_loop_run(counts.loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    }
    CHECK_EQ(counts.right + counts.failed, 0);
    end();
}

static void detach_all(void *arg, CURL *easy, CURLcode result) {
    count(arg, easy, result);
    curl_multi_remove_handle(counts.multi, counts.other);
    curl_easy_cleanup(counts.other);
    evl_curl_detach(counts.attached);
    curl_multi_cleanup(counts.multi);
}

static void detached_when_done(void) {
    size_t got[2];
    begin(detach_all);
    counts.other = request("/silent", &got[0]);
    CHECK_EQ(curl_multi_add_handle(counts.multi, counts.other), CURLM_OK);
    add("/", &got[1]);
    CHECK_EQ(evl_loop_run(counts.loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
    CHECK_EQ(counts.right, 1);
    close_loop(counts.loop);
}

static void detached_in_flight(void) {
    size_t got;
    for (int passes = 0; passes < 4; passes++) {
        begin(count);
        CURL *easy = request("/silent", &got);
        CHECK_EQ(curl_multi_add_handle(counts.multi, easy), CURLM_OK);
        some_passes(passes);
        evl_curl_detach(counts.attached);
        close_loop(counts.loop);
        curl_multi_remove_handle(counts.multi, easy);
        curl_easy_cleanup(easy);
        CHECK_EQ(curl_multi_cleanup(counts.multi), CURLM_OK);
    }
}

static void loop_destroyed_first(void) {
    size_t got;
    for (int passes = 0; passes < 5; passes++) {
        begin(count);
        CURL *easy = request("/silent", &got);
        CHECK_EQ(curl_multi_add_handle(counts.multi, easy), CURLM_OK);
        some_passes(passes);
        CHECK_EQ(evl_loop_destroy(counts.loop), 0);
        if (passes % 2)
            curl_multi_remove_handle(counts.multi, easy);
        evl_curl_detach(counts.attached);
        if (passes % 2 == 0)
            curl_multi_remove_handle(counts.multi, easy);
        curl_easy_cleanup(easy);
        CHECK_EQ(curl_multi_cleanup(counts.multi), CURLM_OK);
    }
}

static void destroy(void *arg, CURL *easy, CURLcode result) {
    count(arg, easy, result);
    if (counts.right == 1)
        CHECK_EQ(evl_loop_destroy(counts.loop), 0);
}

static void loop_destroyed_when_done(void) {
    size_t got;
    begin(destroy);
    add("/", &got);
    evl_loop_run(counts.loop, EVL_RUN_DEFAULT);
    CHECK_EQ(counts.right, 1);
    evl_curl_detach(counts.attached);
    curl_multi_cleanup(counts.multi);
}

static int memory_left;

static void *allocate(void *ctx, void *ptr, size_t old_size, size_t new_size) {
    (void)ctx, (void)old_size;
    if (new_size == 0) {
        free(ptr);
        return NULL;
    }
    return memory_left-- > 0 ? realloc(ptr, new_size) : NULL;
}

static void memory_again(void *arg, int64_t n) {
    (void)arg, (void)n;
    memory_left = 1000;
}

/* Whatever cannot be had, every transfer ends: watchers are made when there is memory again. */
static void without_memory(void) {
    size_t got[3];
    for (int allowed = 0; allowed < 12; allowed++) {
        evl_options options = {.struct_size = sizeof options, .alloc = allocate};
        evl_timer *timer;
        memory_left = 1000;
        counts = (struct counts){.multi = curl_multi_init()};
        CHECK_EQ(evl_loop_new(&counts.loop, &options), 0);
        CHECK_EQ(evl_timer_new(counts.loop, memory_again, NULL, &timer), 0);
        memory_left = allowed;
        int32_t rc = evl_curl_attach(counts.loop, counts.multi, count, NULL, &counts.attached);
        CHECK(rc == 0 || rc == EVL_ENOMEM);
        if (rc == 0) {
            for (int i = 0; i < 3; i++)
                add("/", &got[i]);
            CHECK_EQ(evl_timer_start_in(timer, 15 * EVL_MS, 0), 0);
            CHECK_EQ(evl_loop_run(counts.loop, EVL_RUN_DEFAULT), EVL_RUN_DONE);
            CHECK_EQ(counts.right, 3);
        }
        evl_close(timer);
        end();
    }
}

int main(void) {
    begin_tests();
    CHECK_EQ(curl_global_init(CURL_GLOBAL_ALL), 0);
    CHECK_EQ(pipe(go), 0);
    port = free_port(SOCK_STREAM, &listening);
    CHECK_EQ(listen(listening, 1024), 0);
    CASE(killed_server);
    server = start_server(0);
    CASE(waits_for_nothing);
    CASE(added_before);
    CASE(errors);
    CASE(cancelled);
    CASE(detached_when_done);
    CASE(detached_in_flight);
    CASE(loop_destroyed_first);
    CASE(loop_destroyed_when_done);
    CASE(without_memory);
    end_program(server, SIGKILL);
    curl_global_cleanup();
    return 0;
}
