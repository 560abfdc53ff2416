/* backoff.c - waits for what the system will have more of later. There are seldom any, and hardly ever two.
 */
#include "backoff.h"
#include "embed.h"
#include "loop.h"

void evl_rest_begin(evl_loop *loop, evl_rest *rest, int64_t ns) {
    rest->until = evl_saturated_add(evl_monotonic(), ns);
    evl_list_unlink(&rest->link);
    evl_list_append(&loop->rests, &rest->link);
    evl_touch(loop);
}

int64_t evl_rests_until(const evl_loop *loop) {
    int64_t until = EVL_NEVER;
    for (const evl_link *link = loop->rests.next; link != &loop->rests; link = link->next) {
        const evl_rest *rest = EVL_OWNER(link, evl_rest, link);
        until = rest->until < until ? rest->until : until;
    }
    return until;
}

int64_t evl_rests_wait(const evl_loop *loop, int64_t limit) {
    int64_t until = evl_rests_until(loop);
    if (until == EVL_NEVER || limit == 0)
        return limit;
    int64_t now = evl_monotonic(), left = until > now ? until - now : 0;
    return limit < 0 || left < limit ? left : limit;
}

/* One that rests again is due later. */
void evl_rests_due(evl_loop *loop) {
    int64_t now = evl_monotonic();
    for (evl_link *link = loop->rests.next, *next; link != &loop->rests; link = next) {
        evl_rest *rest = EVL_OWNER(link, evl_rest, link);
        next = link->next;
        if (rest->until > now)
            continue;
        evl_list_unlink(link);
        rest->fn(rest->arg);
    }
}
