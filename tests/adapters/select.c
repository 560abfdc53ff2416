/* select.c - evloop hosted by a loop of select(2). */
#include "hosts.h"

#include <evloop/adapters/select.h>

static evl_select_host guest;
static int64_t after_at;
static void (*after)(void);
static int quits;

static void host_new(void) { after = NULL; }
static void host_free(void) {}
static int32_t host_attach(evl_loop *l) { return evl_select_host_init(&guest, l); }
static void host_detach(void) { evl_select_host_free(&guest); }
static void host_quit(void) { quits = 1; }

static void host_after(int ms, void (*fn)(void)) {
    after = fn;
    after_at = monotonic() + ms * EVL_MS;
}

static int64_t own_timeout(void) {
    int64_t left = after_at - monotonic();
    return !after ? -1 : left < 0 ? 0 : left;
}

static void own_work(void) {
    void (*fn)(void) = after;
    if (!fn || monotonic() < after_at)
        return;
    after = NULL;
    fn();
}

static void host_run(void) {
    for (quits = 0; !quits;) {
        fd_set r, w, x;
        int nfds = 0;
        int64_t timeout_ns = own_timeout();
        struct timeval t;
        FD_ZERO(&r);
        FD_ZERO(&w);
        FD_ZERO(&x);
        int32_t rc = evl_select_host_prepare(&guest, &r, &w, &x, &nfds, &timeout_ns);
        CHECK(rc == 0 || rc == EVL_ECLOSED);
        int found = select(nfds, &r, &w, &x, evl_select_host_timeout(timeout_ns, &t));
        own_work();
        if (rc == 0 && !quits)
            evl_select_host_dispatch(&guest, found, &r, &w, &x);
    }
}

int main(void) { return host_tests(); }
