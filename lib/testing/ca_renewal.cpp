// RFC 9773: renewal information.

#include <algorithm>

#include "base/wall_time.hpp"
#include "testing/answers.hpp"
#include "testing/ca_core.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

renewal_window shifted(renewal_window window, duration by) {
    window.start = plus(window.start, by);
    window.end = plus(window.end, by);
    return window;
}

}  // namespace

response ca_core::renewal_info(const route& where) {
    inject_fault(resource::renewal_info);
    const auto* found = options_.renewal_info ? book_.find_renewal(where.name) : nullptr;
    if (!found)
        throw refusal{404, "malformed", "no certificate has the id " + quoted(where.name)};
    auto answer = json_response(200, view_.renewal_info(shifted(found->window, renewal_faults_.shift)));
    if (!renewal_faults_.body.empty())
        answer.body = renewal_faults_.body;
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
    if (found->replaced || (before && before->status != acme::order_status::invalid)) {
        careless_.already_replaced(payload, now);
        throw refusal{409, "alreadyReplaced", "the certificate is replaced by another order already"};
    }
    return found;
}

void ca_core::renewal_window(std::string_view serial, const testing::renewal_window& window) {
    auto* found = book_.find_serial(serial);
    if (!found)
        throw error{errc::invalid_options, "no certificate with the serial number " + quoted(serial) + " was issued"};
    move_window(*found, window);
}

void ca_core::renewal_windows(const testing::renewal_window& window) {
    for (auto& [id, each] : book_.certificates())
        move_window(each, window);
}

void ca_core::move_window(certificate_record& certificate, testing::renewal_window window) {
    if (renewal_faults_.stale)
        certificate.fresh_window = std::move(window);
    else
        certificate.window = std::move(window);
}

void ca_core::stale_renewal_info(bool stale) {
    renewal_faults_.stale = stale;
    if (stale)
        return;
    for (auto& [id, each] : book_.certificates())
        if (auto fresh = std::exchange(each.fresh_window, {}))
            each.window = std::move(*fresh);
}

}  // namespace evercert::testing
