#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <evercert/acme/types.hpp>
#include <evercert/clock.hpp>
#include <evercert/error.hpp>
#include <evercert/identifier.hpp>

#include "crypto/jws.hpp"

namespace evercert::testing {

/// Both clocks, read once a request.
struct moment {
    wall_time wall;
    steady_time steady;
};

// What the CA remembers. Records refer to each other by their number, which is also what their URLs
// have, from 1 on.

struct account_record {
    std::size_t id;
    public_key key;
    acme::account_status status = acme::account_status::valid;
    std::vector<std::string> contact = {};
    std::vector<std::size_t> orders = {};
};

struct challenge_record {
    std::size_t id;
    std::size_t authorization;
    std::string type;
    std::string token;
    acme::challenge_status status = acme::challenge_status::pending;
    /// When the client said that it can be validated.
    steady_time answered = {};
    /// What the validation found, which may be known before `status` shows it.
    bool is_validated = false;
    std::optional<problem> error = {};
    wall_time validated = {};
};

struct authorization_record {
    std::size_t id;
    std::size_t account;
    /// Without "*." for a wildcard (RFC 8555, section 7.1.4).
    evercert::identifier identifier;
    bool wildcard;
    wall_time expires;
    acme::authorization_status status = acme::authorization_status::pending;
    std::vector<std::size_t> challenges = {};
};

/// RFC 9773, section 4.2.
struct renewal_window {
    wall_time start;
    wall_time end;
    std::string explanation_url = {};
};

struct order_record {
    std::size_t id;
    std::size_t account;
    std::vector<identifier> names;
    wall_time expires;
    std::vector<std::size_t> authorizations = {};
    acme::order_status status = acme::order_status::pending;
    std::optional<problem> error = {};
    steady_time finalized = {};
    std::size_t certificate = 0;
    std::string replaces = {};
};

struct certificate_record {
    std::size_t id;
    std::size_t account;
    std::vector<identifier> names;
    std::string serial;
    std::vector<unsigned char> der;
    std::string chain_pem;
    std::string alternate_pem;
    /// As RFC 9773, section 4.1 names it.
    std::string renewal_id;
    renewal_window window;
    wall_time not_after;
    /// What `window` will be when renewal information is no longer stale.
    std::optional<renewal_window> fresh_window = {};
    /// The latest order that was to replace it; 0 = none.
    std::size_t replaced_by = 0;
    /// Such an order was finalized.
    bool replaced = false;
    bool revoked = false;
};

/// A validation that is to be made, for whoever does I/O.
struct validation {
    std::size_t challenge;
    std::string type;
    evercert::identifier identifier;
    std::string token;
    std::string key_authorization;
};

}  // namespace evercert::testing
