#include "testing/careless_requests.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include "base/wall_time.hpp"

namespace evercert::testing {

namespace {

/// More than any test has waiting: what is told to more clients than that is forgotten, and nobody is accused wrongly.
constexpr std::size_t told_max = 100'000;

std::string text(const boost::json::object& in, std::string_view name) {
    const auto* found = in.if_contains(name);
    return found ? boost::json::serialize(*found) : std::string{};
}

}  // namespace

void careless_requests::new_order(const boost::json::object& payload) {
    latest_names_ = text(payload, "identifiers");
    if (!payload.contains("replaces"))
        told_.erase(latest_names_);
}

void careless_requests::already_replaced(const boost::json::object& payload, moment now) {
    if (told_.size() >= told_max)
        told_.clear();
    const auto id = text(payload, "replaces");
    auto& told = told_[latest_names_];
    if (told == id)
        note(
            now, "newOrder for " + latest_names_ + " replaces " + id + " again, which it was told is replaced already");
    told = id;
}

void careless_requests::finalized_again(const order_record& order, moment now) {
    note(
        now,
        "finalize for " + to_string(order.names) + ", order " + std::to_string(order.id) + ", which is " +
            std::string{to_string(order.status)});
}

void careless_requests::note(moment now, const std::string& what) {
    ++count_;
    latest_.push_back(to_rfc3339(now.wall) + " " + what);
    if (latest_.size() > latest_max)
        latest_.pop_front();
}

}  // namespace evercert::testing
