#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <asio/ip/address.hpp>

#include <evercert/ca_limits.hpp>
#include <evercert/identifier.hpp>

#include "testing/ca_records.hpp"

namespace evercert::testing {

/// Token buckets of one size, by name. Each is full at first and refills continuously, as Let's Encrypt's are.
class limit_buckets {
public:
    explicit limit_buckets(ca_limit limit) : limit_{limit} {}

    const ca_limit& limit() const { return limit_; }
    /// Until there is a token; 0 = now.
    duration wait(const std::string& name, steady_time now) const;
    /// Not below empty: what was allowed when the bucket had a token is not punished later.
    void take(const std::string& name, steady_time now);
    /// Full buckets are as if they had never been asked.
    void prune(steady_time now);
    std::size_t size() const { return full_at_.size(); }

private:
    duration interval() const { return duration{limit_.window} / limit_.count; }

    ca_limit limit_;
    std::map<std::string, steady_time> full_at_;
};

/// What an order counts as.
struct order_standing {
    bool is_replacement = false;  ///< has a valid `replaces`
    bool is_renewal = false;      ///< the same names were certified before
};

/// Let's Encrypt's limits, enforced on its side. It has nothing in common with the client's ledger, so that one checks
/// the other.
///
/// As there, certificates count when they are issued, and new orders are refused while their bucket is empty: orders that
/// are placed at once may exceed a limit of certificates.
class ca_limiter {
public:
    /// How many refusals are kept as text: enough for the message of a failing test.
    static constexpr std::size_t latest_max = 20;

    /// Without limits it refuses nothing.
    explicit ca_limiter(const std::optional<ca_limits>&);

    // These throw `refusal` (rateLimited), and count it.

    void new_account(const asio::ip::address& from, moment now);
    void new_order(std::size_t account, const std::vector<identifier>& names, order_standing, moment now);

    void issued(const std::vector<identifier>& names, order_standing, moment now);
    void authorization_failed(std::size_t account, const identifier& name, moment now);

    void prune(moment now);
    std::size_t size() const;
    int violations() const { return violations_; }
    const std::deque<std::string>& latest() const { return latest_; }

private:
    /// A bucket that a request needs a token of.
    struct need {
        limit_buckets* buckets;
        std::string name;
        const char* what;  ///< is limited: "new orders of account 1"
    };

    void require(const std::vector<need>&, const std::string& request, moment now);

    bool replacements_exempt_;
    limit_buckets orders_;
    limit_buckets per_domain_;
    limit_buckets per_name_set_;
    limit_buckets failures_;
    limit_buckets accounts_;
    int violations_ = 0;
    std::deque<std::string> latest_;
};

}  // namespace evercert::testing
