#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include <asio/error.hpp>
#include <fmt/format.h>

#include <evercert/network.hpp>

namespace test {
/// What one read gave, as text; "would_block", "eof", … in brackets otherwise.
inline std::string read_text(evercert::stream& from, std::size_t size_max = 256) {
    std::array<std::byte, 256> buffer;
    auto done = from.try_read(std::span{buffer}.first(size_max));
    if (done.error)
        return fmt::format("[{}]", done.error.message());
    return {reinterpret_cast<const char*>(buffer.data()), done.size};
}

inline std::string text_of(const std::error_code& code) { return fmt::format("[{}]", code.message()); }

inline evercert::io_result write_text(evercert::stream& to, std::string_view text) {
    return to.try_write(std::as_bytes(std::span{text}));
}

inline const std::string blocked = text_of(asio::error::would_block);
inline const std::string ended = text_of(asio::error::eof);
inline const std::string reset = text_of(asio::error::connection_reset);
inline const std::string closed = text_of(asio::error::bad_descriptor);

inline asio::awaitable<void> wait_readable(evercert::stream& on) { co_await on.wait_readable(); }
inline asio::awaitable<void> wait_writable(evercert::stream& on) { co_await on.wait_writable(); }

}  // namespace test
