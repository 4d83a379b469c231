#pragma once

#include <optional>
#include <string_view>

#include <evercert/clock.hpp>

#include "store/document.hpp"

namespace evercert {

/// What Go's rsc.io/letsencrypt wrote as its state, as a state of ours. Nothing if `text` is something else.
///
/// - The account's key carries over with its e-mail address, under the CA of `directory_url`; the registration does
///   not, since it was one of ACME's first version. The account is registered with the CA at first need; Let's
///   Encrypt then finds the one that this key had.
/// - The host list carries over: `null` is any host. Hosts that no certificate can be for, such as "localhost", are
///   left out.
/// - Certificates carry over, but for those that have expired at `now`.
///
/// Throws `error` with `errc::state_damaged`, the place and the reason.
std::optional<state_items> read_go_state(std::string_view text, std::string_view directory_url, wall_time now);

}  // namespace evercert
