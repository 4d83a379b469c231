#pragma once

#include <array>
#include <string>

#include <asio/awaitable.hpp>

#include <evercert/network.hpp>

#include "base/stream_io.hpp"

namespace test {

/// Everything until the end of the stream.
inline asio::awaitable<std::string> read_all(evercert::stream& from) {
    std::string all;
    std::array<std::byte, 4096> buffer;
    for (;;) {
        auto count = co_await evercert::read_some(from, buffer);
        if (count == 0)
            co_return all;
        all.append(reinterpret_cast<const char*>(buffer.data()), count);
    }
}

inline asio::awaitable<void> write_and_end(evercert::stream& to, std::string text) {
    co_await evercert::write_all(to, text);
    to.shutdown_write();
}

}  // namespace test
