/* run.h - the machinery around the styles: servers, measuring, choosing texts, printing. */
#ifndef LADDER_RUN_H
#define LADDER_RUN_H

#include "ladder.h"
#include <stdio.h>
#include <sys/types.h>

/* --- source.c ----------------------------------------------------------------------------------------------
 */

/* Gives each source a tally in shared memory. 0 or a negative errno. */
int tallies_new(source *sources, int count);
void tallies_reset(source *sources, int count);
uint64_t source_got(const source *s);
uint64_t source_reads(const source *s);

/* NULL when every byte has come and was right, else what is wrong, in `buf`. */
const char *source_problem(const source *s, char *buf, size_t size);

/* --- texts.c: which texts ---------------------------------------------------------------------------------
 */

/* Fills in path, data and size of `count` sources: the files named, in turn, or texts of comparable size
 * found below `dir`. 0, or -1 after saying why on stderr. */
int texts_load(source *sources, int count, char **files, int file_count, const char *dir);
void texts_free(source *sources, int count);

/* --- servers.c: a slow server for each source, in a process of its own -------------------------------------
 */

typedef struct servers {
    pid_t *pids;
    int count;
    int alive; /* the write end of a pipe: when the last copy of it is gone, the servers go */
} servers;

/* Each tick of tick_ms a server sends tick_bytes. Fills in the ports. 0 or a negative errno. */
int servers_start(servers *v, source *sources, int count, int tick_ms, size_t tick_bytes);
void servers_stop(servers *v);

/* --- measure.c: one style, in a process of its own
 * ---------------------------------------------------------- */

typedef struct row {
    char name[32];
    const char *note;
    double wall, cpu; /* seconds; cpu: user and system, the style's own processes included */
    uint64_t reads, waits, switches, bytes;
    char problem[256]; /* "": it ran, and every byte was right */
} row;

/* From here on SIGINT and its like end a measurement instead of the program; measure_interrupted tells. */
void measure_begin(void);
int measure_interrupted(void);

typedef void progress_fn(const job *j, const row *r, double seconds);

/* Fills in the row. `limit` is in seconds; a style that takes longer is ended and has failed. `progress` is
 * called some twenty times a second meanwhile, or is NULL. */
void measure(const style *st, job *j, const servers *v, double limit, row *r, progress_fn *progress);

/* --- report.c ----------------------------------------------------------------------------------------------
 */

progress_fn report_progress;    /* one line of a terminal, written over and over */
void report_done(const row *r); /* what stays of it */
void report_table(const row *rows, int count);

#endif
