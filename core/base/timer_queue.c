#include "timer_queue.h"

#include <evloop/errors.h>
#include <string.h>

#define LINE 64u /* bytes; four entries */
#define ROOT EVL_TIMER_ROOT

#define HEAP_SIZE    128u   /* entries: dividing pays, and sifting is quick */
#define SHARE        8u     /* dividing leaves one in so many in front */
#define SAMPLE       16u    /* entries, to find where to divide */
#define DIVIDE_AHEAD 32768u /* entries: to divide these at once would take 50 us */
#define LOOK_EVERY   4096u  /* timers that are started */
#define TRIM_MIN     4096u  /* entries; less is not given back */

typedef evl_timer_entry entry;

/* --- entries ---------------------------------------------------------------------------------- */

/* Without branches: which of two deadlines is earlier cannot be predicted. */
#if defined(__SIZEOF_INT128__)
__extension__ typedef __int128 whole;
__extension__ typedef unsigned __int128 whole_bits;

static inline whole whole_of(const entry *e) {
    return (whole)((whole_bits)(uint64_t)e->deadline << 64 | e->tag);
}

static inline bool before(const entry *a, const entry *b) { return whole_of(a) < whole_of(b); }
#else
static inline bool before(const entry *a, const entry *b) {
    return (a->deadline < b->deadline) | ((a->deadline == b->deadline) & (a->tag < b->tag));
}
#endif

static inline void put(evl_timer_queue *q, uint32_t i, entry e) {
    q->entries[i] = e;
    q->places[evl_timer_slot(&e)] = i;
}

/* --- the heap --------------------------------------------------------------------------------- */

static inline uint32_t parent_of(uint32_t i) { return i / 4 + 2; }

static inline uint32_t first_child_of(uint32_t i) { return 4 * i - 8; }

static void sift_up(evl_timer_queue *q, uint32_t i, entry e) {
    while (i > ROOT) {
        uint32_t parent = parent_of(i);
        if (!before(&e, &q->entries[parent]))
            break;
        put(q, i, q->entries[parent]);
        i = parent;
    }
    put(q, i, e);
}

/* The smallest child of i, or 0 if it has none. */
static inline uint32_t smallest_child(const evl_timer_queue *q, uint32_t i) {
    const entry *heap = q->entries;
    uint32_t child = first_child_of(i), end = q->end[0];
    if (child + 4 <= end) {
        uint32_t left = child + before(&heap[child + 1], &heap[child]);
        uint32_t right = child + 2 + before(&heap[child + 3], &heap[child + 2]);
        uint32_t take_right = before(&heap[right], &heap[left]);
        return left + (right - left) * take_right;
    }
    if (child >= end)
        return 0;
    uint32_t best = child;
    for (uint32_t k = child + 1; k < end; k++)
        best = before(&heap[k], &heap[best]) ? k : best;
    return best;
}

static void sift_down(evl_timer_queue *q, uint32_t i, entry e) {
    for (uint32_t child; (child = smallest_child(q, i)) != 0; i = child) {
        if (!before(&q->entries[child], &e))
            break;
        put(q, i, q->entries[child]);
    }
    put(q, i, e);
}

/* An entry that belongs at i, or above, or below. */
static void sift(evl_timer_queue *q, uint32_t i, entry e) {
    if (i > ROOT && before(&e, &q->entries[parent_of(i)]))
        sift_up(q, i, e);
    else
        sift_down(q, i, e);
}

static void heapify(evl_timer_queue *q) {
    uint32_t size = q->end[0] - ROOT;
    q->heap_max = SHARE * (size > HEAP_SIZE ? size : HEAP_SIZE);
    if (size < 2)
        return;
    for (uint32_t i = parent_of(q->end[0] - 1); i >= ROOT; i--)
        sift_down(q, i, q->entries[i]);
}

/* --- regions ---------------------------------------------------------------------------------- */

static inline uint32_t begin_of(const evl_timer_queue *q, uint32_t region) {
    return region == 0 ? ROOT : q->end[region - 1];
}

static inline uint32_t size_of(const evl_timer_queue *q, uint32_t region) {
    return q->end[region] - begin_of(q, region);
}

/* Where the entry at i is. Most are far back. */
static inline uint32_t region_at(const evl_timer_queue *q, uint32_t i) {
    uint32_t region = q->last;
    while (region > 0 && i < q->end[region - 1])
        region--;
    return region;
}

/* Where an entry belongs. */
static inline uint32_t region_for(const evl_timer_queue *q, const entry *e) {
    uint32_t region = q->last;
    while (region > 0 && before(e, &q->upto[region - 1]))
        region--;
    return region;
}

