#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <evercert/stream.hpp>
#include <evercert/stream_operations.hpp>

namespace evercert::detail {

/// Both directions: try, wait, and try again.
template <typename Handler, typename Try>
class transfer_operation final : public operation<transfer_operation<Handler, Try>, Handler> {
public:
    transfer_operation(stream& on, Handler handler, const Try& attempt)
        : operation<transfer_operation, Handler>{on, std::move(handler)}, on_{on}, try_{attempt} {}

private:
    void ended(wait_handler::pointer self, std::error_code why) override {
        io_result result;
        result.error = why;
        if (!why)
            result = try_(on_);
        if (result.error == asio::error::would_block)
            return on_.start_wait(Try::needs, std::move(self));
        if constexpr (Try::counts)
            this->complete(std::move(self), result.error, result.size);
        else
            this->complete(std::move(self), result.error);
    }

    stream& on_;
    Try try_;
};

struct read_try {
    static constexpr auto needs = readiness::readable;
    static constexpr bool counts = true;
    std::span<std::byte> into;
    io_result operator()(stream& from) const noexcept { return from.try_read(into); }
    bool empty() const noexcept { return into.empty(); }
};

/// What small buffers are joined to at most: a TLS record.
inline constexpr std::size_t joined_max = 16 << 10;

template <typename Buffers>
struct write_try {
    static constexpr auto needs = readiness::writable;
    static constexpr bool counts = true;
    Buffers buffers;

    io_result operator()(stream& to) const noexcept {
        std::array<std::byte, joined_max> joined;  // NOLINT: filled as far as it is used
        std::span<const std::byte> first;
        std::size_t size = 0;
        for (auto each = asio::buffer_sequence_begin(buffers); each != asio::buffer_sequence_end(buffers); ++each) {
            const asio::const_buffer buffer{*each};
            const std::span next{static_cast<const std::byte*>(buffer.data()), buffer.size()};
            if (next.empty())
                continue;
            if (first.empty()) {
                first = next;
                continue;
            }
            if (size == 0) {
                if (first.size() >= joined_max)
                    break;
                std::memcpy(joined.data(), first.data(), size = first.size());
            }
            const auto fits = std::min(next.size(), joined_max - size);
            std::memcpy(joined.data() + size, next.data(), fits);
            size += fits;
        }
        return to.try_write(size == 0 ? first : std::span<const std::byte>{joined.data(), size});
    }
    bool empty() const noexcept { return asio::buffer_size(buffers) == 0; }
};

/// Say that nothing more comes, and read until the peer has said so too.
struct shutdown_try {
    static constexpr auto needs = readiness::readable;
    static constexpr bool counts = false;
    static constexpr std::size_t read_max = 256 << 10;
    bool begun = false;
    std::size_t dropped = 0;

    io_result operator()(stream& on) noexcept;
    static bool empty() noexcept { return false; }
};

template <typename Try>
struct transfer {
    using executor_type = asio::any_io_executor;
    executor_type get_executor() const { return on.get_executor(); }

    template <typename Handler>
    void operator()(Handler&& handler, Try attempt) const {
        using handler_type = std::decay_t<Handler>;
        io_result result;
        if (!attempt.empty())
            result = attempt(on);
        if (result.error == asio::error::would_block)
            return wait(handler_type{std::forward<Handler>(handler)}, attempt);
        if constexpr (Try::counts)
            complete_later(on, handler_type{std::forward<Handler>(handler)}, result.error, result.size);
        else
            complete_later(on, handler_type{std::forward<Handler>(handler)}, result.error);
    }

    template <typename Handler>
    void wait(Handler handler, const Try& attempt) const {
        on.start_wait(Try::needs, transfer_operation<Handler, Try>::make(on, std::move(handler), attempt));
    }

    stream& on;
};

template <typename Buffers>
read_try first_of(const Buffers& buffers) {
    for (auto each = asio::buffer_sequence_begin(buffers); each != asio::buffer_sequence_end(buffers); ++each) {
        const asio::mutable_buffer buffer{*each};
        if (buffer.size() > 0)
            return {{static_cast<std::byte*>(buffer.data()), buffer.size()}};
    }
    return {};
}

}  // namespace evercert::detail

namespace evercert {

template <typename CompletionToken>
auto stream::async_wait(readiness what, CompletionToken&& token) {
    return asio::async_initiate<CompletionToken, void(std::error_code)>(detail::wait{*this}, token, what);
}

template <typename MutableBufferSequence, typename CompletionToken>
auto stream::async_read_some(const MutableBufferSequence& buffers, CompletionToken&& token) {
    return asio::async_initiate<CompletionToken, void(std::error_code, std::size_t)>(
        detail::transfer<detail::read_try>{*this}, token, detail::first_of(buffers));
}

template <typename ConstBufferSequence, typename CompletionToken>
auto stream::async_write_some(const ConstBufferSequence& buffers, CompletionToken&& token) {
    using attempt = detail::write_try<ConstBufferSequence>;
    return asio::async_initiate<CompletionToken, void(std::error_code, std::size_t)>(
        detail::transfer<attempt>{*this}, token, attempt{buffers});
}

}  // namespace evercert
