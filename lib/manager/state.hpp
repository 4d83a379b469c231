#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <evercert/certificate.hpp>
#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

#include "store/document.hpp"

namespace evercert {

/// The account at one CA.
struct account_record {
    std::string directory_url;
    std::string email;
    std::string url;  ///< empty until the CA has it
    private_key key;
};

/// A certificate that the manager looks after.
struct certificate_record {
    std::vector<identifier> names;  ///< as it was asked for
    certificate_ptr certificate;
    double draw = 0;  ///< the certificate's own draw in [0, 1) that spreads renewals
};

/// Which names may be obtained.
struct host_policy {
    bool any = true;
    std::vector<identifier> names;
    bool chosen = false;  ///< by the application in this run, not by a state that was loaded

    bool admits(const identifier&) const;
};

/// When the limiters' buckets are full again.
struct limits_record {
    wall_time orders_full = {};
    wall_time new_hosts_full = {};
};

/// Store keys. "accounts/ca.test:14000", "certificates/example.com", "certificates/example.com:1f2e3d4c5b6a7988"
/// for several names.
std::string account_key(std::string_view directory_url);
std::string certificate_key(const std::vector<identifier>& names);
inline constexpr std::string_view hosts_key = "hosts";
inline constexpr std::string_view limits_key = "limits";

/// The draw of a certificate that comes without one, from its chain, so that each reading gives the same.
double draw_for(std::string_view chain_pem);

/// Records as JSON and back. Reading throws `error` with `errc::state_damaged` and the member that is wrong.
boost::json::object to_json(const account_record&);
boost::json::object to_json(const certificate_record&);
boost::json::object to_json(const host_policy&);
boost::json::object to_json(const limits_record&);
account_record read_account(const boost::json::object&);
certificate_record read_certificate(const boost::json::object&);
host_policy read_hosts(const boost::json::object&);
limits_record read_limits(const boost::json::object&);

/// All that the manager must not forget, in memory. Thread-safe.
class state {
public:
    explicit state(std::string directory_url) : directory_url_{std::move(directory_url)} {}

    /// Everything as items, for `marshal()`; and back. `replace` throws and changes nothing if an item is damaged.
    /// Items that it does not know (another CA's account) are kept.
    state_items items() const;
    void replace(const state_items&);
    std::optional<boost::json::object> item(const std::string& key) const;

    std::optional<account_record> account() const;
    void set_account(account_record);
    host_policy hosts() const;
    void set_hosts(host_policy);
    bool admits(const identifier&) const;
    limits_record limits() const;
    void set_limits(limits_record);
    std::optional<certificate_record> certificate(const std::string& key) const;
    std::map<std::string, certificate_record> certificates() const;
    void set_certificate(const std::string& key, certificate_record);

private:
    std::string directory_url_;
    mutable std::mutex mutex_;
    std::optional<account_record> account_;
    host_policy hosts_;
    limits_record limits_;
    std::map<std::string, certificate_record> certificates_;
    state_items unknown_;
};

}  // namespace evercert
