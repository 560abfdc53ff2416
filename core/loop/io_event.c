/* io_event.c - tags, and what the kernel reports by them. */
#include "handle.h"
#include "wall.h"
#include "watcher_chain.h"

/* --- tags --------------------------------------------------------------------------------------- */

/* What the kernel gives back with an event: where the watcher is and its generation.
 *
 * On 64 bits an address and 16 bits of the generation, for user addresses have no more than 48 bits unless a
 * program asks for higher ones by hand, and evl_io_new refuses those. On arm64 the allocator may keep a tag
 * of its own in the highest byte (Android does), so that a link stands there for the address. */
#if UINTPTR_MAX > UINT32_MAX && (defined(__aarch64__) || defined(EVLOOP_TAGS_ARE_LINKS))
#    define TAGS_ARE_LINKS 1
#    define TAG_SHIFT      32
typedef uint32_t tag_generation;
#elif UINTPTR_MAX > UINT32_MAX
#    define TAGS_ARE_LINKS 0
#    define TAG_SHIFT      48
typedef uint16_t tag_generation;
#else
#    define TAGS_ARE_LINKS 0
#    define TAG_SHIFT      32
typedef uint32_t tag_generation;
#endif

uint64_t evl_io_tag(const evl_watcher *io) {
    uint64_t place = TAGS_ARE_LINKS ? evl_io_link(io) : (uintptr_t)io;
    return place | (uint64_t)(tag_generation)io->base.gen << TAG_SHIFT;
}

static inline evl_watcher *tag_watcher(evl_loop *loop, uint64_t tag) {
    uint64_t place = tag & ((UINT64_C(1) << TAG_SHIFT) - 1);
#if TAGS_ARE_LINKS
    if (place <= 1) /* the loop's own two have no kind */
        return place == 0 ? &loop->wake_watcher : &loop->wall_watcher;
    return evl_io_by_link(loop, (uint32_t)place);
#else
    (void)loop;
    return (evl_watcher *)(uintptr_t)place;
#endif
}

bool evl_io_has_tag(const evl_watcher *io) {
    return TAGS_ARE_LINKS || (uint64_t)(uintptr_t)io >> (TAG_SHIFT - 1) >> 1 == 0;
}

/* After 65,536 uses of a watcher's slot its tags may begin again, and an entry that outlived its watcher
 * would be taken for the new one's: a queue that may have one goes before that. */
void evl_io_tags_repeat(evl_loop *loop) { loop->stale_entry_seen |= loop->stale_entry_possible; }

static inline bool tag_is_stale(uint64_t tag, const evl_watcher *io) {
    return (tag_generation)(tag >> TAG_SHIFT) != (tag_generation)io->base.gen;
}

/* --- reports ------------------------------------------------------------------------------------ */

static inline void report(evl_loop *loop, evl_watcher *io, uint32_t mask) {
    evl_node *node = &io->base.node;
    if (EVL_UNLIKELY(evl_linked(&node->link))) {
        node->u.result |= mask;
        return;
    }
    node->u.result = mask;
    evl_ready(loop, node);
}

/* What of a report concerns a watcher. Trouble comes with whatever the watcher wants, so that a callback
 * which only reads or only writes gets to see it. */
static uint32_t share_of(const evl_watcher *io, uint32_t mask) {
    if (io->mask == 0)
        return 0;
    uint32_t share = mask & io->mask;
    if (mask & EVL_IO_TROUBLE)
        share |= (io->mask & (EVL_READ | EVL_WRITE)) | (mask & EVL_IO_TROUBLE);
    return share;
}

static void report_share(evl_loop *loop, evl_watcher *io, uint32_t share) {
    if (evl_io_has_flag(io, EVL_F_INTERNAL))
        evl_io_complete_wait(io, share);
    else
        report(loop, io, share);
    if (evl_io_has_flag(io, EVL_F_ONESHOT)) {
        evl_io_put_mask(io, 0);
        evl_io_mark_dirty(loop, evl_io_first(loop, io->fd));
    }
}

/* A report without a watcher. Unless a watcher was closed after the poll, by a hook or a post, the kernel has
 * an entry that it would not delete. */
static void note_stale_entry(evl_loop *loop) { loop->stale_entry_seen |= !loop->watcher_removed; }

/* Several watchers, one-shots, trouble, what is no longer wanted. Readers are queued before those that only
 * write. */
static void report_unusual(evl_loop *loop, evl_watcher *first, uint32_t mask) {
    if (evl_io_has_flag(first, EVL_F_WAKE)) {
        if (first == &loop->wall_watcher)
            evl_wall_changed(loop);
        return;
    }
    if (first->fd < 0) { /* it has ended, but the kernel would not let go of its fd */
        note_stale_entry(loop);
        return;
    }
    if (mask & EVL_MASK_GONE) {
        evl_io_end_all(loop, first->fd, evl_gone_by(mask));
        return;
    }
    if (evl_io_is_owner(first)) {
        loop->types[first->base.node.kind]->event(&first->base, mask, 0);
        return;
    }
    for (int reading = 1; reading >= 0; reading--)
        for (evl_watcher *io = first; io; io = evl_io_by_link(loop, io->next)) {
            uint32_t share = share_of(io, mask);
            if (share != 0 && ((share & (EVL_READ | EVL_PRI)) != 0) == reading)
                report_share(loop, io, share);
        }
}

void evl_io_events(evl_loop *loop, const evl_kernel_event *events, int n) {
    for (int i = 0; i < n; i++) {
        uint64_t tag = EVL_EVENT_TAG(&events[i]);
        uint32_t mask = EVL_EVENT_MASK(&events[i]);
        evl_watcher *io = tag_watcher(loop, tag);
        if (EVL_UNLIKELY(tag_is_stale(tag, io)))
            note_stale_entry(loop);
        else if (EVL_LIKELY((mask & io->unusual) == 0))
            report(loop, io, mask);
        else
            report_unusual(loop, io, mask);
    }
}
