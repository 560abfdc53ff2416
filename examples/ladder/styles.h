/* styles.h - the rows of the ladder, in order. A new row is one file with its function, and one line here:
 *
 *     STYLE(function, name, per backend, note) */
STYLE(style_blocking, "blocking", 0, "one source after another, each read waits")
STYLE(style_processes, "processes", 0, "a process for each source, blocking")
STYLE(style_threads, "threads", 0, "a thread for each source, blocking")
STYLE(style_spinning, "spinning", 0, "one thread asks every socket again and again")
STYLE(style_select, "select", 0, "one thread, raw select()")
#ifdef __linux__
STYLE(style_epoll, "epoll", 0, "one thread, raw epoll")
#endif
STYLE(style_evloop, "evloop", 1, "one thread, callbacks on an evloop, on each backend it has")
STYLE(style_futures, "futures", 1, "one thread, futures on an evloop, on each backend it has")
STYLE(style_streams, "streams", 1, "one thread, streams of an evloop, on each backend it has")
STYLE(style_coroutines, "coroutines", 1, "one thread, coroutines on an evloop, on each backend it has")
