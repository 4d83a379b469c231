#pragma once

#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <asio/awaitable.hpp>

namespace evercert {

/// What an awaitable came to, as a value: `a() || b()` of asio swallows what its operands throw.
template <typename T>
class outcome {
public:
    std::exception_ptr thrown;
    std::optional<std::conditional_t<std::is_void_v<T>, bool, T>> value;

    T get() {
        if (thrown)
            std::rethrow_exception(thrown);
        if constexpr (!std::is_void_v<T>)
            return std::move(*value);
    }
};

template <typename T>
asio::awaitable<outcome<T>> as_outcome(asio::awaitable<T> work) {
    outcome<T> result;
    try {
        if constexpr (std::is_void_v<T>) {
            co_await std::move(work);
            result.value = true;
        } else {
            result.value.emplace(co_await std::move(work));
        }
    } catch (...) {
        result.thrown = std::current_exception();
    }
    co_return result;
}

}  // namespace evercert
