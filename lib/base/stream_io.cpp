#include "base/stream_io.hpp"

#include <system_error>

#include <asio/error.hpp>

namespace evercert {

asio::awaitable<std::size_t> read_some(stream& from, std::span<std::byte> into) {
    for (;;) {
        auto done = from.try_read(into);
        if (!done.error)
            co_return done.size;
        if (done.error == asio::error::eof)
            co_return 0;
        if (done.error != asio::error::would_block)
            throw std::system_error{done.error, "reading from " + to_string(from.remote_endpoint())};
        co_await from.wait_readable();
    }
}

asio::awaitable<void> write_all(stream& to, std::span<const std::byte> data) {
    while (!data.empty()) {
        auto done = to.try_write(data);
        data = data.subspan(done.size);
        if (!done.error)
            continue;
        if (done.error != asio::error::would_block)
            throw std::system_error{done.error, "writing to " + to_string(to.remote_endpoint())};
        co_await to.wait_writable();
    }
}

asio::awaitable<void> write_all(stream& to, std::string_view data) {
    return write_all(to, std::as_bytes(std::span{data}));
}

}  // namespace evercert
