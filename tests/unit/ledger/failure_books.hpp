#pragma once

#include <exception>
#include <string>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "catch.hpp"
#include "ledger/failure_book.hpp"

namespace test {

using namespace evercert;

inline const wall_time t0 = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};
inline constexpr std::size_t enough = 1000;

inline failure make_failure(failure_class kind = failure_class::connection, std::string text = "no answer") {
    failure result;
    result.kind = kind;
    result.text = std::move(text);
    result.code = errc::authorization_invalid;
    return result;
}

struct failing {
    failure_book book{enough, retry_options{}};

    duration fail(wall_time now, failure_class kind = failure_class::connection, double draw = 0) {
        return book.remember("key", make_failure(kind), now, draw).retry_at - now;
    }
};

inline boost::json::object reparse(const boost::json::object& object) {
    return boost::json::parse(boost::json::serialize(object)).as_object();
}

/// Everything in `from`, as a store would hand it to another process.
inline failure_book copy_of(const failure_book& from, wall_time now) {
    failure_book copy{enough, retry_options{}};
    for (int shard = 0; shard < failure_book::shards; ++shard)
        REQUIRE(copy.read(shard, reparse(from.to_json(shard)), now) == 0);
    return copy;
}
template <typename Thrown>
std::exception_ptr thrown(Thrown what) {
    return std::make_exception_ptr(std::move(what));
}

}  // namespace test
