// evloop/dump.hpp - the tree of tasks as text: what each waits for, where, and since when. For debuggers and
// for signals that ask a program what it is doing. Not part of evloop.hpp.
//
// In a debugger, in a program that hangs: `call evloop_dump_tasks()`.
#pragma once

#include "scope.hpp"

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

struct dump_access {
    using tasks = std::vector<const task_state *>;

    static std::string whole(const task_home &of) { return text(sorted(of)); }
    static const task_home &home(const scope &of) noexcept { return of.home_; }

    // By parent, then by age.
    static tasks sorted(const task_home &of) {
        tasks all;
        for (const task_state *task = of.first; task; task = task->after)
            all.push_back(task);
        std::sort(all.begin(), all.end(), [](const task_state *a, const task_state *b) {
            return a->parent != b->parent ? a->parent < b->parent : a->id < b->id;
        });
        return all;
    }

    static void line(std::string &text, int depth, const char *what, const std::source_location &where) {
        const char *file = where.file_name();
        for (const char *at = file; *at; at++)
            if (*at == '/')
                file = at + 1;
        text.append(static_cast<std::size_t>(depth) * 2, ' ');
        text += what;
        if (where.line() != 0) {
            text += ", ";
            text += file;
            text += ':';
            text += std::to_string(where.line());
        }
        text += '\n';
    }

    static std::string state(const task_state &task) {
        if (task.done())
            return "ended";
        if (!task.started)
            return "not started";
        if (!task.waiting)
            return task.running ? "running" : "ready";
        char since[48];
        std::snprintf(since, sizeof since, " for %.3f s",
                      static_cast<double>(evl_now(task.loop) - task.since) / 1e9);
        return std::string("waits: ") + task.waiting->kind->name + since;
    }

    static void one(std::string &text, int depth, const task_state &task) {
        std::string head = "task " + std::to_string(task.id);
        if (task.name)
            head += std::string(" '") + task.name + "'";
        if (task.requests > 0)
            head += ", cancelled " + std::to_string(task.requests) + " times";
        line(text, depth, (head + ", spawned").c_str(), task.where);
        std::vector<const promise_base *> calls;
        for (const promise_base *frame = task.leaf; frame; frame = frame->caller)
            calls.push_back(frame);
        for (; calls.size() > 1; calls.pop_back())
            line(text, depth + 1, "calls", calls.back()->where);
        line(text, depth + 1, state(task).c_str(), calls.empty() ? std::source_location{} : calls[0]->where);
    }

    // Whether a task of that id is among them.
    static bool has(const std::vector<std::uint64_t> &ids, std::uint64_t id) {
        return std::binary_search(ids.begin(), ids.end(), id);
    }

    static std::string text(const tasks &all) {
        std::vector<std::uint64_t> ids;
        for (const task_state *task : all)
            ids.push_back(task->id);
        std::sort(ids.begin(), ids.end());
        std::string text;
        for (const task_state *task : all) {
            if (has(ids, task->parent))
                continue;
            one(text, 0, *task);
            below(text, 1, all, task->id);
        }
        return text;
    }

    static void below(std::string &text, int depth, const tasks &all, std::uint64_t parent) {
        auto first =
            std::lower_bound(all.begin(), all.end(), parent,
                             [](const task_state *task, std::uint64_t id) { return task->parent < id; });
        for (; first != all.end() && (*first)->parent == parent; ++first) {
            one(text, depth, **first);
            below(text, depth + 1, all, (*first)->id);
        }
    }
};

} // namespace detail

// The tasks of a scope, those that a task has spawned below it; what a task has left behind when it ended is
// at the top.
inline std::string dump(const scope &of) { return detail::dump_access::whole(detail::dump_access::home(of)); }

// The same for the scope of the running task.
inline std::string dump() {
    const detail::task_home *home = detail::current_home();
    return home ? detail::dump_access::whole(*home) : std::string();
}

// Writes the tasks of every scope of the program to stderr. For debuggers, which call it while all threads
// stand still: it looks at scopes of other threads, and takes no lock. It is in every program that includes
// this header, as evloop_dump_tasks; in one without exceptions as evloop_dump_tasks_noexcept.
inline void dump_tasks() {
    for (const detail::task_home *home = detail::all_homes::first(); home; home = home->after)
        std::fprintf(stderr, "loop %p:\n%s", static_cast<const void *>(home->loop),
                     detail::dump_access::whole(*home).c_str());
}

} // namespace evloop::inline EVLOOP_CPP_ABI

// dump_tasks under a name that debuggers find, with and without exceptions each.
#if EVLOOP_EXCEPTIONS
extern "C" [[gnu::used, gnu::noinline]] inline void evloop_dump_tasks() { evloop::dump_tasks(); }
#else
extern "C" [[gnu::used, gnu::noinline]] inline void evloop_dump_tasks_noexcept() { evloop::dump_tasks(); }
#endif
