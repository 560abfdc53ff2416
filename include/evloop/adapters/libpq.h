/* evloop/adapters/libpq.h - PostgreSQL by libpq: queries as futures, any number of connections on a loop.
 *
 *     static void done(void *arg, int64_t state) {
 *         evl_future *query = (evl_future *)arg;
 *         void *result;
 *         if (evl_future_pointer(query, &result) == 0 &&
 *             PQresultStatus((PGresult *)result) == PGRES_TUPLES_OK)
 *             puts(PQgetvalue((PGresult *)result, 0, 0));
 *         evl_future_unref(query);
 *     }
 *
 *     const char *values[] = {"7"};
 *     evl_pq_connect(loop, "dbname=app", NULL, &pq);
 *     // It need not be connected yet.
 *     evl_pq_query(pq, "select name from users where id = $1", 1, values, &query);
 *     evl_future_on_done(query, done, query);
 *
 * As every future (evloop/future.h) a query can be waited for with a time limit, combined with others, and
 * cancelled. Only this header: link libpq and evloop. */
#ifndef EVLOOP_ADAPTERS_LIBPQ_H
#define EVLOOP_ADAPTERS_LIBPQ_H

#include <evloop.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

/* A notification has come (LISTEN); PQfreemem(notify) frees it. evl_pq_close may be called. */
typedef void evl_pq_notify_fn(void *arg, PGnotify *notify);

/* A query that waits for its turn or for its result; the text and the values are behind it. */
typedef struct evl_pq_request {
    struct evl_pq_request *next;
    evl_future *future;
    PGresult *result;
    const char *sql;
    const char **values;
    int n;
} evl_pq_request;

/* A connection; its members are the adapter's. */
typedef struct evl_pq {
    evl_loop *loop; /* a reference: the loop may be destroyed first */
    PGconn *conn;
    evl_op step; /* of connecting: libpq may take another fd for each address */
    evl_io *io;  /* connected */
    evl_future *connected;
    evl_pq_request *first, **last; /* the first one is sent if `sent` */
    evl_pq_notify_fn *notify;
    void *notify_arg;
    int32_t error; /* why there is no connection any more */
    int sent, busy, closed;
} evl_pq;

static inline void evl_pq_clear(void *result) { PQclear((PGresult *)result); }

/* Ends the first request: with its result, or with an error. */
static inline void evl_pq_finish(evl_pq *pq, int32_t error) {
    evl_pq_request *r = pq->first;
    pq->first = r->next;
    if (!pq->first)
        pq->last = &pq->first;
    pq->sent = 0;
    if (error != 0 || evl_future_resolve_owned(r->future, r->result, evl_pq_clear) != 0) {
        PQclear(r->result);
        if (error != 0)
            (void)evl_future_fail(r->future, error);
    }
    evl_future_unref(r->future);
    free(r);
}

static inline void evl_pq_finish_connecting(evl_pq *pq, int32_t error) {
    if (!pq->connected)
        return;
    if (error != 0)
        (void)evl_future_fail(pq->connected, error);
    else
        (void)evl_future_resolve(pq->connected, 0);
    evl_future_unref(pq->connected);
    pq->connected = NULL;
}

static inline void evl_pq_lose(evl_pq *pq, int32_t error) {
    pq->error = error;
    (void)evl_op_close(&pq->step);
    (void)evl_close(pq->io);
    pq->io = NULL;
    evl_pq_finish_connecting(pq, error);
    while (pq->first)
        evl_pq_finish(pq, error);
}

/* Sends the first request of those that are still wanted. Returns 0 or an error of the connection. */
static inline int32_t evl_pq_send(evl_pq *pq) {
    while (pq->first && !pq->sent) {
        evl_pq_request *r = pq->first;
        if (evl_future_state(r->future) != EVL_FUTURE_PENDING)
            evl_pq_finish(pq, EVL_ECANCELED);
        else if (PQsendQueryParams(pq->conn, r->sql, r->n, NULL, r->values, NULL, NULL, 0))
            pq->sent = 1;
        else if (PQstatus(pq->conn) == CONNECTION_BAD)
            return EVL_ECONNRESET;
        else
            evl_pq_finish(pq, EVL_EINVAL);
    }
    return 0;
}

