/* list.h - circular, doubly linked, intrusive lists, so that anything queued can be taken back in O(1).
 *
 * A head is a link whose neighbours are itself when the list is empty. An element that is in no list has
 * next == NULL: evl_list_remove leaves it so, and `linked` is that test. */
#ifndef EVL_CORE_LIST_H
#define EVL_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct evl_link {
    struct evl_link *next;
    struct evl_link *prev;
} evl_link;

/* The structure that has `link` as its member `member`. */
#define EVL_OWNER(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

static inline void evl_list_init(evl_link *head) {
    head->next = head;
    head->prev = head;
}

static inline bool evl_list_empty(const evl_link *head) { return head->next == head; }

static inline bool evl_linked(const evl_link *link) { return link->next != NULL; }

static inline void evl_list_insert(evl_link *before, evl_link *link) {
    evl_link *last = before->prev;
    link->next = before;
    link->prev = last;
    last->next = link;
    before->prev = link;
}

static inline void evl_list_append(evl_link *head, evl_link *link) { evl_list_insert(head, link); }

static inline void evl_list_prepend(evl_link *head, evl_link *link) { evl_list_insert(head->next, link); }

static inline void evl_list_remove(evl_link *link) {
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link->next = NULL;
}

/* Takes the first element of a list that is not empty. */
static inline evl_link *evl_list_shift(evl_link *head) {
    evl_link *link = head->next;
    head->next = link->next;
    link->next->prev = head;
    link->next = NULL;
    return link;
}

static inline void evl_list_unlink(evl_link *link) {
    if (evl_linked(link))
        evl_list_remove(link);
}

/* Moves everything in `from` to the end of `to`. */
static inline void evl_list_splice(evl_link *to, evl_link *from) {
    if (evl_list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    evl_list_init(from);
}

#endif
