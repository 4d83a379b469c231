#include <asio/use_awaitable.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/network.hpp>

namespace evercert {

std::string to_string(const endpoint& at) {
    auto address = at.address.to_string();
    return at.address.is_v6() ? fmt::format("[{}]:{}", address, at.port) : fmt::format("{}:{}", address, at.port);
}

asio::awaitable<void> stream::wait_readable() { return async_wait(readiness::readable, asio::use_awaitable); }
asio::awaitable<void> stream::wait_writable() { return async_wait(readiness::writable, asio::use_awaitable); }

io_result detail::shutdown_try::operator()(stream& on) noexcept {
    if (!std::exchange(begun, true))
        on.shutdown_write();
    std::array<std::byte, joined_max> unwanted;  // NOLINT: nobody looks at it
    for (;;) {
        io_result result = on.try_read(unwanted);
        if (result.error == asio::error::would_block)
            return result;
        dropped += result.size;
        if (!result.error && dropped <= read_max)
            continue;
        on.close();
        if (!result.error)
            result.error = asio::error::message_size;
        if (result.error == asio::error::eof || result.error == errc::connection_closed)
            result.error.clear();
        return result;
    }
}

}  // namespace evercert
