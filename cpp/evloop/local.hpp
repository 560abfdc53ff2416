// evloop/local.hpp - values that a task has, and the tasks that it spawns get: contextvars. Not part
// of evloop.hpp.
//
//     static evloop::task_local<std::string> request_id; // or global
//
//     request_id.set("4711");                            // in a task: for it and what it spawns
//     use(request_id.get());                             // in any coroutine of it, however deep
//
// A task begins with the values that the one had which spawned it, as gather, groups and timeouts spawn, too;
// what either of them sets after that is nothing to the other. Callbacks are of no task and have none. Values
// stay on their loop: a task that is spawned in a scope of another one, which may run on another thread,
// begins without any.
#pragma once

#include "scope.hpp"

namespace evloop::inline EVLOOP_CPP_ABI {

// The key of a value, and the value where none is set. It must outlive the tasks that have one.
template <class T>
class task_local {
  public:
    task_local() = default;
    explicit task_local(T unset) : unset_(std::move(unset)) {}
    task_local(const task_local &) = delete;

    // The value of the running task, or what it is where none is set. Valid until this task sets another.
    const T &get() const noexcept {
        const detail::task_state *task = detail::current_task();
        const detail::local_entry *entry = task ? find(task->locals.first()) : nullptr;
        return entry ? static_cast<const held *>(entry->value)->value : unset_;
    }
    // Whether the running task has one.
    bool has_value() const noexcept {
        const detail::task_state *task = detail::current_task();
        return task && find(task->locals.first());
    }

    // For the running task from now on. Errors: EVL_EPERM outside of one; EVL_ENOMEM.
    status set(T value) {
        detail::task_state *task = detail::current_task();
        return check(task ? put(task->locals, std::move(value)) : EVL_EPERM);
    }
    // The running task has none from now on. Errors: EVL_ENOMEM.
    status reset() {
        detail::task_state *task = detail::current_task();
        return check(task && find(task->locals.first()) ? replace(task->locals, nullptr) : 0);
    }

    // As long as it lives, the running task has another value: then what it had before.
    class [[nodiscard("the value goes with it")]] scoped {
      public:
        // Errors: those of set.
        scoped(task_local &, T value);
        scoped(const scoped &) = delete;
        ~scoped();

      private:
        any_task task_;
        detail::local_entry *before_ = nullptr;
    };

  private:
    struct held : detail::local_value {
        T value;
        explicit held(T &&the_value) noexcept(std::is_nothrow_move_constructible_v<T>)
            : local_value{1,
                          [](local_value *self) noexcept { detail::object_end(static_cast<held *>(self)); }},
              value(std::move(the_value)) {}
    };

    const detail::local_entry *find(const detail::local_entry *entry) const noexcept {
        while (entry && entry->key != this)
            entry = entry->next;
        return entry;
    }

    std::int32_t put(detail::task_locals &locals, T &&value) {
        auto *made = detail::object_make<held>([&](void *at) { ::new (at) held(std::move(value)); });
        return made ? replace(locals, made) : EVL_ENOMEM;
    }

    // The list anew up to the old value, so that it does not grow. Takes over the value; NULL: none.
    std::int32_t replace(detail::task_locals &locals, detail::local_value *value) noexcept {
        const detail::local_entry *old = find(locals.first()), *from = locals.first();
        detail::task_locals made; // frees what there is when memory runs out
        detail::local_entry *last = nullptr;
        const auto append = [&](const void *key, detail::local_value *of) {
            auto *entry = detail::object_make<detail::local_entry>(
                [&](void *at) { ::new (at) detail::local_entry{key, of, nullptr, 1}; });
            if (!entry) {
                of->release();
                return false;
            }
            last ? void(last->next = entry) : made.reset(entry);
            last = entry;
            return true;
        };
        if (value && !append(this, value))
            return EVL_ENOMEM;
        for (; old && from != old; from = from->next) {
            from->value->refs++;
            if (!append(from->key, from->value))
                return EVL_ENOMEM;
        }
        detail::local_entry *rest = detail::task_locals::retained(old ? old->next : first_of(locals));
        if (last) {
            last->next = rest;
            rest = detail::task_locals::retained(const_cast<detail::local_entry *>(made.first()));
        }
        locals.reset(rest);
        return 0;
    }
    static detail::local_entry *first_of(const detail::task_locals &locals) noexcept {
        return const_cast<detail::local_entry *>(locals.first());
    }

    T unset_{};
};

template <class T>
task_local<T>::scoped::scoped(task_local &of, T value) : task_(this_task()) {
    detail::local_entry *before =
        task_ ? detail::task_locals::retained(first_of(task_.state()->locals)) : nullptr;
    before_ = before;
#if EVLOOP_EXCEPTIONS
    try {
        of.set(std::move(value));
    } catch (...) {
        detail::task_locals().reset(std::exchange(before_, nullptr));
        throw;
    }
#else
    (void)of.set(std::move(value));
#endif
}

// All that was set meanwhile is taken back with it.
template <class T>
task_local<T>::scoped::~scoped() {
    if (task_)
        task_.state()->locals.reset(before_);
}

} // namespace evloop::inline EVLOOP_CPP_ABI
