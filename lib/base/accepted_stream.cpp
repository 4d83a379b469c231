#include "base/accepted_stream.hpp"

#include <algorithm>
#include <array>

#include <asio/error.hpp>
#include <asio/post.hpp>

#include <evercert/error.hpp>

namespace evercert {

asio::awaitable<received_proxy_header> read_proxy_header(stream& from) {
    received_proxy_header received;
    for (;;) {
        std::array<std::byte, 512> buffer;
        const auto result = from.try_read(buffer);
        if (result.error == asio::error::would_block) {
            co_await from.wait_readable();
            continue;
        }
        if (result.error == asio::error::operation_aborted || result.error == asio::error::bad_descriptor)
            throw std::system_error{asio::error::operation_aborted};
        if (result.error)
            throw error{
                errc::connection_closed,
                "the proxy " + to_string(from.remote_endpoint()) + " closed a connection before its PROXY header"};
        received.input.append(reinterpret_cast<const char*>(buffer.data()), result.size);
        const auto* const bytes = reinterpret_cast<const unsigned char*>(received.input.data());
        received.header = parse_proxy_header({bytes, received.input.size()});
        if (received.header.parsed == proxy_header::state::malformed)
            throw error{
                errc::tls_failed,
                "a connection of the trusted proxy " + to_string(from.remote_endpoint()) +
                    " does not begin with a PROXY header: let it send one (proxy_protocol on, send-proxy-v2)"};
        if (received.header.parsed == proxy_header::state::complete)
            break;
    }
    received.input.erase(0, received.header.size);
    co_return received;
}

void accepted_stream::came_through(received_proxy_header proxy) {
    proxied_ = std::make_unique<received_proxy_header>(std::move(proxy));
}

io_result accepted_stream::try_read(std::span<std::byte> into) noexcept {
    if (!proxied_ || proxied_->input.empty() || into.empty())
        return next_->try_read(into);
    auto& input = proxied_->input;
    const auto size = std::min(input.size(), into.size());
    std::copy_n(std::as_bytes(std::span{input}).begin(), size, into.begin());
    input.erase(0, size);
    return {size, {}};
}

void accepted_stream::start_wait(readiness what, wait_handler::pointer waiting) {
    if (what == readiness::writable || !proxied_ || proxied_->input.empty())
        return next_->start_wait(what, std::move(waiting));
    asio::post(get_executor(), [waiting = std::move(waiting)]() mutable { wait_handler::end(std::move(waiting), {}); });
}

void accepted_stream::close() noexcept {
    next_->close();
    counted_.release();
}

endpoint accepted_stream::local_endpoint() const {
    return proxied_ && proxied_->header.of ? proxied_->header.of->destination : next_->local_endpoint();
}

endpoint accepted_stream::remote_endpoint() const {
    return proxied_ && proxied_->header.of ? proxied_->header.of->source : next_->remote_endpoint();
}

}  // namespace evercert
