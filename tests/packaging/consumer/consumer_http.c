/* A program that uses the add-on for HTTP. */
#include <evloop/http.h>
#include <stdio.h>

int main(void) {
    evl_loop *loop;
    evl_http_session *session = NULL;
    int32_t rc = evl_loop_new(&loop, NULL);
    if (rc == 0)
        rc = evl_http_session_new(loop, NULL, &session);
    evl_http_session_close(session);
    evl_loop_destroy(loop);
    printf("HTTP: %s\n", evl_strerror(rc));
    return rc != 0;
}
