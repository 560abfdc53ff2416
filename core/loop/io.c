/* io.c - fd watchers. The watchers of an fd form a chain; the first stands for the fd in the kernel: its
 * address and generation are the tag, and it remembers what the kernel was last told. */
#include "access.h"
#include "embed.h"
#include "loop.h"
#include "wall.h"
#include "watcher.h"

#define MASK_WANTED  (EVL_READ | EVL_PRI | EVL_WRITE)
#define MASK_TROUBLE (EVL_ERR | EVL_HUP)

/* --- links ------------------------------------------------------------------------------------ */

/* A link is a kind and a slot, as in an id: streams, servers and datagram sockets are watchers too. */
static evl_watcher *by_link(const evl_loop *loop, uint32_t link) {
    uint32_t slot = link & ((UINT32_C(1) << EVL_ID_SLOT_BITS) - 1);
    return link == 0 ? NULL : evl_slab_at(&loop->handles[link >> EVL_ID_SLOT_BITS], slot);
}

static uint32_t link_to(const evl_watcher *io) {
    return (uint32_t)io->base.node.kind << EVL_ID_SLOT_BITS | io->base.node.slot;
}

/* --- tags ------------------------------------------------------------------------------------- */

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
    uint64_t place = TAGS_ARE_LINKS ? link_to(io) : (uintptr_t)io;
    return place | (uint64_t)(tag_generation)io->base.gen << TAG_SHIFT;
}

