#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <asio/awaitable.hpp>
#include <asio/error.hpp>

#include "base/stream_io.hpp"
#include "http/http1.hpp"
#include "request_decoder.hpp"

namespace test {

using namespace evercert;

inline constexpr http1_limits wide_limits{64 << 10, 4 << 20};

/// The next request on the stream as it stood on the wire. Throws at the end of the stream.
inline asio::awaitable<std::string> read_request(stream& from) {
    request_decoder decoder{wide_limits};
    std::string raw;
    std::array<std::byte, 1> one;
    while (!decoder.complete() && !decoder.failure()) {
        const auto size = co_await read_some(from, one);
        if (size == 0)
            throw std::system_error{asio::error::eof};
        raw.push_back(static_cast<char>(one[0]));
        decoder.feed(std::string_view{raw}.substr(raw.size() - 1));
    }
    co_return raw;
}

/// The next answer. Throws at the end of the stream, if that does not end it.
inline asio::awaitable<response> read_response(stream& from, bool to_head = false) {
    http1_response_decoder decoder{wide_limits, to_head};
    std::array<std::byte, 1> one;
    while (!decoder.complete() && !decoder.failure()) {
        const auto size = co_await read_some(from, one);
        const char c = static_cast<char>(one[0]);
        if (size == 0)
            decoder.feed_end();
        else
            decoder.feed(std::string_view{&c, 1});
    }
    if (decoder.failure())
        throw std::runtime_error{std::string{decoder.failure()->what}};
    auto& message = decoder.message();
    co_return std::move(message);
}

/// What comes until the peer closes.
inline asio::awaitable<std::string> read_to_end(stream& from) {
    std::string all;
    std::array<std::byte, 4096> buffer;
    for (;;) {
        const auto size = co_await read_some(from, buffer);
        if (size == 0)
            co_return all;
        all.append(reinterpret_cast<const char*>(buffer.data()), size);
    }
}

}  // namespace test
