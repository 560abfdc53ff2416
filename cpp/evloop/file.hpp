// evloop/file.hpp - files, read and written on threads of the loop's own pool: open, read, write, fsync,
// stat, directories. Not part of evloop.hpp.
//
//     evloop::file out = co_await evloop::file::open("app.log", O_WRONLY | O_CREAT | O_APPEND, 0644);
//     co_await out.write_all("started\n");
//     std::string text = co_await evloop::file::read_whole("config");
//
// A file is always ready, so that no backend can wait for one: each of these is one job of an executor (see
// executor.hpp). What is read into and written from is in use until the job has ended, which a cancellation
// does not wait for: buffers are given by value, and given back. Errors: those of the system call, EVL_E*,
// and those of evl_executor_submit.
#pragma once

#include "executor.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <dirent.h>
#include <fcntl.h>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace evloop::inline EVLOOP_CPP_ABI {

// What is known of a file: evloop::file::stat.
struct file_info {
    std::uint64_t size;       // in bytes
    std::uint32_t mode;       // type and permissions, as st_mode: S_ISDIR(info.mode)
    std::uint32_t links;      // how many names it has
    std::uint32_t user;       // who owns it
    std::uint32_t group;      // whose group owns it
    std::uint64_t device;     // where it is
    std::uint64_t node;       // which one it is there: two with the same of both are one file
    std::int64_t modified_ns; // since 1970
    std::int64_t accessed_ns; // since 1970
    std::int64_t changed_ns;  // since 1970
};

// An entry of a directory: its name, and its type where the file system says so (DT_REG, DT_DIR, DT_UNKNOWN).
struct directory_entry {
    std::string name;  // without the directory's
    std::uint8_t type; // DT_REG, DT_DIR, DT_UNKNOWN
};

namespace detail {

// What a job on a thread gives, for who awaits it.
template <class T>
struct file_answer {
    std::int32_t code = 0;
    T value{};
};
template <>
struct file_answer<void> {
    std::int32_t code = 0;
};

inline std::int32_t error_of_errno() noexcept { return evl_err_from_errno(errno); }

// Calls again what a signal has interrupted.
template <class F>
auto uninterrupted(F call) noexcept {
    auto rc = call();
    while (rc < 0 && errno == EINTR)
        rc = call();
    return rc;
}

inline std::int64_t ns_of(const timespec &time) noexcept {
    return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

inline file_info info_of(const struct ::stat &from) noexcept {
#ifdef __APPLE__
    const timespec &modified = from.st_mtimespec, &accessed = from.st_atimespec, &changed = from.st_ctimespec;
#else
    const timespec &modified = from.st_mtim, &accessed = from.st_atim, &changed = from.st_ctim;
#endif
    return {static_cast<std::uint64_t>(from.st_size),
            static_cast<std::uint32_t>(from.st_mode),
            static_cast<std::uint32_t>(from.st_nlink),
            static_cast<std::uint32_t>(from.st_uid),
            static_cast<std::uint32_t>(from.st_gid),
            static_cast<std::uint64_t>(from.st_dev),
            static_cast<std::uint64_t>(from.st_ino),
            ns_of(modified),
            ns_of(accessed),
            ns_of(changed)};
}

// A fd that is closed with its last holder: a file, or a job that still uses it.
class shared_fd {
  public:
    explicit shared_fd(int fd) noexcept : fd_(fd) {}
    shared_fd(const shared_fd &) = delete;
    ~shared_fd() { (void)close(); }
    int get() const noexcept { return fd_; }
    // 0, or what the last write of it failed with.
    std::int32_t close() noexcept {
        const int fd = std::exchange(fd_, -1);
        return fd < 0 || ::close(fd) == 0 || errno == EINTR ? 0 : error_of_errno();
    }

  private:
    int fd_;
};
using fd_ref = std::shared_ptr<shared_fd>;

// A place in a file; none: where it stands.
using file_place = std::optional<std::uint64_t>;

// pread and pwrite take an off_t.
inline bool is_place(file_place at) noexcept { return !at || std::in_range<off_t>(*at); }
inline off_t offset_of(file_place at, std::size_t done) noexcept { return static_cast<off_t>(*at + done); }

// Reads until the buffer is full or the file ends.
inline std::int32_t read_fully(int fd, std::string &into, file_place at, bool once) noexcept {
    if (!is_place(at))
        return EVL_EINVAL;
    std::size_t have = 0;
    while (have < into.size()) {
        char *to = into.data() + have;
        const std::size_t room = into.size() - have;
        const ssize_t n = uninterrupted(
            [&] { return at ? ::pread(fd, to, room, offset_of(at, have)) : ::read(fd, to, room); });
        if (n < 0)
            return error_of_errno();
        have += static_cast<std::size_t>(n);
        if (n == 0 || once)
            break;
    }
    into.resize(have);
    return 0;
}

inline std::int32_t write_fully(int fd, const std::string &from, file_place at) noexcept {
    if (!is_place(at))
        return EVL_EINVAL;
    for (std::size_t done = 0; done < from.size();) {
        const char *bytes = from.data() + done;
        const std::size_t left = from.size() - done;
        const ssize_t n = uninterrupted(
            [&] { return at ? ::pwrite(fd, bytes, left, offset_of(at, done)) : ::write(fd, bytes, left); });
        if (n < 0)
            return error_of_errno();
        done += static_cast<std::size_t>(n);
    }
    return 0;
}

// Runs `work` on a thread, which returns a file_answer, and gives its value or fails with its code.
template <class T, class F>
attempt<T> on_file_thread(const executor *pool, F work) {
    auto job = submit(pool, std::move(work));
#if EVLOOP_EXCEPTIONS
    auto answer = co_await std::move(job);
    if (answer.code < 0)
        throw_code(answer.code);
    if constexpr (!std::is_void_v<T>)
        co_return std::move(answer.value);
#else
    auto answer = co_await as_result(std::move(job));
    if (!answer || answer->code < 0)
        co_return fail(!answer ? answer.code() : answer->code);
    if constexpr (std::is_void_v<T>)
        co_return result<void>();
    else
        co_return std::move(answer->value);
#endif
}

} // namespace detail

// An open file. It is closed with the object; a job that still reads or writes it closes it at its end.
// Belongs to the loop's thread. Reads and writes without a place go on where the last one has ended: await
// each before the next.
class file {
  public:
    file() noexcept = default;
    // Takes over an open fd.
    static result<file> adopt(int fd) {
        if (fd < 0)
            return fail(EVL_EBADF);
        return file(std::make_shared<detail::shared_fd>(fd));
    }

