/* sys/event.h - a kqueue for Linux, for evloop's tests. The names are those of the BSDs; the values too,
 * where a program could see them. fake_kqueue.c says what works. */
#ifndef FAKE_KQUEUE_SYS_EVENT_H
#define FAKE_KQUEUE_SYS_EVENT_H

#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kevent {
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned int fflags;
    int64_t data;
    void *udata;
};

#define EV_SET(event, id, filt, flag, fflag, value, user)                                                    \
    (*(event) = (struct kevent){(id), (filt), (unsigned short)(flag), (fflag), (value), (user)})

#define EVFILT_READ   (-1)
#define EVFILT_WRITE  (-2)
#define EVFILT_VNODE  (-4)
#define EVFILT_PROC   (-5)
#define EVFILT_SIGNAL (-6)
#define EVFILT_TIMER  (-7)
#define EVFILT_USER   (-11)
#define EVFILT_EXCEPT (-15)

#define EV_ADD      0x0001
#define EV_DELETE   0x0002
#define EV_ENABLE   0x0004
#define EV_DISABLE  0x0008
#define EV_ONESHOT  0x0010
#define EV_CLEAR    0x0020
#define EV_RECEIPT  0x0040
#define EV_DISPATCH 0x0080
#define EV_ERROR    0x4000
#define EV_EOF      0x8000

#define NOTE_TRIGGER  0x01000000u /* USER */
#define NOTE_OOB      0x00000002u /* EXCEPT */
#define NOTE_EXIT     0x80000000u /* PROC */
#define NOTE_SECONDS  0x00000001u /* TIMER; milliseconds without any of them */
#define NOTE_MSECONDS 0x00000002u
#define NOTE_USECONDS 0x00000004u
#define NOTE_NSECONDS 0x00000008u
#define NOTE_ABSOLUTE 0x00000010u
#define NOTE_DELETE   0x00000001u /* VNODE */
#define NOTE_WRITE    0x00000002u
#define NOTE_EXTEND   0x00000004u
#define NOTE_ATTRIB   0x00000008u
#define NOTE_LINK     0x00000010u
#define NOTE_RENAME   0x00000020u
#define NOTE_REVOKE   0x00000040u

int kqueue(void);
int kevent(int kq, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout);

#ifdef __cplusplus
}
#endif
#endif
