/* measure.c - runs one style in a process of its own, so that its times are its own, and so that one that
 * hangs or crashes is one row that has failed. */
#define _DEFAULT_SOURCE
#include "run.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#    include <sys/prctl.h>
#endif

/* What the style's process tells, in shared memory. */
typedef struct outcome {
    int finished, rc;
    double wall, cpu;
    uint64_t waits, switches;
} outcome;

static volatile sig_atomic_t interrupted;
static sigset_t caught, before;

static void on_signal(int signo) {
    (void)signo;
    interrupted = 1;
}

/* They are blocked except during the wait below, so that none is missed just before it. */
void measure_begin(void) {
    struct sigaction action = {.sa_handler = on_signal};
    const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    sigemptyset(&caught);
    for (int i = 0; i < 3; i++) {
        sigaddset(&caught, signals[i]);
        sigaction(signals[i], &action, NULL);
    }
    sigprocmask(SIG_BLOCK, &caught, &before);
#ifdef __linux__
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* so that processes whose style has been ended are ours to reap */
#endif
}

int measure_interrupted(void) { return interrupted; }

static double seconds_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this process and of its children that have ended and been waited for. */
static double cpu_now(uint64_t *switches) {
    struct rusage use[2];
    double sum = 0;
    *switches = 0;
    getrusage(RUSAGE_SELF, &use[0]);
    getrusage(RUSAGE_CHILDREN, &use[1]);
    for (int i = 0; i < 2; i++) {
        sum += (double)(use[i].ru_utime.tv_sec + use[i].ru_stime.tv_sec);
        sum += (double)(use[i].ru_utime.tv_usec + use[i].ru_stime.tv_usec) / 1e6;
        *switches += (uint64_t)use[i].ru_nvcsw;
    }
    return sum;
}

static void style_main(const style *st, job *j, outcome *o) {
    uint64_t switches;
    j->waits = 0;
    double cpu = cpu_now(&switches), wall = seconds_now();
    o->rc = st->fn(j);
    o->wall = seconds_now() - wall;
    o->cpu = cpu_now(&o->switches) - cpu;
    o->switches -= switches;
    o->waits = j->waits;
    o->finished = 1;
    _exit(0);
}

/* The process group is for ending a style with all its processes. `ends`: a pipe that closes when the last is
 * gone.*/
static pid_t start(const style *st, job *j, const servers *v, outcome *o, int ends[2]) {
    fflush(NULL);
    const pid_t ladder = getpid();
    pid_t pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
#ifdef __linux__
        /* If the ladder is killed its servers end, and their connections with them. But not one that was half
         * made: the kernel forgets it, and who waits at its other end waits for ever. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != ladder)
            _exit(1);
#else
        (void)ladder;
#endif
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        close(v->alive); /* the servers follow the ladder, not the style */
        close(ends[0]);
        style_main(st, j, o);
    }
    if (pid > 0)
        setpgid(pid, pid); /* both do it, whoever is first */
    return pid;
}

/* Until the style is over. NULL, or why it was ended. */
static const char *watch(const job *j, const row *r, pid_t pid, int ended, double limit,
                         progress_fn *progress) {
    const double began = seconds_now();
    for (;;) {
        double spent = seconds_now() - began;
        struct timespec turn = {.tv_nsec = progress != NULL ? 50000000 : 500000000};
        fd_set set;
        if (interrupted || spent > limit) {
            kill(-pid, SIGKILL);
            return interrupted ? "was interrupted" : "took too long and was ended";
        }
        if (progress != NULL)
            progress(j, r, spent);
        FD_ZERO(&set);
        FD_SET(ended, &set);
        if (pselect(ended + 1, &set, NULL, NULL, &turn, &before) > 0)
            return NULL;
    }
}

/* Also the style's own processes, if it could not do that itself: on Linux they are ours when it has gone. */
static int reap(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    while (waitpid(-pid, NULL, 0) > 0 || errno == EINTR)
        ;
    return status;
}

static void judge(const job *j, const outcome *o, const char *ended, int status, row *r) {
    char text[sizeof r->problem];
    if (ended != NULL)
        snprintf(r->problem, sizeof r->problem, "%s", ended);
    else if (WIFSIGNALED(status))
        snprintf(r->problem, sizeof r->problem, "died of signal %d", WTERMSIG(status));
    else if (!o->finished)
        snprintf(r->problem, sizeof r->problem, "left with status %d", WEXITSTATUS(status));
    else if (o->rc < 0)
        snprintf(r->problem, sizeof r->problem, "cannot run: %s", strerror(-o->rc));
    r->wall = o->wall;
    r->cpu = o->cpu;
    r->waits = o->waits;
    r->switches = o->switches;
    for (int i = 0; i < j->count; i++) {
        const char *problem = source_problem(&j->sources[i], text, sizeof text);
        r->bytes += source_got(&j->sources[i]);
        r->reads += source_reads(&j->sources[i]);
        if (problem != NULL && r->problem[0] == 0)
            memcpy(r->problem, text, sizeof text);
    }
}

void measure(const style *st, job *j, const servers *v, double limit, row *r, progress_fn *progress) {
    int ends[2] = {-1, -1}, status;
    outcome *o = mmap(NULL, sizeof *o, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = -1;
    *r = (row){.note = st->note};
    snprintf(r->name, sizeof r->name, "%s%s%s", st->name, j->backend != NULL ? "/" : "",
             j->backend != NULL ? j->backend : "");
    tallies_reset(j->sources, j->count);
    if (o != MAP_FAILED && pipe(ends) == 0)
        pid = start(st, j, v, o, ends);
    if (pid < 0) {
        snprintf(r->problem, sizeof r->problem, "cannot be started: %s", strerror(errno));
    } else {
        close(ends[1]);
        const char *ended = watch(j, r, pid, ends[0], limit, progress);
        status = reap(pid);
        judge(j, o, ended, status, r);
        ends[1] = -1;
    }
    for (int i = 0; i < 2; i++)
        if (ends[i] >= 0)
            close(ends[i]);
    if (o != MAP_FAILED)
        munmap(o, sizeof *o);
}
