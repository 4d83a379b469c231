#include <optional>
#include <utility>

#include <evercert/error.hpp>
#include <evercert/testing/ca_faults.hpp>

#include "testing/ca_core.hpp"
#include "testing/refusal.hpp"

namespace evercert::testing {

namespace {

fault_plan::target parse_target(std::string_view resource) {
    return resource.empty() ? fault_plan::target{} : parse_resource(resource);
}

}  // namespace

void ca_faults::fail_every(
    int n, std::string_view resource, int status, std::string type, std::string detail, std::string retry_after) {
    auto how = make_fault(status, type, std::move(detail), std::move(retry_after));
    const std::lock_guard lock{mutex_};
    core_.faults().fail_every(n, parse_target(resource), std::move(how));
}

void ca_faults::lose_every(int n, std::string_view resource) {
    const std::lock_guard lock{mutex_};
    core_.faults().lose_every(n, parse_target(resource));
}

void ca_faults::fail_validations(int n, std::string type, std::string detail) {
    const std::lock_guard lock{mutex_};
    core_.fail_validations(n, acme_problem(400, type, std::move(detail)));
}

void ca_faults::hang_orders(bool on) {
    const std::lock_guard lock{mutex_};
    core_.hang_orders(on);
}

void ca_faults::renewal_info_body(std::string body) {
    const std::lock_guard lock{mutex_};
    core_.renewal_info_body(std::move(body));
}

void ca_faults::shift_renewal_windows(std::chrono::seconds by) {
    const std::lock_guard lock{mutex_};
    core_.shift_renewal_windows(by);
}

void ca_faults::stale_renewal_info(bool on) {
    const std::lock_guard lock{mutex_};
    core_.stale_renewal_info(on);
}

void ca_faults::renewal_info_retry_after(std::string value) {
    const std::lock_guard lock{mutex_};
    core_.renewal_info_retry_after(std::move(value));
}

void ca_faults::forget_accounts() {
    const std::lock_guard lock{mutex_};
    core_.forget_accounts();
}

int ca_faults::revoke_all(std::string explanation_url) {
    const std::lock_guard lock{mutex_};
    return core_.revoke_all({time_.wall(), time_.steady()}, std::move(explanation_url));
}

void ca_faults::replace_issuer() {
    const std::lock_guard lock{mutex_};
    core_.replace_issuer(time_.wall());
}

void ca_faults::lifetime(std::chrono::seconds lifetime) {
    if (lifetime.count() <= 0)
        throw error{errc::invalid_options, "the lifetime of certificates must be above 0"};
    const std::lock_guard lock{mutex_};
    core_.lifetime(lifetime);
}

}  // namespace evercert::testing
