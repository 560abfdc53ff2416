#include <evloop/base.h>

#define TEXT(x)  TEXT_(x)
#define TEXT_(x) #x

int32_t evl_version(void) { return EVL_VERSION_MAJOR * 10000 + EVL_VERSION_MINOR * 100 + EVL_VERSION_PATCH; }

const char *evl_version_string(void) {
    return TEXT(EVL_VERSION_MAJOR) "." TEXT(EVL_VERSION_MINOR) "." TEXT(EVL_VERSION_PATCH);
}
