#include "testing/fault_plan.hpp"

#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

template <typename Value>
Value* find(std::map<fault_plan::target, Value>& in, resource what) {
    auto found = in.find(what);
    if (found == in.end())
        found = in.find(std::nullopt);
    return found == in.end() ? nullptr : &found->second;
}

}  // namespace

every_nth::every_nth(int n) : n_{n} {
    if (n < 0)
        throw error{errc::invalid_options, "every nth: n must not be negative"};
}

fault make_fault(int status, const std::string& type, std::string detail, std::string retry_after) {
    if (status < 400 || status > 599)
        throw error{errc::invalid_options, "a failure has a status from 400 to 599"};
    auto why = acme_problem(status, type, std::move(detail));
    if (type.empty())
        why.type.clear();
    return {std::move(why), std::move(retry_after)};
}

void fault_plan::recover() {
    queued_.clear();
    failing_.clear();
    losing_.clear();
}

std::optional<fault> fault_plan::failure(resource what) {
    if (const auto queued = queued_.find(what); queued != queued_.end() && !queued->second.empty()) {
        auto first = std::move(queued->second.front());
        queued->second.pop_front();
        return first;
    }
    if (auto* found = find(failing_, what); found && found->when())
        return found->how;
    return {};
}

bool fault_plan::is_lost(resource what) {
    auto* found = find(losing_, what);
    return found && (*found)();
}

}  // namespace evercert::testing