static inline evl_watcher *tag_watcher(evl_loop *loop, uint64_t tag) {
    uint64_t place = tag & ((UINT64_C(1) << TAG_SHIFT) - 1);
#if TAGS_ARE_LINKS
    if (place <= 1) /* the loop's own two have no kind */
        return place == 0 ? &loop->wake_watcher : &loop->wall_watcher;
    return by_link(loop, (uint32_t)place);
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

/* --- the chain of an fd ----------------------------------------------------------------------- */

static evl_watcher *first_of(const evl_loop *loop, int fd) {
    return (uint32_t)fd < loop->fds_cap ? by_link(loop, loop->fds[fd]) : NULL;
}

static bool has_flag(const evl_watcher *io, int flag) { return (io->base.node.flags & flag) != 0; }

static bool is_owner(const evl_watcher *io) { return io->base.node.kind != EVL_KIND_IO; }

/* After a change of the mask or the flags. Who owns the fd says itself what is odd. */
static void set_odd(evl_watcher *io) {
    if (!is_owner(io))
        io->odd = has_flag(io, EVL_F_ONESHOT | EVL_F_SHARED) ? UINT32_MAX : ~(uint32_t)io->mask;
}

static void set_flag(evl_watcher *io, int flag, bool on) {
    io->base.node.flags = (uint8_t)(on ? io->base.node.flags | flag : io->base.node.flags & ~flag);
    set_odd(io);
}

/* The masks of all watchers of an fd. */
static uint32_t wanted(const evl_loop *loop, const evl_watcher *first) {
    uint32_t mask = 0;
    for (const evl_watcher *io = first; io; io = by_link(loop, io->next))
        mask |= io->mask;
    return mask;
}

/* An edge that hides what stands behind the data would be the last one: who owns the fd hears of its end too.
 */
static uint32_t with_edge(const evl_watcher *first, uint32_t mask) {
    if (mask != 0 && is_owner(first) && has_flag(first, EVL_F_EXCLUSIVE))
        return mask | EVL_MASK_EXCLUSIVE;
    if (mask == 0 || !has_flag(first, EVL_F_EDGE))
        return mask;
    return mask | EVL_MASK_EDGE | (is_owner(first) ? EVL_MASK_RDHUP : 0U);
}

/* What the kernel was last told. */
static uint32_t told(const evl_watcher *first) { return with_edge(first, first->armed); }

/* Whether the backend says that the number was closed behind our back. A duplicate may keep the file open,
 * and its entry in the queue. */
static bool was_closed(evl_loop *loop, int rc) {
    bool closed = rc == EVL_ENOENT || rc == EVL_EBADF;
    loop->stale_entry_possible |= closed;
    return closed;
}

static void remove_fd(evl_loop *loop, int fd, uint32_t mask) {
    (void)was_closed(loop, loop->backend->remove(loop->state, fd, mask));
}

static void append(evl_loop *loop, evl_watcher *first, evl_watcher *io) {
    evl_watcher *last = first;
    while (last->next != 0)
        last = by_link(loop, last->next);
    last->next = link_to(io);
    set_flag(first, EVL_F_SHARED, true);
}

static void set_mask(evl_watcher *io, uint32_t mask) {
    io->mask = (uint8_t)mask;
    set_odd(io);
    evl_handle_set_active(&io->base, mask != 0);
}

/* --- reports ---------------------------------------------------------------------------------- */

static inline void report(evl_loop *loop, evl_watcher *io, uint32_t mask) {
    evl_node *node = &io->base.node;
    if (EVL_UNLIKELY(evl_linked(&node->link))) {
        node->u.result |= mask;
        return;
    }
    node->u.result = mask;
    evl_ready(loop, node);
}

/* A waiter's: who waits is told, and the watcher stays with the fd, without interest, for the next wait. */
static void complete_wait(evl_watcher *io, int64_t result) {
    void *arg = io->base.node.arg;
    io->base.node.arg = NULL;
    if (arg)
        io->base.node.fn.done(arg, result);
}

static void lose(evl_loop *loop, evl_watcher *owner, int error) {
    uint32_t fd = (uint32_t)owner->fd;
    owner->fd = -1;
    owner->mask = owner->armed = 0;
    set_flag(owner, EVL_F_DIRTY, false);
    loop->types[owner->base.node.kind]->event(&owner->base, fd, error);
}

static bool is_idle_waiter(const evl_watcher *io) {
    return has_flag(io, EVL_F_INTERNAL) && !io->base.node.arg;
}

/* Ends every watcher of an fd: each is notified of `error`, and of nothing more. Returns how many there were;
 * what a wait left behind is no user's. */
static int end_watchers(evl_loop *loop, int fd, int error) {
    int count = 0;
    evl_watcher *io = first_of(loop, fd);
    if (!io)
        return 0;
    loop->fds[fd] = 0;
    loop->watcher_removed = true;
    if (is_owner(io)) {
        lose(loop, io, error);
        return 1;
    }
    for (evl_watcher *next; io; io = next) {
        next = by_link(loop, io->next);
        count += !is_idle_waiter(io);
        io->fd = -1;
        io->next = 0;
        set_mask(io, 0);
        set_flag(io, EVL_F_DIRTY | EVL_F_SHARED, false);
        if (has_flag(io, EVL_F_INTERNAL)) {
            complete_wait(io, error);
            evl_handle_give(&io->base);
            continue;
        }
        io->base.node.u.result = error;
        if (!evl_linked(&io->base.node.link))
            evl_ready(loop, &io->base.node);
    }
    return count;
}

/* --- telling the kernel ----------------------------------------------------------------------- */

/* With edges, interest that was given again has to reach the kernel although nothing has changed: it reports
 * what is there, which the last edge may have been used up for. */
static int tell(evl_loop *loop, evl_watcher *first, uint32_t mask) {
    bool anew = first->anew && mask != 0;
    first->anew = false;
    if (mask == first->armed && !anew)
        return 0;
    int rc = mask == first->armed
                 ? loop->backend->prove(loop->state, first->fd, told(first), told(first), evl_io_tag(first))
                 : loop->backend->change(loop->state, first->fd, told(first), with_edge(first, mask),
                                         evl_io_tag(first));
    if (rc == 0)
        first->armed = (uint8_t)mask;
    return rc;
}

static void flush_fd(evl_loop *loop, int fd) {
    evl_watcher *first = first_of(loop, fd);
    if (!first || !has_flag(first, EVL_F_DIRTY))
        return;
    set_flag(first, EVL_F_DIRTY, false);
    int rc = tell(loop, first, wanted(loop, first));
    if (rc == 0)
        return;
    bool closed = was_closed(loop, rc);
    if (!closed && first->armed != 0)
        remove_fd(loop, fd, told(first));
    end_watchers(loop, fd, closed ? EVL_EBADF : rc);
}

void evl_io_flush(evl_loop *loop) {
    for (uint32_t i = 0; i < loop->dirty_len; i++)
        flush_fd(loop, loop->dirty[i]);
    loop->dirty_len = 0;
}

/* Notes that the kernel has to hear about an fd before the next poll. An fd may stand in the list twice; the
 * flag of its first watcher says whether anything is left to do. */
static void mark_dirty(evl_loop *loop, evl_watcher *first) {
    if (has_flag(first, EVL_F_DIRTY) || evl_is_forked(loop))
        return;
    if (loop->dirty_len == EVL_DIRTY_MAX)
        evl_io_flush(loop);
    if (first->fd < 0)
        return; /* the flush has just ended it */
    set_flag(first, EVL_F_DIRTY, true);
    loop->dirty[loop->dirty_len++] = first->fd;
    evl_touch(loop);
}

/* --- adding ----------------------------------------------------------------------------------- */

/* An fd that is not wanted yet is added and removed again, so that a bad one fails here. */
static int add_first(evl_loop *loop, evl_watcher *io) {
    uint32_t mask = with_edge(io, io->mask ? io->mask : EVL_READ);
    int rc = loop->backend->add(loop->state, io->fd, mask, evl_io_tag(io));
    if (rc != 0)
        return rc;
    if (io->mask == 0)
        remove_fd(loop, io->fd, mask);
    rc = evl_mem_reserve(&loop->mem, (void **)&loop->fds, &loop->fds_cap, (uint32_t)io->fd + 1,
                         sizeof *loop->fds);
    if (rc != 0) {
        if (io->mask != 0)
            remove_fd(loop, io->fd, mask);
        return rc;
    }
    io->armed = io->mask;
    io->anew = false;
    loop->fds[io->fd] = link_to(io);
    return 0;
}

/* A second watcher always makes one kernel call, so that a number closed and used again behind our back is
 * found: then the old watchers end, and this one is the first. */
static int add_another(evl_loop *loop, evl_watcher *first, evl_watcher *io) {
    if (has_flag(first, EVL_F_EDGE) != has_flag(io, EVL_F_EDGE))
        return EVL_EEXIST;
    uint32_t mask = wanted(loop, first) | io->mask;
    uint32_t proof = mask ? mask : first->armed;
    int rc;
    if (first->armed == 0)
        rc = loop->backend->add(loop->state, io->fd, with_edge(first, mask ? mask : EVL_READ),
                                evl_io_tag(first));
    else
        rc = loop->backend->prove(loop->state, io->fd, told(first), with_edge(first, proof),
                                  evl_io_tag(first));
    if (was_closed(loop, rc)) {
        end_watchers(loop, io->fd, EVL_EBADF);
        return add_first(loop, io);
    }
    if (rc != 0)
        return rc;
    if (first->armed == 0 && mask == 0)
        remove_fd(loop, io->fd, with_edge(first, EVL_READ));
    else
        first->armed = (uint8_t)proof;
    append(loop, first, io);
    if (proof != mask && first->armed != 0)
        mark_dirty(loop, first);
    return 0;
}

static int check_wishes(const evl_loop *loop, uint32_t mask, uint32_t flags) {
    if ((mask & ~(uint32_t)MASK_WANTED) != 0 || (flags & ~(uint32_t)(EVL_IO_ONESHOT | EVL_IO_EDGE)) != 0)
        return EVL_EINVAL;
    uint32_t caps = loop->backend->caps;
    if (((mask & EVL_PRI) && !(caps & EVL_CAP_PRI)) || ((flags & EVL_IO_EDGE) && !(caps & EVL_CAP_EDGE)))
        return EVL_ENOTSUP;
    return 0;
}

/* An owner of an fd shares it with no other watcher. Whether the number still names what is watched costs one
 * kernel call; if not, whoever watches it has ended. */
static bool is_taken(evl_loop *loop, evl_watcher *first) {
    int fd = first->fd, rc = 0;
    if (first->armed != 0)
        rc = loop->backend->prove(loop->state, fd, told(first), told(first), evl_io_tag(first));
    if (!was_closed(loop, rc))
        return true;
    end_watchers(loop, fd, EVL_EBADF);
    return false;
}

/* Adds a watcher that is filled in, or gives it back. */
static int attach(evl_loop *loop, evl_watcher *io) {
    evl_watcher *first = first_of(loop, io->fd);
    int rc = EVL_ENOTSUP;
    if (first && is_owner(first) && !is_taken(loop, first))
        first = NULL;
    if (first && is_owner(first))
        rc = EVL_EEXIST;
    else if (evl_io_has_tag(io))
        rc = first ? add_another(loop, first, io) : add_first(loop, io);
    if (rc != 0) {
        evl_handle_give(&io->base);
        return rc;
    }
    set_mask(io, io->mask);
    evl_touch(loop);
    return 0;
}

/* The watcher that waits of the past left behind, so that an fd looks as if nothing had ever waited for it.
 */
void evl_io_forget(evl_loop *loop, int fd) {
    evl_watcher *io;
    while ((io = first_of(loop, fd)) && is_idle_waiter(io)) {
        evl_handle_detach(&io->base);
        evl_handle_give(&io->base);
    }
}

int32_t evl_io_new(evl_loop *loop, evl_fd fd, uint32_t mask, uint32_t flags, evl_done_fn *fn, void *arg,
                   evl_io **out) {
    if (out)
        *out = NULL;
    int rc = evl_enter(loop);
    if (rc == 0)
        rc = !out ? EVL_EINVAL : fd < 0 ? EVL_EBADF : check_wishes(loop, mask, flags);
    if (rc != 0)
        return rc;
    evl_watcher *io = (evl_watcher *)evl_handle_take(loop, EVL_KIND_IO, fn, arg);
    if (!io)
        return EVL_ENOMEM;
    io->fd = fd;
    io->next = 0;
    io->armed = 0;
    io->mask = (uint8_t)mask;
    set_flag(io, EVL_F_ONESHOT, (flags & EVL_IO_ONESHOT) != 0);
    set_flag(io, EVL_F_EDGE, (flags & EVL_IO_EDGE) != 0);
    evl_io_forget(loop, fd);
    rc = attach(loop, io);
    if (rc == 0)
        *out = &io->base;
    return rc;
}

/* --- handles that own their fd ---------------------------------------------------------------- */

int evl_io_own(evl_watcher *io, int fd, uint32_t mask, bool edge) {
    evl_loop *loop = io->base.loop;
    io->fd = fd;
    io->next = 0;
    io->armed = 0;
    io->mask = (uint8_t)mask;
    set_flag(io, EVL_F_EDGE, edge && (loop->backend->caps & EVL_CAP_EDGE) != 0);
    io->odd = UINT32_MAX;
    evl_io_forget(loop, fd);
    evl_watcher *first = first_of(loop, fd);
    bool taken = first && is_taken(loop, first);
    int rc = taken ? EVL_EEXIST : evl_io_has_tag(io) ? add_first(loop, io) : EVL_ENOTSUP;
    if (rc != 0)
        io->fd = -1;
    return rc;
}

void evl_io_want(evl_watcher *io, uint32_t mask) {
    if (io->mask == mask || io->fd < 0)
        return;
    io->mask = (uint8_t)mask;
    mark_dirty(io->base.loop, io);
}

/* --- changing and ending ---------------------------------------------------------------------- */

/* Why a watcher takes no mask any more. */
static int ended(const evl_watcher *io) { return (int)io->base.node.u.result; }

int32_t evl_io_set(evl_io *handle, uint32_t mask) {
    int rc = evl_check_kind(handle, EVL_KIND_IO);
    if (rc == 0) /* 0 stops it, and stopping also works in a forked child */
        rc = mask == 0 ? evl_enter_child(handle->loop) : evl_enter(handle->loop);
    if (rc != 0)
        return rc;
    evl_watcher *io = (evl_watcher *)handle;
    evl_loop *loop = handle->loop;
    rc = check_wishes(loop, mask, 0);
    if (rc != 0 || io->fd < 0)
        return rc != 0 ? rc : mask == 0 ? 0 : ended(io);
    evl_node *node = &handle->node;
    if (evl_linked(&node->link)) {
        node->u.result &= mask | MASK_TROUBLE;
        if (mask == 0 || (node->u.result & MASK_WANTED) == 0)
            evl_list_remove(&node->link);
        else if (has_flag(io, EVL_F_ONESHOT))
            return 0; /* the report that is due is the one */
    }
    if (mask == io->mask)
        return 0;
    evl_watcher *first = first_of(loop, io->fd);
    first->anew |= has_flag(io, EVL_F_EDGE) && (mask & ~(uint32_t)io->mask) != 0;
    set_mask(io, mask);
    mark_dirty(loop, first);
    evl_touch(loop);
    return 0;
}

/* Takes a watcher off its fd. The last one takes the fd off the kernel at once: the number may be closed and
 * used again before the next poll. The next one in line otherwise stands for the fd from now on. */
static void detach(evl_handle *handle) {
    evl_watcher *io = (evl_watcher *)handle;
    evl_loop *loop = handle->loop;
    if (io->fd < 0)
        return;
    evl_watcher *first = first_of(loop, io->fd);
    if (first != io) {
        evl_watcher *prev = first;
        while (prev->next != link_to(io))
            prev = by_link(loop, prev->next);
        prev->next = io->next;
        set_flag(first, EVL_F_SHARED, first->next != 0);
        mark_dirty(loop, first);
        return;
    }
    loop->fds[io->fd] = io->next;
    loop->watcher_removed = true;
    evl_watcher *next = by_link(loop, io->next);
    if (!next) {
        if (io->armed != 0 && !evl_is_forked(loop))
            remove_fd(loop, io->fd, told(io));
        return;
    }
    set_flag(next, EVL_F_SHARED, next->next != 0);
    next->armed = io->armed;
    next->anew = io->anew;
    if (io->armed == 0 || evl_is_forked(loop)) {
        mark_dirty(loop, next);
        return;
    }
    /* The kernel knows the fd by the closed watcher's tag. */
    uint32_t mask = wanted(loop, next);
    int fd = io->fd;
    int rc = loop->backend->change(loop->state, fd, told(next), with_edge(next, mask), evl_io_tag(next));
    next->armed = (uint8_t)mask;
    if (rc != 0)
        end_watchers(loop, fd, was_closed(loop, rc) ? EVL_EBADF : rc);
}

void evl_io_disown(evl_watcher *io) {
    detach(&io->base);
    io->fd = -1;
}

const evl_handle_type evl_io_type = {.size = sizeof(evl_watcher), .detach = detach};

evl_fd evl_io_fd(const evl_io *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_IO);
    return rc != 0 ? rc : ((const evl_watcher *)handle)->fd;
}

