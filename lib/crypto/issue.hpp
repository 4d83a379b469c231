#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <evercert/certificate.hpp>
#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

#include "crypto/encoding.hpp"
#include "crypto/public_key.hpp"

namespace evercert {

struct validity {
    wall_time not_before;
    wall_time not_after;
};

/// A CA's own certificate, self-signed, with `name` as its common name. `key` may be of any type.
certificate make_root(std::string_view name, const private_key& key, const validity&);
/// The same under another CA: it may issue for servers, not for further CAs.
certificate make_intermediate(
    std::string_view name, const private_key& key, const validity&, const certificate& issuer);

/// What a server certificate is to say.
struct certificate_request {
    std::vector<identifier> names;
    public_key key;
    validity valid;
    bytes serial = {};  ///< big-endian, at most 20 bytes; empty = 128 random bits (CA/Browser Forum: at least 64)
};

/// A server certificate as public CAs issue them (RFC 5280; the subject is empty, so the names are critical). PEM: the
/// certificate, then the issuer and its chain up to and without the root. Throws `error` with `errc::invalid_options`
/// if there are no names.
std::string issue(const certificate_request&, const certificate& issuer);

}  // namespace evercert
