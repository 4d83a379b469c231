#pragma once

#include <exception>

namespace evercert {

/// A completion token for `co_spawn` that lets what the coroutine threw come out of
/// `io_context::run()`: `asio::co_spawn(io, manager.serve(), evercert::rethrow)`.
/// (`asio::detached` would swallow it.)
struct rethrow_t {
    template <typename... Results>
    void operator()(std::exception_ptr thrown, Results&&...) const {
        if (thrown)
            std::rethrow_exception(thrown);
    }
};

inline constexpr rethrow_t rethrow{};

}  // namespace evercert
