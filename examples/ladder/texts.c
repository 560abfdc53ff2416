/* texts.c - which texts are served: the files named, or the repository's own. */
#define _POSIX_C_SOURCE 200809L
#include "run.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const places[] = {".",
                                     "docs",
                                     "include",
                                     "include/evloop",
                                     "core",
                                     "core/backend",
                                     "examples",
                                     "examples/crawl",
                                     "examples/ladder",
                                     NULL};
static const char *const endings[] = {".md", ".h", ".c", NULL};

enum { MAX_TEXTS = 512, MIN_SIZE = 2048 }; /* smaller ones would be done in a few bytes a tick */

typedef struct text {
    char *path;
    size_t size;
} text;

static int is_text(const char *name) {
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot != NULL && endings[i] != NULL; i++)
        if (strcmp(dot, endings[i]) == 0)
            return 1;
    return 0;
}

/* Adds the texts of one directory; answers how many there are now. A directory that is not there has none. */
static int find_in(const char *dir, const char *place, text *texts, int count) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, place);
    DIR *d = opendir(path);
    struct dirent *e;
    while (d != NULL && count < MAX_TEXTS && (e = readdir(d)) != NULL) {
        struct stat st;
        if (strcmp(place, ".") == 0)
            snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        else
            snprintf(path, sizeof path, "%s/%s/%s", dir, place, e->d_name);
        if (is_text(e->d_name) && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size >= MIN_SIZE) {
            texts[count].size = (size_t)st.st_size;
            texts[count].path = strdup(path);
            count += texts[count].path != NULL;
        }
    }
    if (d != NULL)
        closedir(d);
    return count;
}

static int by_size(const void *a, const void *b) {
    const text *x = a, *y = b;
    return x->size != y->size ? (x->size < y->size ? 1 : -1) : strcmp(x->path, y->path);
}

/* Where in the texts, largest first, `want` of them begin that are of comparable size: the largest such if
 * the last of them has at least 4/5 of the first, or else 3/4, 2/3, and so on. */
static int choose(const text *texts, int count, int want) {
    for (size_t part = 4; part >= 1; part--)
        for (int first = 0; first + want <= count; first++)
            if (texts[first + want - 1].size * (part + 1) >= texts[first].size * part)
                return first;
    return 0;
}

static int load(source *s, const char *path) {
    FILE *file = fopen(path, "rb");
    long size = file != NULL && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *data = size > 0 && fseek(file, 0, SEEK_SET) == 0 ? malloc((size_t)size) : NULL;
    int whole = data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size;
    if (!whole)
        fprintf(stderr, "ladder: %s: %s\n", path, size == 0 ? "there is nothing in it" : strerror(errno));
    if (file != NULL)
        fclose(file);
    *s = (source){.path = strdup(path), .data = data, .size = (size_t)size};
    return whole && s->path != NULL ? 0 : -1;
}

static int load_found(source *sources, int want, const char *dir) {
    text *texts = calloc(MAX_TEXTS, sizeof *texts);
    int count = 0, rc = 0;
    for (int i = 0; texts != NULL && places[i] != NULL; i++)
        count = find_in(dir, places[i], texts, count);
    if (count == 0) {
        fprintf(stderr, "ladder: no texts in %s: name some files\n", dir);
        rc = -1;
    } else {
        qsort(texts, (size_t)count, sizeof *texts, by_size);
        int first = choose(texts, count, want);
        for (int i = 0; i < want && rc == 0; i++)
            rc = load(&sources[i], texts[(first + i) % count].path);
    }
    for (int i = 0; i < count; i++)
        free(texts[i].path);
    free(texts);
    return rc;
}

int texts_load(source *sources, int count, char **files, int file_count, const char *dir) {
    int rc = 0;
    if (file_count == 0)
        return load_found(sources, count, dir);
    for (int i = 0; i < count && rc == 0; i++)
        rc = load(&sources[i], files[i % file_count]);
    return rc;
}

void texts_free(source *sources, int count) {
    for (int i = 0; i < count; i++) {
        free((char *)sources[i].path);
        free((char *)sources[i].data);
    }
}