/* Takes the results that have come. */
static inline int32_t evl_pq_take(evl_pq *pq) {
    while (pq->sent && !PQisBusy(pq->conn)) {
        PGresult *result = PQgetResult(pq->conn);
        ExecStatusType status = result ? PQresultStatus(result) : PGRES_EMPTY_QUERY;
        if (!result) {
            evl_pq_finish(pq, pq->first->result ? 0 : EVL_ECONNRESET);
        } else {
            PQclear(pq->first->result);
            pq->first->result = result;
        }
        if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH)
            return EVL_ENOTSUP;
        if (PQstatus(pq->conn) == CONNECTION_BAD)
            return EVL_ECONNRESET;
        if (!pq->sent) {
            int32_t rc = evl_pq_send(pq);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

static inline void evl_pq_leave(evl_pq *pq) {
    if (--pq->busy == 0 && pq->closed)
        free(pq);
}

static inline void evl_pq_notified(evl_pq *pq) {
    PGnotify *notify;
    while (!pq->closed && pq->notify && (notify = PQnotifies(pq->conn)) != NULL)
        pq->notify(pq->notify_arg, notify);
}

/* What is to be done next: sends, and says what to wait for. An idle connection without a function for
 * notifications keeps no loop alive, but notices its end. */
static inline void evl_pq_go_on(evl_pq *pq) {
    int32_t rc = evl_pq_send(pq);
    int flushed = rc == 0 ? PQflush(pq->conn) : 0;
    if (rc == 0 && flushed >= 0)
        rc = evl_io_set(pq->io, (uint32_t)EVL_READ | (flushed == 1 ? (uint32_t)EVL_WRITE : 0u));
    else if (rc == 0)
        rc = EVL_ECONNRESET;
    (void)evl_keep_alive(pq->io, pq->first || pq->notify);
    if (rc != 0)
        evl_pq_lose(pq, rc);
}

static inline void evl_pq_ready(void *arg, int64_t mask) {
    evl_pq *pq = (evl_pq *)arg;
    int32_t rc = mask < 0 ? (int32_t)mask : 0;
    int alive = 1;
    if (rc == 0 && (mask & (EVL_READ | EVL_HUP | EVL_ERR)))
        alive = PQconsumeInput(pq->conn);
    if (rc == 0)
        rc = evl_pq_take(pq);
    if (rc == 0 && (!alive || PQstatus(pq->conn) == CONNECTION_BAD))
        rc = EVL_ECONNRESET;
    if (rc != 0) {
        evl_pq_lose(pq, rc);
        return;
    }
    pq->busy++;
    evl_pq_notified(pq);
    if (pq->io) /* it may be lost or closed by now */
        evl_pq_go_on(pq);
    evl_pq_leave(pq);
}

static inline void evl_pq_step(void *arg, int64_t result) {
    evl_pq *pq = (evl_pq *)arg;
    int32_t rc = result < 0 ? (int32_t)result : 0;
    PostgresPollingStatusType status = rc == 0 ? PQconnectPoll(pq->conn) : PGRES_POLLING_FAILED;
    if (rc == 0 && (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING))
        rc = evl_wait_fd(pq->loop, &pq->step, (evl_fd)PQsocket(pq->conn),
                         status == PGRES_POLLING_READING ? EVL_READ : EVL_WRITE);
    else if (rc == 0 && status != PGRES_POLLING_OK)
        rc = EVL_ECONNABORTED;
    else if (rc == 0)
        rc = PQsetnonblocking(pq->conn, 1) != 0
                 ? EVL_ECONNABORTED
                 : evl_io_new(pq->loop, (evl_fd)PQsocket(pq->conn), EVL_READ, 0, evl_pq_ready, pq, &pq->io);
    if (rc != 0) {
        evl_pq_lose(pq, rc);
    } else if (pq->io) {
        evl_pq_finish_connecting(pq, 0);
        evl_pq_go_on(pq);
    }
}

/* Ends a connection, in whatever state, also in its notification callback, and when the loop was destroyed
 * first. Queries without a result fail with EVL_ECLOSED. NULL is allowed. */
static inline void evl_pq_close(evl_pq *pq) {
    if (!pq)
        return;
    evl_pq_lose(pq, EVL_ECLOSED);
    PQfinish(pq->conn);
    evl_loop_unref(pq->loop);
    pq->closed = 1;
    pq->busy++;
    evl_pq_leave(pq);
}

/* Begins to connect with a connection string of libpq's, and stores the connection in *out. `connected` may
 * be NULL, else *connected is a future that is done when it is connected or has failed: with
 * EVL_ECONNABORTED, and evl_pq_conn for PQerrorMessage. Until then queries wait, and fail likewise.
 *
 * libpq looks names up while it begins, and blocks for that: write hostaddr where that matters. It has no
 * time limit of its own here (connect_timeout has no effect). Errors:
 * - EVL_EINVAL: a NULL pointer.
 * - EVL_ENOMEM: out of memory. */
static inline int32_t evl_pq_connect(evl_loop *loop, const char *conninfo, evl_future **connected,
                                     evl_pq **out) {
    *out = NULL;
    if (connected)
        *connected = NULL;
    if (!loop || !conninfo)
        return EVL_EINVAL;
    evl_pq *pq = (evl_pq *)calloc(1, sizeof *pq);
    if (!pq)
        return EVL_ENOMEM;
    pq->loop = evl_loop_ref(loop);
    pq->last = &pq->first;
    (void)evl_op_init(&pq->step, evl_pq_step, pq, 0);
    pq->conn = PQconnectStart(conninfo);
    int32_t rc = pq->conn ? 0 : EVL_ENOMEM;
    if (rc == 0 && connected)
        rc = evl_future_new(loop, connected);
    if (rc == 0 && PQsocket(pq->conn) < 0)
        rc = evl_defer(loop, &pq->step); /* it has failed already */
    else if (rc == 0)
        rc = evl_wait_fd(loop, &pq->step, (evl_fd)PQsocket(pq->conn), EVL_WRITE);
    if (rc != 0) {
        if (connected) {
            evl_future_unref(*connected);
            *connected = NULL;
        }
        evl_pq_close(pq);
        return rc;
    }
    if (connected)
        pq->connected = evl_future_ref(*connected);
    *out = pq;
    return 0;
}

/* Returns libpq's connection, for PQerrorMessage, PQserverVersion and the like; it stays the adapter's. */
static inline PGconn *evl_pq_conn(const evl_pq *pq) { return pq->conn; }

static inline const char *evl_pq_copy(char **end, const char *text) {
    if (!text)
        return NULL;
    size_t size = strlen(text) + 1;
    char *copy = (char *)memcpy(*end, text, size);
    *end += size;
    return copy;
}

/* Sends one command, behind those that were given before: as PQsendQueryParams with values in text. The text
 * and the values are copied. The future's value is the PGresult, which is the future's (evl_future_pointer)
 * or the caller's (evl_future_take); that the command failed is in PQresultStatus. The future fails with
 * EVL_ECONNRESET when the connection ends first, EVL_ECLOSED by evl_pq_close, EVL_EINVAL when libpq refuses
 * the command, and EVL_ENOTSUP for COPY, which ends the connection.
 *
 * Cancelling the future takes a command back that was not sent; one that was sent goes on and its result is
 * dropped. Errors:
 * - EVL_EINVAL: sql is NULL, or n is out of range.
 * - EVL_ECONNABORTED, EVL_ECONNRESET and others: the connection has ended with this.
 * - EVL_ENOMEM: out of memory. */
static inline int32_t evl_pq_query(evl_pq *pq, const char *sql, int n, const char *const *values,
                                   evl_future **out) {
    *out = NULL;
    if (!sql || n < 0 || n > 65535 || (n > 0 && !values))
        return EVL_EINVAL;
    if (pq->error != 0)
        return pq->error;
    size_t size = sizeof(evl_pq_request) + (size_t)n * sizeof(char *) + strlen(sql) + 1;
    for (int i = 0; i < n; i++)
        size += values[i] ? strlen(values[i]) + 1 : 0;
    evl_pq_request *r = (evl_pq_request *)malloc(size);
    if (!r)
        return EVL_ENOMEM;
    int32_t rc = evl_future_new(pq->loop, &r->future);
    if (rc != 0) {
        free(r);
        return rc;
    }
    r->next = NULL;
    r->result = NULL;
    r->n = n;
    r->values = (const char **)(r + 1);
    char *end = (char *)(r->values + n);
    r->sql = evl_pq_copy(&end, sql);
    for (int i = 0; i < n; i++)
        r->values[i] = evl_pq_copy(&end, values[i]);
    *out = evl_future_ref(r->future);
    *pq->last = r;
    pq->last = &r->next;
    if (pq->io && !pq->sent && !pq->busy)
        evl_pq_go_on(pq);
    return 0;
}

/* Calls fn(arg, notify) for what comes by LISTEN, and keeps the loop alive for it; fn NULL ends that. */
static inline void evl_pq_on_notify(evl_pq *pq, evl_pq_notify_fn *fn, void *arg) {
    pq->notify = fn;
    pq->notify_arg = arg;
    if (pq->io)
        (void)evl_keep_alive(pq->io, pq->first || fn);
}

#endif
