#pragma once

#include <set>
#include <vector>

#include <evercert/acme/types.hpp>
#include <evercert/manager_options.hpp>

namespace evercert {

/// The challenge to answer: the CA's offer decides, in our order of preference, without those that failed for this
/// certificate before. Null if nothing is left.
const acme::challenge* choose_challenge(
    const acme::authorization&, const std::vector<challenge_type>& preference, const std::set<challenge_type>& failed);

}  // namespace evercert
