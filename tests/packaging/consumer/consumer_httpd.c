/* A program that uses the add-on for HTTP servers. */
#include <evloop/http_server.h>
#include <stdio.h>

static void handler(void *arg, evl_http_exchange *exchange) {
    (void)arg;
    evl_http_exchange_respond(exchange, 204, NULL, 0);
}

int main(void) {
    evl_loop *loop;
    evl_http_server *server = NULL;
    int32_t rc = evl_loop_new(&loop, NULL);
    if (rc == 0)
        rc = evl_http_server_new(loop, NULL, handler, NULL, &server);
    evl_http_server_close(server);
    evl_loop_destroy(loop);
    printf("HTTP server: %s\n", evl_strerror(rc));
    return rc != 0;
}