int32_t evl_io_mask(const evl_io *handle) {
    int rc = evl_enter_to_read(handle, EVL_KIND_IO);
    return rc != 0 ? rc : ((const evl_watcher *)handle)->mask;
}

int evl_io_closing(evl_loop *loop, int fd) {
    evl_watcher *first = first_of(loop, fd);
    if (!first)
        return 0;
    if (first->armed != 0 && !evl_is_forked(loop))
        remove_fd(loop, fd, told(first));
    int count = end_watchers(loop, fd, EVL_ECLOSED);
    evl_touch(loop);
    return count;
}

int32_t evl_fd_closing(evl_loop *loop, evl_fd fd) {
    int rc = evl_enter(loop);
    if (rc != 0)
        return rc;
    return fd < 0 ? EVL_EBADF : evl_io_closing(loop, fd);
}

/* --- waiting for an fd once ------------------------------------------------------------------- */

void evl_io_stop_waiting(evl_watcher *io) {
    evl_loop *loop = io->base.loop;
    io->base.node.arg = NULL;
    set_mask(io, 0);
    mark_dirty(loop, first_of(loop, io->fd));
    evl_touch(loop);
}

static evl_watcher *find_idle_waiter(evl_loop *loop, int fd) {
    evl_watcher *io = first_of(loop, fd);
    while (io && !is_idle_waiter(io))
        io = by_link(loop, io->next);
    return io;
}

