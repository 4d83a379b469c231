#include <array>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/status.hpp>

#include "acme/dates.hpp"

namespace evercert {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 7> states{"not_asked_for", "obtaining", "failed", "valid",
                                                 "renewing",      "expiring",  "expired"};
static_assert(states[static_cast<std::size_t>(certificate_state::expired)] == "expired");

constexpr std::array<std::string_view, 5> acts{"none", "poll_renewal_info", "renew", "obtain", "forget"};
static_assert(acts[static_cast<std::size_t>(next_act::forget)] == "forget");

void add(json::object& to, std::string_view name, const std::string& text) {
    if (!text.empty())
        to[name] = text;
}

void add(json::object& to, std::string_view name, const std::optional<wall_time>& time) {
    if (time)
        to[name] = acme::to_rfc3339(*time);
}

json::object as_object(const last_problem& problem) {
    return {
        {"class", to_string(problem.kind)},
        {"text", problem.text},
        {"at", acme::to_rfc3339(problem.at)},
        {"failures", problem.failures}};
}

json::object as_object(const certificate_status& status) {
    json::array names;
    for (const auto& name : status.names)
        names.emplace_back(name.value());
    json::object object{{"names", std::move(names)}};
    if (status.origin != certificate_origin::managed)
        object["origin"] = to_string(status.origin);
    if (status.key)
        object["key"] = to_string(*status.key);
    object["state"] = to_string(status.state);
    add(object, "not_before", status.not_before);
    add(object, "not_after", status.not_after);
    if (status.problem)
        object["problem"] = as_object(*status.problem);
    object["next"] = to_string(status.next);
    add(object, "next_at", status.next_at);
    add(object, "reason", status.reason);
    add(object, "poll_at", status.poll_at);
    object["saved"] = status.saved;
    return object;
}

json::object as_object(const limiter_status& limiter) {
    return {{"name", limiter.name}, {"wait", limiter.wait.count()}, {"waiting", limiter.waiting}};
}

json::object as_object(const replacement_status& replacement) {
    json::array first;
    for (const auto& name : replacement.first)
        first.emplace_back(name.value());
    json::object object{
        {"certificates", replacement.certificates},
        {"first", std::move(first)},
        {"limit", replacement.limit},
        {"interval", replacement.interval.count()},
        {"done_at", acme::to_rfc3339(replacement.done_at)}};
    add(object, "deadline", replacement.deadline);
    object["late"] = replacement.late;
    return object;
}

template <typename Entry>
json::array as_array(const std::vector<Entry>& entries) {
    json::array list;
    for (const auto& entry : entries)
        list.emplace_back(as_object(entry));
    return list;
}

}  // namespace

std::string_view to_string(certificate_state state) noexcept { return states[static_cast<std::size_t>(state)]; }

std::string_view to_string(certificate_origin origin) noexcept {
    return origin == certificate_origin::own ? "own" : "managed";
}

std::string_view to_string(next_act act) noexcept { return acts[static_cast<std::size_t>(act)]; }

std::string to_json(const certificate_status& status) { return json::serialize(as_object(status)); }

std::string to_json(const manager_status& status) {
    json::object object{{"at", acme::to_rfc3339(status.at)}, {"directory_url", status.directory_url}};
    add(object, "account_url", status.account_url);
    if (status.clock_doubt)
        object["clock_doubt"] = *status.clock_doubt;
    object["ordered"] = status.ordered;
    object["issued"] = status.issued;
    object["failed_validations"] = status.failed_validations;
    object["limiters"] = as_array(status.limiters);
    if (status.replacement)
        object["replacement"] = as_object(*status.replacement);
    object["certificates"] = as_array(status.certificates);
    return json::serialize(object);
}

}  // namespace evercert
