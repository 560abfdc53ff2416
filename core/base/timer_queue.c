#include "timer_queue.h"

#include <evloop/errors.h>
#include <string.h>

#define LINE  64u /* bytes; four entries */
#define AHEAD 16u /* so many entries before its turn a timer is fetched from memory */

#if defined(__GNUC__)
#    define PREFETCH(ptr) __builtin_prefetch(ptr)
#else
#    define PREFETCH(ptr) ((void)(ptr))
#endif

/* Branch-free, for the sifts. */
static inline bool before(const evl_timer_entry *a, const evl_timer_entry *b) {
    return (a->deadline < b->deadline) | ((a->deadline == b->deadline) & (a->order < b->order));
}

static inline uint32_t parent_of(uint32_t i) { return i / 4 + 2; }

static inline uint32_t first_child_of(uint32_t i) { return 4 * i - 8; }

static void sift_up(evl_timer_queue *q, uint32_t i, evl_timer_entry entry) {
    evl_timer_entry *heap = q->heap;
    while (i > EVL_HEAP_ROOT) {
        uint32_t parent = parent_of(i);
        if (!before(&entry, &heap[parent]))
            break;
        heap[i] = heap[parent];
        i = parent;
    }
    heap[i] = entry;
}

/* The smallest child of i, or 0 if it has none. */
static inline uint32_t smallest_child(const evl_timer_queue *q, uint32_t i) {
    const evl_timer_entry *heap = q->heap;
    uint32_t child = first_child_of(i);
    if (child + 4 <= q->size) {
        uint32_t left = before(&heap[child + 1], &heap[child]) ? child + 1 : child;
        uint32_t right = before(&heap[child + 3], &heap[child + 2]) ? child + 3 : child + 2;
        return before(&heap[right], &heap[left]) ? right : left;
    }
    if (child >= q->size)
        return 0;
    uint32_t best = child;
    for (uint32_t k = child + 1; k < q->size; k++)
        best = before(&heap[k], &heap[best]) ? k : best;
    return best;
}

static void sift_down(evl_timer_queue *q, uint32_t i, evl_timer_entry entry) {
    evl_timer_entry *heap = q->heap;
    for (uint32_t child; (child = smallest_child(q, i)) != 0; i = child) {
        if (!before(&heap[child], &entry))
            break;
        heap[i] = heap[child];
    }
    heap[i] = entry;
}

static void heapify(evl_timer_queue *q) {
    if (q->size <= EVL_HEAP_ROOT + 1)
        return;
    for (uint32_t i = parent_of(q->size - 1); i >= EVL_HEAP_ROOT; i--)
        sift_down(q, i, q->heap[i]);
}

static void drop_root(evl_timer_queue *q) {
    q->size--;
    if (q->size > EVL_HEAP_ROOT)
        sift_down(q, EVL_HEAP_ROOT, q->heap[q->size]);
}

/* Whether an entry still speaks for its timer; an entry of a stopped timer is removed on the way. */
static inline bool alive(const evl_timer_entry *entry, evl_timer_key *timer) {
    if (timer->entry_order != entry->order)
        return false;
    if (timer->deadline != EVL_NEVER)
        return true;
    timer->entry_order = 0;
    return false;
}

static inline evl_timer_entry true_entry(evl_timer_key *timer, uint32_t slot) {
    timer->key = timer->deadline;
    timer->entry_order = timer->order;
    return (evl_timer_entry){timer->deadline, timer->order, slot};
}

/* Drops dead entries and makes the others agree with their timers. */
static void sweep(evl_timer_queue *q) {
    uint32_t kept = EVL_HEAP_ROOT;
    for (uint32_t i = EVL_HEAP_ROOT; i < q->size; i++) {
        if (i + AHEAD < q->size)
            PREFETCH(q->find(q->ctx, q->heap[i + AHEAD].slot));
        evl_timer_key *timer = q->find(q->ctx, q->heap[i].slot);
        if (alive(&q->heap[i], timer))
            q->heap[kept++] = true_entry(timer, q->heap[i].slot);
    }
    q->size = kept;
    heapify(q);
}

static void push(evl_timer_queue *q, evl_timer_entry entry) {
    q->size++;
    sift_up(q, q->size - 1, entry);
}

/* Puts what is left of a storm back: the heap has room for it, as it came from there. */
static void unwind_run(evl_timer_queue *q) {
    while (q->run_pos < q->run_len) {
        evl_timer_entry entry = q->run[q->run_pos++];
        evl_timer_key *timer = q->find(q->ctx, entry.slot);
        if (alive(&entry, timer)) {
            if (q->size == q->cap)
                sweep(q);
            push(q, true_entry(timer, entry.slot));
        }
    }
    q->run_pos = q->run_len = 0;
}

/* The order numbers have run out, after four thousand million starts: number the live timers afresh from 1.
 * The heap is sorted into the free upper half of its own array, so that nothing is allocated. */
