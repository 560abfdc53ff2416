/* blocking.c - one source after another. While one is slow, nobody listens to the others. */
#include "ladder.h"

int style_blocking(job *j) {
    for (int i = 0; i < j->count; i++)
        source_fetch(&j->sources[i]);
    return 0;
}