/* There is a hole behind region `from`. Moves it behind region `to`, which is before, by putting the first
 * entry of each region between behind its last. Returns the hole, which then belongs to `to`. */
static inline uint32_t hole_to_front(evl_timer_queue *q, uint32_t from, uint32_t to) {
    for (uint32_t region = from; region > to; region--) {
        uint32_t first = q->end[region - 1], hole = q->end[region]++;
        if (first != hole)
            put(q, hole, q->entries[first]);
    }
    return q->end[to]++;
}

/* The same to the back: the last entry of each region goes before its first. Returns the hole, which is
 * behind region `to`. */
static inline uint32_t hole_to_back(evl_timer_queue *q, uint32_t from, uint32_t to) {
    uint32_t hole = q->end[from];
    for (uint32_t region = from + 1; region <= to; region++) {
        uint32_t back = --q->end[region];
        if (back != hole)
            put(q, hole, q->entries[back]);
        hole = back;
    }
    return hole;
}

/* Takes out the entry at i; the hole is behind its region then. */
static inline void lift(evl_timer_queue *q, uint32_t i, uint32_t region) {
    uint32_t back = --q->end[region];
    if (i == back)
        return;
    if (region == 0)
        sift(q, i, q->entries[back]);
    else
        put(q, i, q->entries[back]);
}

/* No timers: what is started goes into the last region, and the first look sorts out what is early of it. */
static void reset(evl_timer_queue *q) {
    q->last = 1;
    q->end[0] = q->end[1] = ROOT;
    q->upto[0] = (entry){INT64_MIN, 0};
    q->upto[1] = (entry){INT64_MAX, UINT64_MAX};
    q->dividing = 0;
}

/* A new region that ends at `end`, with no entry later than `upto`, in front of the present one of its
 * number. */
static void insert_region(evl_timer_queue *q, uint32_t region, uint32_t end, entry upto) {
    uint32_t behind = q->last - region + 1;
    memmove(&q->end[region + 1], &q->end[region], behind * sizeof *q->end);
    memmove(&q->upto[region + 1], &q->upto[region], behind * sizeof *q->upto);
    q->end[region] = end;
    q->upto[region] = upto;
    q->last++;
    if (q->dividing != 0 && q->dividing >= region)
        q->dividing++;
}

/* Makes a region a part of the one behind it. */
static void join_region(evl_timer_queue *q, uint32_t region) {
    uint32_t behind = q->last - region;
    memmove(&q->end[region], &q->end[region + 1], behind * sizeof *q->end);
    memmove(&q->upto[region], &q->upto[region + 1], behind * sizeof *q->upto);
    q->last--;
    if (q->dividing > region)
        q->dividing--;
}

/* --- dividing --------------------------------------------------------------------------------- */

/* An entry of region `region` that about one in `share` are not later than. */
static entry sample(evl_timer_queue *q, uint32_t region, uint32_t share) {
    entry sorted[SAMPLE];
    uint32_t first = begin_of(q, region), n = size_of(q, region);
    for (uint32_t i = 0; i < SAMPLE; i++) {
        q->chance = q->chance * 1664525 + 1013904223;
        uint64_t part = (uint64_t)n * i / SAMPLE, within = (uint64_t)(n / SAMPLE) * (q->chance >> 16) >> 16;
        entry e = q->entries[first + part + within];
        uint32_t k = i;
        for (; k > 0 && before(&e, &sorted[k - 1]); k--)
            sorted[k] = sorted[k - 1];
        sorted[k] = e;
    }
    return sorted[SAMPLE / share - 1];
}

/* Looks at the entries from *seen to `stop`, and brings those that are not later than `upto` behind the ones
 * in front of *early. What is already in order is only read. */
static void divide(evl_timer_queue *q, uint32_t *early, uint32_t *seen, uint32_t stop, entry upto) {
    uint32_t i = *seen, front = *early;
    for (; i < stop; i++) {
        entry e = q->entries[i];
        if (before(&upto, &e))
            continue;
        if (i != front) {
            put(q, i, q->entries[front]);
            put(q, front, e);
        }
        front++;
    }
    *early = front;
    *seen = i;
}

/* Room for one more region. What is being divided is not joined with what is behind it. */
static void make_room(evl_timer_queue *q) {
    if (q->last + 1 == EVL_TIMER_REGIONS)
        join_region(q, q->dividing >= q->last - 1 ? 1 : q->last - 1);
}