static void renumber(evl_timer_queue *q) {
    unwind_run(q);
    sweep(q);
    uint32_t count = q->size - EVL_HEAP_ROOT;
    evl_timer_entry *sorted = q->heap + q->cap - count;
    for (uint32_t i = 0; i < count; i++) {
        evl_timer_entry first = q->heap[EVL_HEAP_ROOT];
        drop_root(q);
        sorted[i] = first;
    }
    for (uint32_t i = 0; i < count; i++) {
        evl_timer_entry entry = sorted[i];
        evl_timer_key *timer = q->find(q->ctx, entry.slot);
        timer->order = i + 1;
        q->heap[EVL_HEAP_ROOT + i] = true_entry(timer, entry.slot);
    }
    q->size = EVL_HEAP_ROOT + count;
    q->next_order = count + 1;
}

void evl_tq_init(evl_timer_queue *q, evl_timer_find *find, void *ctx) {
    memset(q, 0, sizeof *q);
    q->size = EVL_HEAP_ROOT;
    q->next_order = 1;
    q->find = find;
    q->ctx = ctx;
}

static size_t block_size(uint32_t cap) { return (size_t)cap * sizeof(evl_timer_entry) + LINE; }

void evl_tq_free(evl_timer_queue *q, evl_mem *mem) {
    evl_mem_free(mem, q->block, block_size(q->cap));
    evl_mem_free(mem, q->run, (size_t)q->run_cap * sizeof *q->run);
    evl_tq_init(q, q->find, q->ctx);
}

int evl_tq_reserve(evl_timer_queue *q, evl_mem *mem, uint32_t timers) {
    uint64_t need = (uint64_t)timers * 2 + EVL_HEAP_ROOT + 1;
    if (need <= q->cap)
        return 0;
    if (need > UINT32_MAX / 2)
        return EVL_ENOMEM;
    uint32_t cap = q->cap * 2 > need ? q->cap * 2 : (uint32_t)need + 28;
    char *block = evl_mem_resize(mem, NULL, 0, block_size(cap));
    if (!block)
        return EVL_ENOMEM;
    evl_timer_entry *heap = (evl_timer_entry *)(void *)(block + (LINE - (uintptr_t)block % LINE) % LINE);
    if (q->size > EVL_HEAP_ROOT)
        memcpy(heap + EVL_HEAP_ROOT, q->heap + EVL_HEAP_ROOT,
               (q->size - EVL_HEAP_ROOT) * sizeof(evl_timer_entry));
    evl_mem_free(mem, q->block, block_size(q->cap));
    q->block = block;
    q->heap = heap;
    q->cap = cap;
    return 0;
}

void evl_tq_start(evl_timer_queue *q, evl_timer_key *timer, uint32_t slot, int64_t deadline) {
    if (evl_tq_postpone(q, timer, deadline))
        return;
    if (q->next_order == UINT32_MAX)
        renumber(q);
    timer->deadline = deadline;
    timer->order = q->next_order++;
    timer->entry_order = 0;
    if (q->size == q->cap)
        sweep(q);
    push(q, true_entry(timer, slot));
}

/* Makes the root agree with its timer; false if the heap is empty. */
static bool settle_root(evl_timer_queue *q) {
    while (q->size > EVL_HEAP_ROOT) {
        evl_timer_entry root = q->heap[EVL_HEAP_ROOT];
        evl_timer_key *timer = q->find(q->ctx, root.slot);
        if (!alive(&root, timer))
            drop_root(q);
        else if (timer->order != root.order)
            sift_down(q, EVL_HEAP_ROOT, true_entry(timer, root.slot));
        else
            return true;
    }
    return false;
}

/* The same for the head of a storm. A timer that was moved goes back to the heap: its room there is still its
 * own, since the heap gave up as many entries as the storm took. */
static bool settle_run(evl_timer_queue *q) {
    while (q->run_pos < q->run_len) {
        evl_timer_entry head = q->run[q->run_pos];
        evl_timer_key *timer = q->find(q->ctx, head.slot);
        if (alive(&head, timer)) {
            if (timer->order == head.order)
                return true;
            if (q->size == q->cap)
                sweep(q);
            push(q, true_entry(timer, head.slot));
        }
        q->run_pos++;
    }
    return false;
}

/* The earliest true entry of both, or NULL. */
static evl_timer_entry *first_entry(evl_timer_queue *q) {
    bool in_run = q->run_len != 0 && settle_run(q);
    bool in_heap = settle_root(q);
    evl_timer_entry *root = in_heap ? &q->heap[EVL_HEAP_ROOT] : NULL; /* without timers there is no heap */
    if (!in_run)
        return root;
    evl_timer_entry *head = &q->run[q->run_pos];
    return in_heap && before(root, head) ? root : head;
}

int64_t evl_tq_settle(evl_timer_queue *q) {
    const evl_timer_entry *first = first_entry(q);
    return first ? first->deadline : EVL_NEVER;
}