/* Takes up a watcher that an earlier wait left with the fd. One kernel call proves that the number still
 * names the same file. */
static int wait_again(evl_loop *loop, evl_watcher *io, uint32_t mask) {
    evl_watcher *first = first_of(loop, io->fd);
    uint32_t all = with_edge(first, wanted(loop, first) | mask);
    uint32_t armed = told(first);
    uint64_t tag = evl_io_tag(first);
    int rc = armed == 0 ? loop->backend->add(loop->state, io->fd, all, tag)
                        : loop->backend->prove(loop->state, io->fd, armed, all, tag);
    if (rc != 0)
        return rc;
    first->armed = (uint8_t)all;
    set_mask(io, mask);
    return 0;
}

static int new_waiter(evl_loop *loop, int fd, uint32_t mask, evl_watcher **out) {
    evl_watcher *io = (evl_watcher *)evl_handle_take_internal(loop, EVL_KIND_IO, NULL, NULL);
    if (!io)
        return EVL_ENOMEM;
    io->fd = fd;
    io->next = 0;
    io->armed = 0;
    io->mask = (uint8_t)mask;
    set_flag(io, EVL_F_ONESHOT, true);
    *out = io;
    return attach(loop, io);
}

static int arm_waiter(evl_loop *loop, int fd, uint32_t mask, evl_watcher **out) {
    *out = find_idle_waiter(loop, fd);
    if (!*out)
        return new_waiter(loop, fd, mask, out);
    int rc = wait_again(loop, *out, mask);
    if (!was_closed(loop, rc))
        return rc;
    end_watchers(loop, fd, EVL_EBADF); /* closed behind our back; the number may be in use again */
    return new_waiter(loop, fd, mask, out);
}

