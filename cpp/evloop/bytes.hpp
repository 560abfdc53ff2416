// evloop/bytes.hpp - what is sent and where it is received: views of anything that lies in one piece.
#pragma once

#include "config.hpp"

#include <cstddef>
#include <iterator>
#include <string_view>
#include <type_traits>

namespace evloop::inline EVLOOP_CPP_ABI {
namespace detail {

template <class R>
using item_of = std::remove_pointer_t<decltype(std::data(std::declval<R &>()))>;

template <class R>
concept piece = requires(R &r) {
    std::data(r);
    std::size(r);
} && std::is_trivially_copyable_v<item_of<R>>;

} // namespace detail

// Bytes to be read from: a string, an array, a span, a vector; of text in quotes without its final 0. A view.
class bytes {
  public:
    bytes(const char *text) noexcept : bytes(text, std::char_traits<char>::length(text)) {}
    bytes(const void *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <detail::piece R>
        requires(!std::is_array_v<R>)
    bytes(const R &range) noexcept
        : data_(std::data(range)), size_(std::size(range) * sizeof(detail::item_of<const R>)) {}

    const void *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

  private:
    const void *data_;
    std::size_t size_;
};

// Bytes to be written to: all of an array, a span, a string as long as it is. A view.
class room {
  public:
    room(void *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <detail::piece R>
        requires(!std::is_const_v<detail::item_of<R>>)
    room(R &&range) noexcept
        : data_(std::data(range)), size_(std::size(range) * sizeof(detail::item_of<R>)) {}

    void *data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }

  private:
    void *data_;
    std::size_t size_;
};

} // namespace evloop::inline EVLOOP_CPP_ABI
