// evloop/range.hpp - whose the elements of a range are.
#pragma once

#include "config.hpp"

#include <ranges>
#include <type_traits>

namespace evloop::inline EVLOOP_CPP_ABI::detail {

// Whether the elements may be moved from, as the range goes with whom it was given to. Those of an lvalue
// are the caller's still, and so are those that a view or another borrowed range refers to.
template <class Range>
concept owns_elements = !std::is_lvalue_reference_v<Range> && !std::ranges::borrowed_range<Range> &&
                        !std::ranges::view<std::remove_cvref_t<Range>>;

} // namespace evloop::inline EVLOOP_CPP_ABI::detail
