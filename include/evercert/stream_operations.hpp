#pragma once

#include <cstddef>
#include <memory>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/dispatch.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>

#include <evercert/stream.hpp>

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
        Self* const self = static_cast<Self*>(this);
        self->~Self();
        std::allocator_traits<allocator>::deallocate(memory, self, 1);
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

}  // namespace evercert::detail
