#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include <asio/awaitable.hpp>

#include <evercert/network.hpp>

namespace evercert {

/// Read what is there, at least one byte; 0 at the end of the stream. Throws `std::system_error` for anything
/// else. `from` and the buffer must outlive it.
asio::awaitable<std::size_t> read_some(stream& from, std::span<std::byte> into);

/// Write all of it. Throws `std::system_error`.
asio::awaitable<void> write_all(stream& to, std::span<const std::byte> data);
asio::awaitable<void> write_all(stream& to, std::string_view data);

}  // namespace evercert
