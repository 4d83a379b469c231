#pragma once

#include <evercert/acme/types.hpp>

namespace evercert::acme {

/// A poll goes on.
bool is_unfinished(const order&);
bool is_unfinished(const authorization&);
/// There is no unfinished chain.
constexpr bool is_unfinished(const certificate_chain&) { return false; }

/// For what the CA ended in a way that leads to no certificate: the error with the problem that the CA gave as its reason.
[[noreturn]] void throw_invalid(const order&);
[[noreturn]] void throw_invalid(const authorization&);

}  // namespace evercert::acme
