#include "http/exchange.hpp"

#include <array>
#include <optional>
#include <span>

#include <asio/error.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

namespace evercert {

namespace {

// A TLS record, and more than most answers of a CA.
constexpr std::size_t read_size = 16 << 10;

}  // namespace

asio::awaitable<void> http_exchange::run() {
    co_await send();
    for (int interim = 0; interim <= interim_max; ++interim) {
        http1_response_decoder decoder{limits, to_head};
        while (!decoder.complete()) {
            const bool more = !unread_.empty() || co_await receive();
            if (!more) {
                decoder.feed_end();
                if (decoder.complete())
                    break;
                throw_broken(asio::error::eof);
            }
            const auto taken = decoder.feed(unread_);
            unread_.erase(0, taken);
            if (decoder.failure())
                throw_refused(*decoder.failure());
        }
        auto& message = decoder.message();
        if (message.status >= 200) {
            // Bytes that nobody asked for: whoever reads them next would take them for an answer.
            reusable = decoder.keep_alive() && unread_.empty();
            answer = std::move(message);
            co_return;
        }
    }
    throw error{errc::http_malformed, fmt::format("{} sent more than {} interim answers", peer, interim_max)};
}

asio::awaitable<void> http_exchange::send() {
    auto rest = std::as_bytes(std::span{wire});
    while (!rest.empty()) {
        const auto result = connection.try_write(rest);
        rest = rest.subspan(result.size);
        if (!result.error)
            continue;
        if (result.error != asio::error::would_block)
            throw_broken(result.error);
        co_await connection.wait_writable();
    }
    sent = true;
}

// False at the end of the stream.
asio::awaitable<bool> http_exchange::receive() {
    std::array<std::byte, read_size> buffer;
    for (;;) {
        const auto result = connection.try_read(buffer);
        if (result.size > 0) {
            answered = true;
            unread_.append(reinterpret_cast<const char*>(buffer.data()), result.size);
            co_return true;
        }
        if (result.error == asio::error::eof)
            co_return false;
        if (result.error != asio::error::would_block)
            throw_broken(result.error);
        co_await connection.wait_readable();
    }
}

void http_exchange::throw_refused(const http1_failure& why) const {
    if (why.status == 413)
        throw error{
            errc::body_too_large, fmt::format("the answer of {} is larger than {} bytes", peer, limits.body_max)};
    if (why.status == 414 || why.status == 431)
        throw error{errc::body_too_large, fmt::format("the answer of {} has a head that is too large", peer)};
    throw error{errc::http_malformed, fmt::format("the answer of {} cannot be read: {}", peer, why.what)};
}

void http_exchange::throw_broken(const std::error_code& why) const {
    if (why == errc::tls_failed)
        throw error{errc::tls_failed, fmt::format("TLS with {} failed", peer)};
    const char* when = answered ? "in the middle of its answer" : "before it answered";
    if (why == asio::error::eof || why == errc::connection_closed)
        throw error{errc::connection_closed, fmt::format("{} closed the connection {}", peer, when)};
    throw error{errc::connection_closed, fmt::format("the connection to {} broke {}: {}", peer, when, why.message())};
}

}  // namespace evercert