/* Divides a region at once: its earliest part, about one in `share`, becomes a region of its own. */
static void divide_now(evl_timer_queue *q, uint32_t region, uint32_t share) {
    make_room(q);
    entry upto = sample(q, region, share);
    uint32_t early = begin_of(q, region), seen = early;
    divide(q, &early, &seen, q->end[region], upto);
    insert_region(q, region, early, upto);
}

/* Begins to divide a region bit by bit. It is three now: what is early, what is late, both empty at first,
 * and what was not looked at. Nothing new belongs into the third, as it ends no later than the second. */
static void begin_division(evl_timer_queue *q, uint32_t region) {
    uint32_t begin = begin_of(q, region);
    insert_region(q, region, begin, sample(q, region, SHARE));
    insert_region(q, region + 1, begin, q->upto[region + 1]);
    q->dividing = region + 2;
}

static void go_on_dividing(evl_timer_queue *q, uint32_t steps) {
    uint32_t early = q->dividing - 2, late = q->dividing - 1, left = size_of(q, q->dividing);
    divide(q, &q->end[early], &q->end[late], q->end[late] + (left < steps ? left : steps), q->upto[early]);
    if (left <= steps) {
        q->dividing = 0;
        join_region(q, late);
    }
}

/* Begins to divide a large region when what is in front of it will soon be used up. */
static void look_ahead(evl_timer_queue *q) {
    for (uint32_t region = 1; q->dividing == 0 && region <= 2 && region <= q->last; region++) {
        uint32_t in_front = begin_of(q, region) - ROOT, size = size_of(q, region);
        if (size >= DIVIDE_AHEAD && size / 64 > in_front && q->last + 4 < EVL_TIMER_REGIONS)
            begin_division(q, region);
    }
}

/* So many entries with each operation that it is over before those in front are used up. */
static EVL_APART void divide_some(evl_timer_queue *q) {
    uint32_t in_front = begin_of(q, q->dividing - 2) - ROOT;
    go_on_dividing(q, 64 + 4 * (size_of(q, q->dividing) / (in_front + 1)));
    look_ahead(q);
}

/* What every operation ends with. */
static inline void work_ahead(evl_timer_queue *q) {
    if (EVL_UNLIKELY(q->dividing != 0))
        divide_some(q);
}

/* Makes the first region a part of the heap, which is empty. The last region stays, and keeps what is later
 * than all there is. */
static void take_first_region(evl_timer_queue *q) {
    if (q->last > 1) {
        join_region(q, 0);
        return;
    }
    entry latest = q->entries[ROOT];
    for (uint32_t i = ROOT + 1; i < q->end[1]; i++)
        latest = before(&latest, &q->entries[i]) ? q->entries[i] : latest;
    q->end[0] = q->end[1];
    q->upto[0] = latest;
}

/* The heap is empty: gives it what comes next. */
static void refill(evl_timer_queue *q) {
    while (evl_tq_heap_is_empty(q)) {
        if (q->dividing == 3)
            go_on_dividing(q, UINT32_MAX); /* before that the first region is not complete */
        for (uint32_t size; (size = size_of(q, 1)) > HEAP_SIZE;)
            divide_now(q, 1, size / HEAP_SIZE < SHARE ? size / HEAP_SIZE + 1 : SHARE);
        take_first_region(q);
    }
    heapify(q);
    look_ahead(q);
}

int64_t evl_tq_settle(evl_timer_queue *q) {
    refill(q);
    return q->entries[ROOT].deadline;
}

/* The heap has become large: its later part becomes a region. */
static EVL_APART void split_heap(evl_timer_queue *q) {
    divide_now(q, 0, SHARE);
    heapify(q);
}

/* --- starting and stopping -------------------------------------------------------------------- */

/* The order numbers have run out, after 2^36 starts: number all afresh from 1. Sorting is the heap's, at the
 * back of its own array; what is sorted is a heap, or any other region. */
static EVL_COLD void renumber(evl_timer_queue *q) {
    uint32_t end = q->end[q->last], count = end - ROOT;
    reset(q);
    q->end[0] = end;
    heapify(q);
    while (!evl_tq_heap_is_empty(q)) {
        entry first = q->entries[ROOT];
        lift(q, ROOT, 0);
        q->entries[q->end[0]] = first;
    }
    for (uint32_t low = ROOT, high = end - 1; low < high; low++, high--) {
        entry e = q->entries[low];
        q->entries[low] = q->entries[high];
        q->entries[high] = e;
    }
    q->next_order = 1;
    for (uint32_t i = ROOT; i < end; i++) {
        entry e = q->entries[i];
        put(q, i, (entry){e.deadline, q->next_order++ << EVL_TIMER_SLOT_BITS | evl_timer_slot(&e)});
    }
    q->end[0] = count < HEAP_SIZE ? end : ROOT + HEAP_SIZE;
    q->end[1] = end;
    if (count > 0)
        q->upto[0] = q->entries[q->end[0] - 1];
    heapify(q);
}

