#pragma once

#include <string>

#include <evercert/identifier.hpp>

namespace evercert {

/// What CAs count certificates by: "example.co.uk" for "www.example.co.uk" and for its wildcards, by the public suffix
/// list of the system. A public suffix stands for itself; so does an IPv4 address; an IPv6 address for its /64
/// ("2001:db8::/64"), as Let's Encrypt counts. Thread-safe.
std::string registered_domain(const identifier&);

}  // namespace evercert
