#include <typeinfo>

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include "base/strand.hpp"
#include "catch.hpp"

using evercert::strand_of;

namespace {

using io_strand = asio::strand<asio::io_context::executor_type>;
using any_strand = asio::strand<asio::any_io_executor>;

}  // namespace

TEST_CASE("a strand of an io_context needs no memory of its own for each copy") {
    asio::io_context io;
    const auto strand = strand_of(io.get_executor());
    CHECK(strand.target_type() == typeid(io_strand));
    // The strand lies within the executor.
    CHECK(sizeof(io_strand) <= 3 * sizeof(void*));
    CHECK(strand != strand_of(io.get_executor()));
}

TEST_CASE("a strand of another executor is one of that and not of what is below it") {
    asio::thread_pool pool{1};
    CHECK(strand_of(pool.get_executor()).target_type() == typeid(any_strand));
    bool ran = false;
    asio::post(strand_of(pool.get_executor()), [&] { ran = true; });
    pool.join();
    CHECK(ran);
}

TEST_CASE("what runs on a strand of a strand runs on that, too") {
    asio::io_context io;
    const auto outer = asio::make_strand(io);
    const auto inner = strand_of(outer);
    CHECK(inner.target_type() == typeid(any_strand));
    bool within = false;
    asio::post(inner, [&] { within = outer.running_in_this_thread(); });
    io.run();
    CHECK(within);
}