int evl_io_wait(evl_loop *loop, int fd, uint32_t mask, evl_done_fn *fn, void *arg, evl_watcher **out) {
    int rc = fd < 0 ? EVL_EBADF : mask == 0 ? EVL_EINVAL : check_wishes(loop, mask, 0);
    if (rc == 0)
        rc = arm_waiter(loop, fd, mask, out);
    if (rc != 0)
        return rc;
    (*out)->base.node.fn.done = fn;
    (*out)->base.node.arg = arg;
    evl_touch(loop);
    return 0;
}

/* --- what the kernel reports ------------------------------------------------------------------ */

/* What of a report concerns a watcher. Trouble comes with whatever the watcher wants, so that a callback
 * which only reads or only writes gets to see it. */
static uint32_t share_of(const evl_watcher *io, uint32_t mask) {
    if (io->mask == 0)
        return 0;
    uint32_t share = mask & io->mask;
    if (mask & MASK_TROUBLE)
        share |= (io->mask & (EVL_READ | EVL_WRITE)) | (mask & MASK_TROUBLE);
    return share;
}

static void report_share(evl_loop *loop, evl_watcher *io, uint32_t share) {
    if (has_flag(io, EVL_F_INTERNAL))
        complete_wait(io, share);
    else
        report(loop, io, share);
    if (has_flag(io, EVL_F_ONESHOT)) {
        set_mask(io, 0);
        mark_dirty(loop, first_of(loop, io->fd));
    }
}

