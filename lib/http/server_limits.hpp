#pragma once

#include <chrono>
#include <cstddef>

namespace evercert {

// Bounds of a server's connection that nobody has needed to set.

/// What is read at once, and what may wait unread while a handler works: a TLS record.
inline constexpr std::size_t input_max = 16 << 10;

/// A client that has closed its side while its answer is being made may only have closed its half (printf | nc),
/// or be gone: TCP does not tell. It has this long.
inline constexpr std::chrono::seconds half_closed_grace{5};

/// RFC 9112, section 9.6: read on after the last answer, or its tail is lost to a reset. How long, and how much. The same
/// for what is left of a body that its handler did not want, before the next request.
inline constexpr std::chrono::seconds linger_timeout{5};
inline constexpr std::size_t linger_max = 256 << 10;

/// Who sends more than that is not read any more, and finds that it cannot send: it has so long to look whether there is an
/// answer, before the reset that would take it away.
inline constexpr std::chrono::seconds linger_pause{1};

}  // namespace evercert
