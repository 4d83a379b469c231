#include <array>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/events.hpp>

#include "acme/dates.hpp"

namespace evercert {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, event_type_count> names{
    "registered",
    "obtained",
    "renewed",
    "loaded",
    "published",
    "rolled_back",
    "failed",
    "retry_planned",
    "refused",
    "expiring",
    "expired",
    "forgotten",
    "renewal_suggested",
    "replacement_planned",
    "replacement_done",
    "clock_doubted",
    "clock_trusted",
    "saved",
    "save_failed"};
static_assert(names[static_cast<std::size_t>(event_type::save_failed)] == "save_failed");

}  // namespace

std::string_view to_string(event_type type) noexcept { return names[static_cast<std::size_t>(type)]; }

std::string to_json(const manager_event& event) {
    json::object line{{"type", to_string(event.type)}, {"at", acme::to_rfc3339(event.at)}};
    if (!event.names.empty()) {
        json::array list;
        for (const auto& name : event.names)
            list.emplace_back(name.value());
        line["names"] = std::move(list);
    }
    if (!event.text.empty())
        line["text"] = event.text;
    if (event.failure)
        line["failure"] = to_string(*event.failure);
    if (event.next)
        line["next"] = acme::to_rfc3339(*event.next);
    if (event.key)
        line["key"] = to_string(*event.key);
    if (!event.serial.empty())
        line["serial"] = event.serial;
    return json::serialize(line);
}

}  // namespace evercert
