/* curl.c - libcurl's easy interface in fibers, against a server in fibers of the same loop. */
#include "crowd.h"

#include <arpa/inet.h>
#include <curl/curl.h>

static evl_server *server;
static char url[64];
static int left;

static int64_t serve_one(void *stream) {
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
    char buf[4096];
    int64_t n = evl_fiber_read(stream, buf, sizeof buf);
    if (n > 0 && evl_fiber_sleep(100 * EVL_MS) == 0)
        n = evl_fiber_write_all(stream, reply, sizeof reply - 1);
    evl_close(stream);
    return n;
}

static int64_t serve(void *arg) {
    evl_stream *stream;
    (void)arg;
    while (evl_fiber_accept(server, &stream) == 0)
        CHECK_EQ(evl_fiber_spawn(evl_fiber_loop(NULL), serve_one, stream, NULL, NULL), 0);
    return 0;
}

static size_t take(char *data, size_t one, size_t size, void *text) {
    strncat(text, data, one * size);
    return one * size;
}

static int64_t client(void *arg) {
    CURL *easy = curl_easy_init();
    char text[64] = "";
    (void)arg;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, text);
    CURLcode rc = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    if (--left == 0)
        evl_close(server);
    return rc == CURLE_OK && strcmp(text, "hello") == 0 ? 0 : EVL_EPROTO;
}

int main(void) {
    struct sockaddr_in address;
    begin_tests();
    curl_global_init(CURL_GLOBAL_ALL);
    evl_loop *loop = new_loop();
    CHECK_EQ(evl_server_listen(loop, "127.0.0.1", "0", NULL, &server), 0);
    CHECK(evl_server_local(server, 0, &address, sizeof address) > 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    CHECK_EQ(evl_fiber_spawn(loop, serve, NULL, NULL, NULL), 0);
    left = CROWD;
    CHECK(crowd(loop, CROWD, client, NULL) < CROWD * 100 * EVL_MS);
    close_loop(loop);
    curl_global_cleanup();
    return 0;
}
