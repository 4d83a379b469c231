#pragma once

#include <typeinfo>

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>

namespace evercert {

/// A strand of `executor`. Of an io_context's own executor, if it is one: such a strand fits into an `any_io_executor`, while one of an
/// `any_io_executor` is memory of its own for each copy, and each wait makes several.
inline asio::any_io_executor strand_of(const asio::any_io_executor& executor) {
    // target() casts to whatever it is asked for, in Asio 1.22.
    if (executor.target_type() == typeid(asio::io_context::executor_type))
        return asio::make_strand(*executor.target<asio::io_context::executor_type>());
    return asio::make_strand(executor);
}

}  // namespace evercert
