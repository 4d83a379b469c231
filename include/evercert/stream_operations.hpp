#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/buffer.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>

#include <evercert/network.hpp>

/// What the templates of `stream` are made of: nothing here is for applications.
namespace evercert::detail {

/// A handler with what it is told, which keeps the handler's allocator.
template <typename Handler, typename... Results>
struct completion {
    Handler handler;
    std::tuple<Results...> results;

    using allocator_type = asio::associated_allocator_t<Handler>;
    allocator_type get_allocator() const noexcept { return asio::get_associated_allocator(handler); }

    void operator()() {
        std::apply([this](const Results&... each) { std::move(handler)(each...); }, results);
    }
};

template <typename Handler>
using executor_of = asio::associated_executor_t<Handler, asio::any_io_executor>;

/// As if by post: an operation that is done at once does not complete inside the call that began it.
template <typename Handler, typename... Results>
void complete_later(const stream& on, Handler handler, const Results&... results) {
    const auto executor = asio::get_associated_executor(handler, on.get_executor());
    asio::post(executor, completion<Handler, Results...>{std::move(handler), {results...}});
}

/// A user's handler that waits, in the memory of its own allocator, and with work on its own executor.
template <typename Self, typename Handler>
class operation : public wait_handler {
public:
    operation(stream& on, Handler handler)
        : wait_handler{asio::get_associated_cancellation_slot(handler)},
          work_{asio::get_associated_executor(handler, on.get_executor())},
          handler_{std::move(handler)} {}

    template <typename... Arguments>
    static pointer make(stream& on, Handler handler, Arguments&&... arguments) {
        allocator memory{asio::get_associated_allocator(handler)};
        Self* const room = std::allocator_traits<allocator>::allocate(memory, 1);
        try {
            return pointer{::new (room) Self{on, std::move(handler), std::forward<Arguments>(arguments)...}};
        } catch (...) {
            std::allocator_traits<allocator>::deallocate(memory, room, 1);
            throw;
        }
    }

protected:
    /// The memory is free before the handler is called, which may begin the next operation in it.
    template <typename... Results>
    void complete(pointer self, const Results&... results) {
        auto executor = work_.get_executor();
        const auto work = std::move(work_);
        completion<Handler, Results...> done{std::move(handler_), {results...}};
        self.reset();
        asio::dispatch(executor, std::move(done));
    }

private:
    using allocator =
        typename std::allocator_traits<asio::associated_allocator_t<Handler>>::template rebind_alloc<Self>;

    void destroy() noexcept override {
        allocator memory{asio::get_associated_allocator(handler_)};
        static_cast<Self*>(this)->~Self();
        std::allocator_traits<allocator>::deallocate(memory, static_cast<Self*>(this), 1);
    }

    asio::executor_work_guard<executor_of<Handler>> work_;
    Handler handler_;
};

template <typename Handler>
class wait_operation final : public operation<wait_operation<Handler>, Handler> {
public:
    using operation<wait_operation, Handler>::operation;

private:
    void ended(wait_handler::pointer self, std::error_code why) override { this->complete(std::move(self), why); }
};

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

struct wait {
    using executor_type = asio::any_io_executor;
    executor_type get_executor() const { return on.get_executor(); }

    template <typename Handler>
    void operator()(Handler&& handler, readiness what) const {
        using handler_type = std::decay_t<Handler>;
        on.start_wait(what, wait_operation<handler_type>::make(on, handler_type{std::forward<Handler>(handler)}));
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