static void prefetch_soon(const evl_timer_queue *q, bool from_run) {
    if (from_run) {
        if (q->run_pos + 8 < q->run_len)
            PREFETCH(q->find(q->ctx, q->run[q->run_pos + 8].slot));
        return;
    }
    /* The next root is one of the root's children. */
    for (uint32_t i = EVL_HEAP_ROOT + 1; i < EVL_HEAP_ROOT + 5 && i < q->size; i++)
        PREFETCH(q->find(q->ctx, q->heap[i].slot));
}

bool evl_tq_pop(evl_timer_queue *q, int64_t now, uint32_t *slot, int64_t *deadline) {
    evl_timer_entry *first = first_entry(q);
    if (!first || first->deadline > now)
        return false;
    *slot = first->slot;
    *deadline = first->deadline;
    evl_timer_key *timer = q->find(q->ctx, first->slot);
    timer->deadline = EVL_NEVER;
    timer->entry_order = 0;
    bool from_run = first != &q->heap[EVL_HEAP_ROOT];
    if (from_run)
        q->run_pos++;
    else
        drop_root(q);
    prefetch_soon(q, from_run);
    return true;
}

/* --- storms ----------------------------------------------------------------------------------- */

#define STORM_MIN   65536u /* below this, popping stays in the cache */
#define STORM_SHARE 8u     /* one in so many must be due */
#define SAMPLE      64u

#define DIGIT_BITS 11u
#define DIGITS     (1u << DIGIT_BITS)

static bool worth_a_storm(const evl_timer_queue *q, int64_t now) {
    uint32_t count = q->size - EVL_HEAP_ROOT;
    if (count < STORM_MIN)
        return false;
    uint32_t due = 0;
    for (uint32_t i = 0; i < SAMPLE; i++)
        due += q->heap[EVL_HEAP_ROOT + (uint64_t)count * i / SAMPLE].deadline <= now;
    return due * STORM_SHARE >= SAMPLE;
}

typedef uint64_t sort_key(const evl_timer_entry *entry, int64_t base);

static uint64_t by_deadline(const evl_timer_entry *entry, int64_t base) {
    return (uint64_t)entry->deadline - (uint64_t)base;
}

static uint64_t by_order(const evl_timer_entry *entry, int64_t base) {
    (void)base;
    return entry->order;
}

/* One stable pass per digit that the keys differ in; returns which of the two arrays holds the result. */
static evl_timer_entry *radix_sort(evl_timer_entry *from, evl_timer_entry *to, uint32_t n, sort_key *key,
                                   int64_t base, uint64_t max) {
    for (uint32_t shift = 0; shift < 64 && (max >> shift) != 0; shift += DIGIT_BITS) {
        uint32_t start[DIGITS] = {0};
        for (uint32_t i = 0; i < n; i++)
            start[(key(&from[i], base) >> shift) & (DIGITS - 1)]++;
        uint32_t sum = 0;
        for (uint32_t d = 0; d < DIGITS; d++) {
            uint32_t here = start[d];
            start[d] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < n; i++)
            to[start[(key(&from[i], base) >> shift) & (DIGITS - 1)]++] = from[i];
        evl_timer_entry *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static bool sorted(const evl_timer_entry *entries, uint32_t n) {
    for (uint32_t i = 1; i < n; i++)
        if (before(&entries[i], &entries[i - 1]))
            return false;
    return true;
}

/* Sorts by deadline, and by order first only if some deadlines turned out to be equal and out of order. */
static evl_timer_entry *sort_entries(evl_timer_entry *entries, evl_timer_entry *spare, uint32_t n,
                                     int64_t low, int64_t high) {
    uint64_t span = (uint64_t)high - (uint64_t)low;
    evl_timer_entry *result = radix_sort(entries, spare, n, by_deadline, low, span);
    if (sorted(result, n))
        return result;
    evl_timer_entry *other = result == entries ? spare : entries;
    result = radix_sort(result, other, n, by_order, 0, UINT32_MAX);
    other = result == entries ? spare : entries;
    return radix_sort(result, other, n, by_deadline, low, span);
}

void evl_tq_gather(evl_timer_queue *q, evl_mem *mem, int64_t now) {
    if (q->run_pos < q->run_len || !worth_a_storm(q, now))
        return;
    uint32_t count = q->size - EVL_HEAP_ROOT;
    /* The first half receives, the second is the sort's. Without room the timers are popped one by one. */
    if (evl_mem_reserve(mem, (void **)&q->run, &q->run_cap, count * 2, sizeof *q->run) != 0)
        return;
    uint32_t kept = EVL_HEAP_ROOT, taken = 0;
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (uint32_t i = EVL_HEAP_ROOT; i < q->size; i++) {
        evl_timer_entry entry = q->heap[i];
        if (entry.deadline > now) {
            q->heap[kept++] = entry;
            continue;
        }
        low = entry.deadline < low ? entry.deadline : low;
        high = entry.deadline > high ? entry.deadline : high;
        q->run[taken++] = entry;
    }
    q->size = kept;
    heapify(q);
    const evl_timer_entry *result = sort_entries(q->run, q->run + count, taken, low, high);
    if (result != q->run)
        memcpy(q->run, result, taken * sizeof *result);
    q->run_pos = 0;
    q->run_len = taken;
}
