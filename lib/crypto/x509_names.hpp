#pragma once

#include <string>
#include <vector>

#include <evercert/identifier.hpp>

#include "crypto/openssl.hpp"

namespace evercert {

/// The subject alternative name extension's value; empty for no names.
general_names_ptr to_general_names(const std::vector<identifier>&);

/// The DNS names and IP addresses among them that are identifiers, in order; others, such as e-mail addresses or names
/// of a single label, are left out. Throws `error` with `errc::invalid_certificate` for what no CA may sign: a DNS name
/// with a NUL or other unprintable character, an IP address that has neither 4 nor 16 bytes.
std::vector<identifier> from_general_names(const GENERAL_NAMES*);

/// The common name in UTF-8, or the whole name as RFC 2253 has it if there is none.
std::string readable_name(const X509_NAME*);

}  // namespace evercert
