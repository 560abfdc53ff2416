/* poll.c - evloop hosted by a loop of poll(2). */
#include "hosts.h"

#include <evloop/adapters/poll.h>

static evl_poll_host guest;
static int64_t after_at;
static void (*after)(void);
static int quits;

static void host_new(void) { after = NULL; }
static void host_free(void) {}
static int32_t host_attach(evl_loop *l) { return evl_poll_host_init(&guest, l); }
static void host_detach(void) { evl_poll_host_free(&guest); }
static void host_quit(void) { quits = 1; }

static void host_after(int ms, void (*fn)(void)) {
    after = fn;
    after_at = monotonic() + ms * EVL_MS;
}

static int own_timeout(void) {
    int64_t left = after_at - monotonic();
    return !after ? -1 : left < 0 ? 0 : (int)((left + EVL_MS - 1) / EVL_MS);
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
        struct pollfd fds[100];
        int timeout = own_timeout();
        int32_t n = evl_poll_host_prepare(&guest, fds, 100, &timeout);
        CHECK((n >= 0 && n <= 100) || n == EVL_ECLOSED);
        if (poll(fds, (nfds_t)(n > 0 ? n : 0), timeout) < 0)
            continue;
        own_work();
        if (n >= 0 && !quits)
            evl_poll_host_dispatch(&guest, fds, n);
    }
}

int main(void) { return host_tests(); }
