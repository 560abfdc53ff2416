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

template <class R>
constexpr bool text_in_quotes = false;
template <std::size_t N>
constexpr bool text_in_quotes<const char (&)[N]> = true;

} // namespace detail

// Bytes to be read from: a string, an array, a span, a vector. A view. An array is as long as it is: a buffer
// of chars with text in it is not cut at its 0, which a pointer to it, or a std::string_view, is. Of text in
// quotes, and of any array of const char that ends with a 0, this last 0 does not count.
class bytes {
  public:
    // Text up to its 0, without it.
    template <class Text>
        requires(std::is_pointer_v<std::remove_cvref_t<Text>> && std::is_convertible_v<Text, const char *>)
    bytes(Text &&text) noexcept : bytes(text, std::char_traits<char>::length(text)) {}
    template <std::size_t N>
    bytes(const char (&text)[N]) noexcept : bytes(text, text[N - 1] == 0 ? N - 1 : N) {}
    bytes(const void *data, std::size_t size) noexcept : c_{data, size} {}
    // All of an array, a span, a vector, a string. The view is valid as long as what it was made from.
    template <detail::piece R>
        requires(!detail::text_in_quotes<R>)
    bytes(R &&range) noexcept : c_{std::data(range), std::size(range) * sizeof(detail::item_of<R>)} {}

    const void *data() const noexcept { return c_.data; }
    std::size_t size() const noexcept { return c_.len; }
    // As C takes it; and so an array of these is one of those.
    const evl_buf *c() const noexcept { return &c_; }

  private:
    evl_buf c_;
};
static_assert(sizeof(bytes) == sizeof(evl_buf) && std::is_standard_layout_v<bytes>);

// Bytes to be written to: all of an array, a span, a string as long as it is. A view.
class room {
  public:
    room(void *data, std::size_t size) noexcept : data_(data), size_(size) {}
    // All of it; valid as long as what it was made from.
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
