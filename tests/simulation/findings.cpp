#include "findings.hpp"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "base/wall_time.hpp"

namespace simulation {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t told_max = 20;
/// The state keeps milliseconds.
constexpr duration moved_least = 1s;
/// What failed is saved at once, which takes a disk some time.
constexpr duration saved_after = 1min;

}  // namespace

std::string_view to_string(check of) noexcept {
    switch (of) {
    case check::expired: return "expired";
    case check::ca_limit: return "ca_limit";
    case check::lost_state: return "lost_state";
    case check::unsaved: return "unsaved";
    case check::abandoned: return "abandoned";
    case check::careless_request: return "careless_request";
    case check::order_rate: return "order_rate";
    case check::early_order: return "early_order";
    case check::moved_renewal: return "moved_renewal";
    case check::out_of_turn: return "out_of_turn";
    case check::not_replaced: return "not_replaced";
    case check::late_replacement: break;
    }
    return "late_replacement";
}

void findings::add(wall_time at, check by, std::string_view text) {
    if (!first_)
        first_ = finding{at, by};
    if (++counts_[static_cast<std::size_t>(by)] <= told_max)
        texts_.push_back(fmt::format("{}: {} {}", to_string(by), evercert::to_rfc3339(at), text));
}

bool order_pace::order(wall_time now) {
    full_at_ = std::max(full_at_, now) + interval_;
    const bool too_many = full_at_ - now > ahead_;
    // One is one too many once.
    if (too_many)
        full_at_ -= interval_;
    return too_many;
}

void promises::killed(wall_time now) {
    std::erase_if(all_, [&](const auto& each) { return now - each.second.at < saved_after; });
}

std::optional<wall_time> promises::order(const std::string& name, wall_time now) const {
    const auto found = all_.find(name);
    std::optional<wall_time> broken;
    if (found != all_.end() && now + tolerance_ < found->second.until)
        broken = found->second.until;
    return broken;
}

std::optional<wall_time> renewal_times::look(
    const std::string& name, wall_time not_before, const std::string& reason, wall_time when) {
    auto& of = all_[name];
    if (of.not_before != not_before)
        of = {not_before, {}};
    auto& known = of.times.emplace(reason, when).first->second;
    const auto before = std::exchange(known, when);
    std::optional<wall_time> moved;
    if (std::chrono::abs(when - before) >= moved_least)
        moved = before;
    return moved;
}

}  // namespace simulation