    // Awaited: opens it, as open(2), and close-on-exec. flags: O_RDONLY and so on; mode: of one that is made.
    static detail::attempt<file> open(std::string path, int flags = O_RDONLY, std::uint32_t mode = 0666) {
        using answer = detail::file_answer<detail::fd_ref>;
        auto work = [path = std::move(path), flags, mode]() -> answer {
            const int fd = detail::uninterrupted(
                [&] { return ::open(path.c_str(), flags | O_CLOEXEC, static_cast<mode_t>(mode)); });
            if (fd < 0)
                return {detail::error_of_errno(), nullptr};
            return {0, std::make_shared<detail::shared_fd>(fd)};
        };
        return opened(std::move(work));
    }

    // Awaited: the next bytes, up to so many; "" at the end of the file.
    detail::attempt<std::string> read(std::size_t most) const { return reading(most, {}, true); }
    // Awaited: so many from that place on; fewer only where the file ends. Errors: EVL_EINVAL
    // for a place beyond what an off_t holds.
    detail::attempt<std::string> read_at(std::uint64_t place, std::size_t count) const {
        return reading(count, place, false);
    }
    // Awaited: writes all, where the file stands (with O_APPEND at its end), or from that place on. Errors:
    // EVL_EINVAL for a place beyond what an off_t holds.
    detail::attempt<void> write_all(std::string bytes) const { return writing(std::move(bytes), {}); }
    detail::attempt<void> write_at(std::uint64_t place, std::string bytes) const {
        return writing(std::move(bytes), place);
    }
    // Awaited: what was written is on the disk.
    detail::attempt<void> fsync() const {
        return calling([](int fd) { return detail::uninterrupted([&] { return ::fsync(fd); }); });
    }
    // Awaited: it is cut or grows to so many bytes.
    detail::attempt<void> truncate(std::uint64_t size) const {
        return calling([size](int fd) {
            return detail::uninterrupted([&] { return ::ftruncate(fd, static_cast<off_t>(size)); });
        });
    }
    // Awaited: what is known of it.
    detail::attempt<file_info> info() const {
        using answer = detail::file_answer<file_info>;
        return detail::on_file_thread<file_info>(nullptr, [fd = fd_]() -> answer {
            struct ::stat all;
            if (::fstat(fd ? fd->get() : -1, &all) < 0)
                return {detail::error_of_errno(), {}};
            return {0, detail::info_of(all)};
        });
    }
    // Awaited: closes it, and fails with what close(2) finds, as a full disk of a network file system may
    // come to light only there. Await what still reads or writes before.
    detail::attempt<void> close() {
        using answer = detail::file_answer<void>;
        return detail::on_file_thread<void>(nullptr, [fd = std::move(fd_)]() -> answer {
            return {fd ? fd->close() : static_cast<std::int32_t>(EVL_EBADF)};
        });
    }

