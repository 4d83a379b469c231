// What somebody outside has the CA do, or do wrong.

#include "testing/ca_core.hpp"

namespace evercert::testing {

void ca_core::fail_validations(int n, problem why) {
    bad_validation_ = every_nth{n};
    bad_validation_problem_ = std::move(why);
}

void ca_core::validated(std::size_t challenge, std::optional<problem> error, moment now) {
    if (bad_validation_())
        error = bad_validation_problem_;
    const bool failed = error.has_value();
    const auto* authorization = book_.validated(challenge, std::move(error), now);
    if (authorization && failed)
        limiter_.authorization_failed(authorization->account, authorization->identifier, now);
}

int ca_core::revoke_all(moment now, std::string explanation_url) {
    int revoked = 0;
    for (auto& [id, each] : book_.certificates()) {
        if (each.revoked || each.not_after <= now.wall)
            continue;
        each.revoked = true;
        move_window(each, {now.wall - std::chrono::hours{1}, now.wall, explanation_url});
        ++revoked;
    }
    return revoked;
}

void ca_core::replace_issuer(wall_time now) {
    issuer_ = authority{"evercert testing " + std::to_string(++issuers_), now, options_.alternate_chain};
    roots_pem_ += issuer_.roots_pem();
}

void ca_core::recover() {
    faults_.recover();
    bad_validation_ = {};
    hang_orders(false);
    stale_renewal_info(false);
    renewal_faults_ = {};
}

}  // namespace evercert::testing
