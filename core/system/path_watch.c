/* path_watch.c - the watches of a path: its directory, the file itself, and the directory that a symbolic
 * link leads to. */
#include "../loop/handle.h"
#include "../loop/loop.h"
#include "path.h"

#include <string.h>

#if EVL_HAVE_PATHS

/* --- watches ---------------------------------------------------------------------------------- */

static bool is_used(const evl_paths *paths, int number) {
    const evl_link *bucket = evl_paths_bucket(paths, number);
    for (const evl_link *link = bucket->next; link != bucket; link = link->next)
        if (EVL_OWNER(link, evl_path_watch, link)->number == number)
            return true;
    return false;
}

static void insert_watch(evl_paths *paths, evl_path_watch *watch, int number) {
    watch->number = number;
    if (number >= 0)
        evl_list_append(evl_paths_bucket(paths, number), &watch->link);
}

/* Changes the number of a watch; -1: none. The old one is removed if no path uses it any more. */
static void set_watch(evl_watched *p, evl_path_watch *watch, int number) {
    evl_paths *paths = evl_paths_of(p);
    int old = watch->number;
    if (old == number)
        return;
    evl_list_unlink(&watch->link);
    insert_watch(paths, watch, number);
    if (old >= 0 && !is_used(paths, old))
        paths->system->remove(paths, old);
}

void evl_path_drop(evl_watched *p, evl_path_watch *watch) { set_watch(p, watch, -1); }

void evl_paths_grow(evl_paths *paths) {
    uint32_t cap = paths->mask + 1;
    if (paths->count <= cap)
        return;
    evl_link *more = evl_mem_resize(paths->mem, NULL, 0, (size_t)cap * 4 * sizeof *more);
    if (!more)
        return;
    evl_link *old = paths->buckets;
    paths->buckets = more;
    paths->mask = cap * 4 - 1;
    for (uint32_t i = 0; i <= paths->mask; i++)
        evl_list_init(&more[i]);
    for (uint32_t i = 0; i < cap; i++)
        while (!evl_list_empty(&old[i])) {
            evl_path_watch *watch = EVL_OWNER(evl_list_shift(&old[i]), evl_path_watch, link);
            insert_watch(paths, watch, watch->number);
        }
    if (old != &paths->one)
        evl_mem_free(paths->mem, old, cap * sizeof *old);
}

void evl_paths_free_buckets(evl_paths *paths) {
    if (paths->buckets != &paths->one)
        evl_mem_free(paths->mem, paths->buckets, (paths->mask + (size_t)1) * sizeof *paths->buckets);
}

/* Watches the directory of `text`, whose last part begins at `name`. */
static int add_directory(evl_watched *p, char *text, char *name, evl_path_watch *watch) {
    evl_paths *paths = evl_paths_of(p);
    char first = name[0];
    int fresh = -1;
    name[0] = '\0';
    int rc = paths->system->add(paths, text[0] ? text : ".", true, &fresh);
    name[0] = first;
    set_watch(p, watch, rc == 0 ? fresh : -1);
    return rc;
}

/* --- symbolic links --------------------------------------------------------------------------- */

#    define LINK_TEXT 4096
#    define LINKS_MAX 40

static char *last_part(char *text) {
    char *slash = strrchr(text, '/');
    return slash ? slash + 1 : text;
}

/* Replaces the path of a symbolic link by its target. False: it is no link, or the target is too long. */
static bool resolve_one(char *at) {
    char link[LINK_TEXT];
    ssize_t n = evl_sys.readlink(at, link, sizeof link - 1);
    if (n <= 0)
        return false;
    while (n > 1 && link[n - 1] == '/')
        n--;
    size_t before = link[0] == '/' ? 0 : (size_t)(last_part(at) - at);
    if (before + (size_t)n >= LINK_TEXT)
        return false;
    memcpy(at + before, link, (size_t)n);
    at[before + (size_t)n] = '\0';
    return true;
}

static int keep_target(evl_watched *p, const char *name) {
    size_t size = strlen(name) + 1;
    char *target = evl_mem_resize(&p->base.loop->mem, p->target, p->target_size, size);
    if (!target)
        return EVL_ENOMEM;
    memcpy(target, name, size);
    p->target = target;
    p->target_size = size;
    return 0;
}

static void forget_target(evl_watched *p) {
    evl_path_drop(p, &p->target_directory);
    evl_mem_free(&p->base.loop->mem, p->target, p->target_size);
    p->target = NULL;
    p->target_size = 0;
}

/* The target of a symbolic link is in another directory, which needs a watch of its own. */
int evl_path_follow(evl_watched *p) {
    char at[LINK_TEXT];
    int links = 0;
    if (p->size > sizeof at || !p->name)
        return 0;
    memcpy(at, p->text, p->size);
    while (links < LINKS_MAX && resolve_one(at))
        links++;
    char *name = last_part(at);
    if (links == 0 || links == LINKS_MAX || name[0] == '\0') {
        forget_target(p);
        return 0;
    }
    int rc = keep_target(p, name);
    if (rc == 0)
        rc = add_directory(p, at, name, &p->target_directory);
    return rc == EVL_ENOENT || rc == EVL_ENOTDIR ? 0 : rc;
}

/* --- watching --------------------------------------------------------------------------------- */

int evl_path_watch_itself(evl_watched *p) {
    evl_paths *paths = evl_paths_of(p);
    int fresh = -1, rc = evl_path_follow(p);
    if (rc == 0)
        rc = paths->system->add(paths, p->text, false, &fresh);
    set_watch(p, &p->itself, rc == 0 ? fresh : -1);
    return rc == EVL_ENOENT && p->name ? 0 : rc;
}

static int watch_directory(evl_watched *p) {
    return p->name ? add_directory(p, p->text, p->text + (p->name - p->text), &p->directory) : 0;
}

int evl_path_watch_start(evl_watched *p) {
    int rc = watch_directory(p);
    return rc != 0 ? rc : evl_path_watch_itself(p);
}

void evl_path_watch_stop(evl_watched *p) {
    evl_path_drop(p, &p->directory);
    evl_path_drop(p, &p->itself);
    evl_path_drop(p, &p->target_directory);
}

void evl_path_watch_void(evl_watched *p) {
    evl_path_watch *all[] = {&p->directory, &p->itself, &p->target_directory};
    for (int i = 0; i < 3; i++) {
        evl_list_unlink(&all[i]->link);
        all[i]->number = -1;
    }
}

void evl_path_watch_init(evl_watched *p) {
    evl_path_watch *all[] = {&p->directory, &p->itself, &p->target_directory};
    for (int i = 0; i < 3; i++)
        *all[i] = (evl_path_watch){.path = p, .number = -1};
}

#else
typedef int evl_no_path_watches; /* a translation unit may not be empty */
#endif
