/* A program that uses the add-on for TLS. */
#include <evloop/tls.h>
#include <stdio.h>

int main(void) {
    evl_tls_context *context;
    int32_t rc = evl_tls_context_new(NULL, &context);
    evl_tls_context_unref(context);
    printf("TLS: %s\n", evl_strerror(rc));
    return rc != 0;
}
