/* pipeline.c - children connected by pipes, as a shell does it.
 *     pipeline [-v] [-t SECONDS] "COMMAND WORD..." ...
 *
 * Each argument is a command, cut at its blanks; there is no shell. The first reads this program's standard
 * input, the last writes its standard output. -v tells how each of them ended, -t ends them when the time is
 * up; SIGINT and SIGTERM are passed on. The exit status is the last command's, 128 + the signal that ended
 * it, or 127 if one could not be started. */
#define _POSIX_C_SOURCE 200809L
#include <evloop.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS 64

typedef struct stage {
    char *words[WORDS + 1];
    evl_process *process;
} stage;

static evl_loop *loop;
static stage *stages;
static int count, verbose;

static void check(int32_t rc, const char *what) {
    if (rc < 0) {
        fprintf(stderr, "pipeline: %s: %s\n", what, evl_strerror(rc));
        exit(127);
    }
}

static void usage(void) {
    fprintf(stderr, "usage: pipeline [-v] [-t SECONDS] COMMAND...\n");
    exit(2);
}

static void cut(stage *s, char *command) {
    int n = 0;
    for (char *word = strtok(command, " \t"); word; word = strtok(NULL, " \t")) {
        if (n == WORDS)
            usage();
        s->words[n++] = word;
    }
    if (n == 0)
        usage();
}

/* To whoever still runs; one that has ended is no error. */
static void signal_all(int signo) {
    for (int i = 0; i < count; i++)
        if (stages[i].process)
            (void)evl_process_kill(stages[i].process, signo);
}

static void on_signal(void *arg, int64_t deliveries) {
    (void)deliveries;
    signal_all(*(const int *)arg);
}

static void on_timeout(void *arg, int64_t expirations) {
    (void)arg;
    (void)expirations;
    fprintf(stderr, "pipeline: the time is up\n");
    signal_all(SIGTERM);
}

static void on_end(void *arg, int64_t status) {
    stage *s = arg;
    int signo = evl_process_signal(s->process);
    if (!verbose)
        return;
    if (signo > 0)
        fprintf(stderr, "%s: signal %d\n", s->words[0], signo);
    else
        fprintf(stderr, "%s: exit %d\n", s->words[0], (int)status);
}

/* Its standard input is `in`, its standard output `out`; both are closed here when the child has them. */
static int32_t start(stage *s, int in, int out) {
    evl_stdio stdio[] = {{EVL_STDIO_FD, in}, {EVL_STDIO_FD, out}, {EVL_STDIO_INHERIT, 0}};
    evl_process_options options = {.struct_size = sizeof options,
                                   .flags = EVL_PROCESS_KILL,
                                   .file = s->words[0],
                                   .args = (const char *const *)s->words,
                                   .stdio = stdio,
                                   .stdio_count = 3};
    int32_t rc = evl_process_spawn(loop, &options, on_end, s, &s->process);
    if (in != 0)
        close(in);
    if (out != 1)
        close(out);
    return rc;
}

static void start_all(void) {
    int in = 0;
    for (int i = 0; i < count; i++) {
        int fds[2] = {-1, 1};
        if (i + 1 < count) {
            if (pipe(fds) != 0) {
                perror("pipeline: pipe");
                exit(127);
            }
            fcntl(fds[0], F_SETFD, FD_CLOEXEC);
        }
        int32_t rc = start(&stages[i], in, fds[1]);
        in = fds[0];
        if (rc < 0) {
            signal_all(SIGTERM);
            check(rc, stages[i].words[0]);
        }
    }
}

static void watch(int *signo) {
    evl_signal *handle;
    check(evl_signal_new(loop, *signo, on_signal, signo, &handle), "watching a signal");
}

int main(int argc, char **argv) {
    static int interrupt = SIGINT, terminate = SIGTERM;
    double seconds = 0;
    for (int option; (option = getopt(argc, argv, "+vt:")) != -1;) {
        if (option == '?' || (option == 't' && (seconds = atof(optarg)) <= 0))
            usage();
        verbose |= option == 'v';
    }
    count = argc - optind;
    stages = count > 0 ? calloc((size_t)count, sizeof *stages) : NULL;
    if (!stages)
        usage();
    for (int i = 0; i < count; i++)
        cut(&stages[i], argv[optind + i]);
    check(evl_loop_new(&loop, NULL), "evl_loop_new");
    watch(&interrupt);
    watch(&terminate);
    start_all();
    if (seconds > 0) {
        evl_timer *timer;
        check(evl_timer_new(loop, on_timeout, NULL, &timer), "a timer");
        check(evl_timer_start_in(timer, (int64_t)(seconds * 1e9), 0), "a timer");
        evl_keep_alive(timer, 0); /* the children do */
    }
    check(evl_loop_run(loop, EVL_RUN_DEFAULT), "the loop");
    evl_process *last = stages[count - 1].process;
    int status = evl_process_signal(last) > 0 ? 128 + evl_process_signal(last) : evl_process_exit_code(last);
    evl_loop_destroy(loop);
    free(stages);
    return status;
}
