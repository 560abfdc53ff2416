/* plugin_host.c - a program that uses libevloop.so and loads a plugin with another evloop inside. */
#include <dlfcn.h>
#include <evloop.h>
#include <stdio.h>

int main(int argc, char **argv) {
    void *(*plugin_run)(void);
    evl_loop *loop;
    void *plugin = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL) : NULL;
    if (!plugin) {
        puts(dlerror());
        return 1;
    }
    *(void **)&plugin_run = dlsym(plugin, "plugin_run");
    if (evl_loop_new(&loop, NULL) != 0)
        return 2;
    void *theirs = plugin_run();
    if (!theirs || theirs == (void *)evl_loop_new)
        return 3;
    return evl_loop_close(loop) == 0 ? 0 : 4;
}