    explicit operator bool() const noexcept { return fd_ != nullptr; }
    // -1: closed.
    int fd() const noexcept { return fd_ ? fd_->get() : -1; }

    // Awaited: what is known of a path, as stat(2); of the link itself, as lstat(2).
    static detail::attempt<file_info> stat(std::string path) { return looking(std::move(path), ::stat); }
    static detail::attempt<file_info> lstat(std::string path) { return looking(std::move(path), ::lstat); }

    // Awaited: what a directory has, without "." and "..", in no order.
    static detail::attempt<std::vector<directory_entry>> readdir(std::string path) {
        using entries = std::vector<directory_entry>;
        using answer = detail::file_answer<entries>;
        return detail::on_file_thread<entries>(nullptr, [path = std::move(path)]() -> answer {
            struct closes {
                void operator()(DIR *open) const noexcept { ::closedir(open); }
            };
            const std::unique_ptr<DIR, closes> open(::opendir(path.c_str()));
            if (!open)
                return {detail::error_of_errno(), {}};
            answer all;
            errno = 0;
            while (const dirent *one = ::readdir(open.get())) {
                std::string name = one->d_name;
                if (name != "." && name != "..")
                    all.value.push_back({std::move(name), one->d_type});
                errno = 0;
            }
            all.code = errno == 0 ? 0 : detail::error_of_errno();
            return all;
        });
    }

    // Awaited: all that is in a file.
    static detail::attempt<std::string> read_whole(std::string path) {
        using answer = detail::file_answer<std::string>;
        return detail::on_file_thread<std::string>(nullptr, [path = std::move(path)]() -> answer {
            const detail::shared_fd fd(
                detail::uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_CLOEXEC); }));
            if (fd.get() < 0)
                return {detail::error_of_errno(), {}};
            answer all;
            std::string piece;
            do {
                piece.resize(piece_size);
                all.code = detail::read_fully(fd.get(), piece, {}, false);
                if (all.code < 0)
                    return all;
                all.value += piece;
            } while (piece.size() == piece_size);
            return all;
        });
    }

  private:
    static constexpr std::size_t piece_size = 64 * 1024;

    explicit file(detail::fd_ref fd) noexcept : fd_(std::move(fd)) {}

    template <class F>
    static detail::attempt<file> opened(F work) {
#if EVLOOP_EXCEPTIONS
        co_return file(co_await detail::on_file_thread<detail::fd_ref>(nullptr, std::move(work)));
#else
        auto fd = co_await detail::on_file_thread<detail::fd_ref>(nullptr, std::move(work));
        if (!fd)
            co_return fail(fd.code());
        co_return file(*std::move(fd));
#endif
    }
    detail::attempt<std::string> reading(std::size_t count, detail::file_place at, bool once) const {
        using answer = detail::file_answer<std::string>;
        return detail::on_file_thread<std::string>(nullptr, [fd = fd_, count, at, once]() -> answer {
            answer all;
            all.value.resize(count);
            all.code = detail::read_fully(fd ? fd->get() : -1, all.value, at, once);
            return all;
        });
    }
    detail::attempt<void> writing(std::string bytes, detail::file_place at) const {
        using answer = detail::file_answer<void>;
        return detail::on_file_thread<void>(nullptr, [fd = fd_, bytes = std::move(bytes), at]() -> answer {
            return {detail::write_fully(fd ? fd->get() : -1, bytes, at)};
        });
    }
    template <class F>
    detail::attempt<void> calling(F call) const {
        using answer = detail::file_answer<void>;
        return detail::on_file_thread<void>(nullptr, [fd = fd_, call]() -> answer {
            return {call(fd ? fd->get() : -1) < 0 ? detail::error_of_errno() : 0};
        });
    }
    template <class Look>
    static detail::attempt<file_info> looking(std::string path, Look look) {
        using answer = detail::file_answer<file_info>;
        return detail::on_file_thread<file_info>(nullptr, [path = std::move(path), look]() -> answer {
            struct ::stat all;
            if (look(path.c_str(), &all) < 0)
                return {detail::error_of_errno(), {}};
            return {0, detail::info_of(all)};
        });
    }

    detail::fd_ref fd_; // NULL: closed
};

} // namespace evloop::inline EVLOOP_CPP_ABI