/* There is a hole behind region `from`; the entry belongs into region `to`. */
static inline void add(evl_timer_queue *q, uint32_t from, uint32_t to, entry e) {
    uint32_t hole;
    if (to <= from)
        hole = hole_to_front(q, from, to);
    else {
        hole = hole_to_back(q, from, to);
        q->end[to]++;
    }
    if (to == 0)
        sift_up(q, hole, e);
    else
        put(q, hole, e);
}

void evl_tq_start(evl_timer_queue *q, uint32_t slot, int64_t deadline) {
    if (EVL_UNLIKELY(q->next_order == EVL_TIMER_ORDER_MAX))
        renumber(q);
    entry e = {deadline, q->next_order++ << EVL_TIMER_SLOT_BITS | slot};
    uint32_t place = q->places[slot], to = region_for(q, &e);
    if (place == 0) {
        add(q, q->last, to, e);
        if (EVL_UNLIKELY(q->end[q->last] % LOOK_EVERY == 0))
            look_ahead(q); /* a region may have become large */
    } else {
        uint32_t from = region_at(q, place);
        if (from != to) {
            lift(q, place, from);
            add(q, from, to, e);
        } else if (to == 0)
            sift(q, place, e);
        else
            q->entries[place] = e;
    }
    if (EVL_UNLIKELY(q->end[0] - ROOT > q->heap_max))
        split_heap(q);
    work_ahead(q);
}

static void take_out(evl_timer_queue *q, uint32_t place) {
    uint32_t region = region_at(q, place);
    q->places[evl_timer_slot(&q->entries[place])] = 0;
    lift(q, place, region);
    (void)hole_to_back(q, region, q->last);
    if (EVL_UNLIKELY(evl_tq_is_empty(q)))
        reset(q);
    else
        work_ahead(q);
}

void evl_tq_stop(evl_timer_queue *q, uint32_t slot) {
    if (q->places[slot] != 0)
        take_out(q, q->places[slot]);
}

evl_timer_entry evl_tq_pop(evl_timer_queue *q) {
    entry first = q->entries[ROOT];
    take_out(q, ROOT);
    return first;
}

/* --- memory ----------------------------------------------------------------------------------- */

void evl_tq_init(evl_timer_queue *q) {
    memset(q, 0, sizeof *q);
    q->next_order = 1;
    reset(q);
}

static size_t block_size(uint32_t cap) { return cap ? (size_t)(ROOT + cap) * sizeof(entry) + LINE : 0; }

void evl_tq_free(evl_timer_queue *q, evl_mem *mem) {
    evl_mem_free(mem, q->block, block_size(q->cap));
    evl_mem_free(mem, q->places, (size_t)q->places_cap * sizeof *q->places);
    evl_tq_init(q);
}

/* What is moved to another block may lie differently in it. */
static int resize(evl_timer_queue *q, evl_mem *mem, uint32_t cap) {
    size_t offset = q->block ? (size_t)((char *)q->entries - (char *)q->block) : 0;
    char *block = evl_mem_resize(mem, q->block, block_size(q->cap), block_size(cap));
    if (!block)
        return EVL_ENOMEM;
    q->entries = (entry *)(void *)(block + (LINE - (uintptr_t)block % LINE) % LINE);
    if ((char *)q->entries != block + offset)
        memmove(q->entries, block + offset, q->end[q->last] * sizeof(entry));
    q->block = block;
    q->cap = cap;
    return 0;
}

int evl_tq_reserve(evl_timer_queue *q, evl_mem *mem, uint32_t timers, uint32_t slots) {
    if (EVL_UNLIKELY(timers > q->cap) && resize(q, mem, timers > q->cap * 2 ? timers + 28 : q->cap * 2) != 0)
        return EVL_ENOMEM;
    return evl_mem_reserve(mem, (void **)&q->places, &q->places_cap, slots, sizeof *q->places);
}

void evl_tq_trim(evl_timer_queue *q, evl_mem *mem, uint32_t timers) {
    if (EVL_UNLIKELY(timers < q->cap / 4 && q->cap >= TRIM_MIN))
        (void)resize(q, mem, q->cap / 2);
}
