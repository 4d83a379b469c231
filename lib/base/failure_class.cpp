#include <array>

#include <evercert/failure_class.hpp>

namespace evercert {
namespace {

constexpr std::array<std::string_view, failure_class_count> names{
    "name_refused", "caa", "dns", "connection", "rate_limited", "server", "our_mistake", "local", "cancelled"};
static_assert(names[static_cast<std::size_t>(failure_class::cancelled)] == "cancelled");

}  // namespace

std::string_view to_string(failure_class kind) noexcept { return names[static_cast<std::size_t>(kind)]; }

std::optional<failure_class> parse_failure_class(std::string_view text) noexcept {
    for (std::size_t i = 0; i < names.size(); ++i)
        if (text == names[i])
            return static_cast<failure_class>(i);
    return {};
}

}  // namespace evercert
