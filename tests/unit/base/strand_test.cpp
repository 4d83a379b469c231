#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>

#include "base/strand.hpp"
#include "catch.hpp"

using evercert::strand_of;

TEST_CASE("a strand of an io_context needs no memory of its own for each copy") {
    asio::io_context io;
    const auto strand = strand_of(io.get_executor());
    CHECK(strand.target<asio::strand<asio::io_context::executor_type>>() != nullptr);
    // The strand lies within the executor.
    CHECK(sizeof(asio::strand<asio::io_context::executor_type>) <= 3 * sizeof(void*));
    CHECK(strand != strand_of(io.get_executor()));
}

TEST_CASE("a strand of another executor is one as well") {
    asio::thread_pool pool{1};
    const auto strand = strand_of(pool.get_executor());
    CHECK(strand.target<asio::strand<asio::any_io_executor>>() != nullptr);
    pool.join();
}