/* A report without a watcher. Unless a watcher was closed after the poll, by a hook or a post, the kernel has
 * an entry that it would not delete. */
static void note_stale_entry(evl_loop *loop) { loop->stale_entry_seen |= !loop->watcher_removed; }

/* Several watchers, one-shots, trouble, what is no longer wanted. Readers are queued before those that only
 * write. */
static void report_odd(evl_loop *loop, evl_watcher *first, uint32_t mask) {
    if (has_flag(first, EVL_F_WAKE)) {
        if (first == &loop->wall_watcher)
            evl_wall_changed(loop);
        return;
    }
    if (first->fd < 0) { /* it has ended, but the kernel would not let go of its fd */
        note_stale_entry(loop);
        return;
    }
    if (mask & EVL_MASK_GONE) {
        end_watchers(loop, first->fd, evl_gone_by(mask));
        return;
    }
    if (is_owner(first)) {
        loop->types[first->base.node.kind]->event(&first->base, mask, 0);
        return;
    }
    for (int reading = 1; reading >= 0; reading--)
        for (evl_watcher *io = first; io; io = by_link(loop, io->next)) {
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
        else if (EVL_LIKELY((mask & io->odd) == 0))
            report(loop, io, mask);
        else
            report_odd(loop, io, mask);
    }
}

/* --- a new kernel queue ------------------------------------------------------------------------- */

/* Where one number was closed behind our back others may have been too. The old queue still knows their
 * files; the new one would take whatever has the numbers now. */
static void prove_all(evl_loop *loop) {
    for (uint32_t fd = 0; fd < loop->fds_cap; fd++) {
        evl_watcher *first = by_link(loop, loop->fds[fd]);
        if (!first || first->armed == 0)
            continue;
        int rc = loop->backend->prove(loop->state, (int)fd, told(first), told(first), evl_io_tag(first));
        if (was_closed(loop, rc))
            end_watchers(loop, (int)fd, EVL_EBADF);
    }
}

int evl_io_requeue(evl_loop *loop, bool forked) {
    if (!forked)
        prove_all(loop);
    int rc = loop->backend->reopen(loop->state, forked);
    if (rc != 0)
        return rc;
    loop->stale_entry_seen = loop->stale_entry_possible = false;
    loop->dirty_len = 0;
    evl_wall_requeue(loop, forked);
    for (uint32_t fd = 0; fd < loop->fds_cap; fd++) {
        evl_watcher *first = by_link(loop, loop->fds[fd]);
        if (!first)
            continue;
        set_flag(first, EVL_F_DIRTY, false);
        uint32_t mask = wanted(loop, first);
        first->armed = (uint8_t)mask;
        first->anew = false;
        if (mask == 0)
            continue;
        rc = loop->backend->add(loop->state, (int)fd, with_edge(first, mask), evl_io_tag(first));
        if (rc != 0)
            end_watchers(loop, (int)fd, rc);
    }
    return 0;
}
