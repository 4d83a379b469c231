#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>
#include <evercert/key.hpp>

#include "base/interned_text.hpp"
#include "crypto/held_certificate.hpp"
#include "crypto/key_kind.hpp"
#include "renewal/schedule.hpp"

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
    certificate_record(const std::vector<identifier>& names, held_ptr certificate, double draw);

    /// As they were asked for.
    const std::vector<identifier>& names() const { return asked.empty() ? certificate->names() : asked; }

    held_ptr certificate;
    double draw = 0;              ///< the certificate's own draw in [0, 1) that spreads renewals
    wall_time obtained = {};      ///< by our clock; its `not_before` if that is unknown
    interned_text directory_url;  ///< of the CA that issued it; empty = unknown
    std::optional<suggested_window> window;
    std::optional<wall_time> poll_at;

    // Not kept:
    enum class notice { none, expiring, expired };
    notice told = notice::none;  ///< what the listeners were told of its end
    held_ptr rejected;           ///< by clients, so this one was taken back; the store may have it still
    /// The CA did not take an order as its replacement (RFC 9773, section 5): none of this run says again what it replaces.
    bool not_replaceable = false;

    /// A later one, which clients did not reject. Which of the two lasts longer says nothing: lifetimes become shorter.
    bool gives_way_to(const certificate_record& other) const {
        return other.certificate->not_before() > certificate->not_before() &&
            !(rejected && rejected->chain_pem() == other.certificate->chain_pem());
    }

private:
    std::vector<identifier> asked;  ///< empty if it is the certificate's own list
};

/// An order that may be finalized: what finds its certificate again after a crash. Written before finalize is sent.
struct pending_order {
    std::string directory_url;
    std::string url;
    private_key key;
    wall_time at = {};
    bool replaces = false;  ///< the order said which certificate it replaces
};

/// Which names may be obtained.
struct host_policy {
    bool any = true;
    std::vector<identifier> names;  ///< sorted
    bool chosen = false;            ///< by the application in this run, not by a state that was loaded

    /// In the list.
    bool lists(const identifier&) const;
    bool admits(const identifier& name) const { return any || lists(name); }
};

/// When the limiters' buckets are full again, and the evidence that time has come so far.
struct limits_record {
    wall_time orders_full = {};
    wall_time new_hosts_full = {};
    wall_time polls_full = {};
    std::vector<wall_time> latest_orders;  ///< those that the ceiling counts
    wall_time written = {};
};

/// What two processes have: the larger debts, and `mine.written` if there is one, since the other one's clock is no evidence for
/// this one's.
limits_record merged(limits_record mine, limits_record other);

/// Store keys. "accounts/ca.test:14000", "certificates/example.com", "certificates/example.com:1f2e3d4c5b6a7988"
/// for several names, both followed by ":rsa" or ":p384" for such a key; "orders/" and the rest of a certificate's for its
/// pending order.
std::string account_key(std::string_view directory_url);
std::string certificate_key(const std::vector<identifier>& names, key_kind = key_kind::ec_p256);
/// The kind of key that a certificate's key says, and the key of the same names for another kind.
key_kind kind_in(std::string_view certificate_key);
std::string for_kind(std::string_view certificate_key, key_kind);
std::string pending_key(std::string_view certificate_key);
/// "failures/ca.test:14000:1f2e3d4c/a", "ledger/…", "limits/…": what one CA, by its directory's URL, was asked and said is no
/// other's.
std::string failures_key(std::string_view directory_url, int shard);
std::string ledger_key(std::string_view directory_url, int shard);
std::string limits_key(std::string_view directory_url);
/// What stands for an account's key in the ledger and with failures.
std::string account_tag(const private_key&);
inline constexpr std::string_view certificates_prefix = "certificates/";
inline constexpr std::string_view orders_prefix = "orders/";
inline constexpr std::string_view hosts_key = "hosts";

/// The draw of a certificate that comes without one, from its chain, so that each reading gives the same.
double draw_for(std::string_view chain_pem);

/// Records as JSON and back. Reading throws `error` with `errc::state_damaged` and the member that is wrong.
boost::json::object to_json(const account_record&);
boost::json::object to_json(const certificate_record&);
boost::json::object to_json(const pending_order&);
boost::json::object to_json(const host_policy&);
boost::json::object to_json(const limits_record&);
account_record read_account(const boost::json::object&);
/// A certificate is not parsed if its record has the dates.
certificate_record read_certificate(const boost::json::object&);
pending_order read_pending(const boost::json::object&);
host_policy read_hosts(const boost::json::object&);
limits_record read_limits(const boost::json::object&);

}  // namespace evercert
