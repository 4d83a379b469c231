#include "issuance/choose_challenge.hpp"

#include "challenge/solver.hpp"

namespace evercert {

const acme::challenge* choose_challenge(
    const acme::authorization& of, const std::vector<challenge_type>& preference,
    const std::set<challenge_type>& failed) {
    for (const auto type : preference)
        if (!failed.contains(type))
            if (const auto* offered = of.find(to_string(type)))
                return offered;
    return nullptr;
}

}  // namespace evercert
