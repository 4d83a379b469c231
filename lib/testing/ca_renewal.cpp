// RFC 9773: renewal information.

#include <algorithm>

#include "testing/answers.hpp"
#include "testing/ca_core.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

response ca_core::renewal_info(const route& where) {
    inject_fault(resource::renewal_info);
    const auto* found = options_.renewal_info ? book_.find_renewal(where.name) : nullptr;
    if (!found)
        throw refusal{404, "malformed", "no certificate has the id " + quoted(where.name)};
    auto answer = json_response(200, view_.renewal_info(*found));
    if (!options_.renewal_info_retry_after.empty())
        answer.fields.set("Retry-After", options_.renewal_info_retry_after);
    return answer;
}

certificate_record* ca_core::find_replaced(
    const boost::json::object& payload, const account_record& account, const std::vector<identifier>& names,
    moment now) {
    const auto* id = find_string(payload, "replaces");
    if (!id)
        return nullptr;
    if (!options_.renewal_info)
        throw refusal{400, "malformed", "\"replaces\" is not supported: the directory has no renewalInfo"};
    // Section 5 has these checks.
    auto* found = book_.find_renewal(std::string{*id});
    if (!found || found->account != account.id)
        throw refusal{400, "malformed", "the account has no certificate " + quoted(*id) + " to replace"};
    const auto is_ordered = [&](const identifier& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    if (std::none_of(found->names.begin(), found->names.end(), is_ordered))
        throw refusal{400, "malformed", "the order and the certificate that it replaces have no name in common"};
    const auto* before = book_.find_order(found->replaced_by, now);
    if (before && before->status != acme::order_status::invalid)
        throw refusal{409, "alreadyReplaced", "the certificate is replaced by another order already"};
    return found;
}

void ca_core::renewal_window(std::string_view serial, const testing::renewal_window& window) {
    auto& all = book_.certificates();
    const auto found = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.serial == serial; });
    if (found == all.end())
        throw error{errc::invalid_options, "no certificate with the serial number " + quoted(serial) + " was issued"};
    found->window = window;
}

void ca_core::renewal_windows(const testing::renewal_window& window) {
    for (auto& each : book_.certificates())
        each.window = window;
}

}  // namespace evercert::testing
