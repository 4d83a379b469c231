#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include <evercert/ca_limits.hpp>
#include <evercert/clock.hpp>
#include <evercert/identifier.hpp>

#include "base/token_bucket.hpp"
#include "ledger/ending_map.hpp"
#include "ledger/own_takes.hpp"

namespace evercert {

/// What an order is to the CA's limits.
struct order_kind {
    bool renewal = false;   ///< these names were issued for before
    bool replaces = false;  ///< and the order says which certificate it replaces (RFC 9773)
    bool repeats = false;   ///< this CA issued for exactly these names within `ca_limits::renewal_window`
};

/// What was asked of one CA with one account, counted against its limits before anything is sent. A pure value on wall time;
/// not synchronized. Everything is O(names · log n).
///
/// How an order is counted, so that neither concurrent orders nor a crash can spend a limit twice:
///
///     can_issue → ordered, may_fail → newOrder …
///         the names were validated, or the CA was never asked to  → not_failed
///         a validation failed, or nobody knows                    → not_failed, and `failed` for those
///         obtained                                                → issued
///         the CA certainly has no certificate                     → not_issued
///         unknown (the answer to finalize lost)                   → neither: it counts
///         nobody looks any longer for what came of it             → may_be_issued
///
/// `ordered` counts the certificates at once, when they are only to come; `not_issued` gives those back. So do `may_fail` and
/// `not_failed` with a failed validation of each name. The order itself and failed validations stay paid.
class ledger {
public:
    /// `entries_max` bounds the buckets that are not full: beyond it, the one that is full first counts as full, an account's
    /// own last. A hundred bytes each.
    ledger(ca_limits limits, std::size_t entries_max);

    /// Orders and failed validations are counted for this account; what others ordered or failed is not.
    void set_account(std::string tag) { account_ = std::move(tag); }

    struct verdict {
        bool now = true;
        wall_time not_before = {};  ///< when to ask again; `now` if it may be now
        std::string because;        ///< empty if it may be now; names the limit by its member of `ca_limits`
    };

    /// The latest of all limits that apply. Not const: a clock that was stepped back is noticed here.
    verdict can_issue(const std::vector<identifier>& names, order_kind, wall_time now);
    /// Before newOrder is sent.
    void ordered(const std::vector<identifier>& names, order_kind, wall_time now);
    void issued(const std::vector<identifier>& names, order_kind, wall_time now);
    /// The CA may have issued until now.
    void may_be_issued(const std::vector<identifier>& names, order_kind, wall_time now);
    /// Call it once for each `ordered` at most.
    void not_issued(const std::vector<identifier>& names, order_kind, wall_time now);
    /// The CA is about to validate these names; a process that ends now never hears of what failed.
    void may_fail(const std::vector<identifier>& names, wall_time now);
    /// Call it once for each `may_fail` at most.
    void not_failed(const std::vector<identifier>& names, wall_time now);
    /// Of these names the validation failed.
    void failed(const std::vector<identifier>& names, wall_time now);

    /// Whether such an order counts as one of `ca_limits::orders`, of which there is a limit.
    bool counts_order(order_kind) const;
    /// How long until all of those could be ordered again.
    duration orders_debt(wall_time now);

    verdict can_register(wall_time now);
    /// Before newAccount is sent for a key that the CA does not have.
    void account_created(wall_time now);

    struct counts {
        std::uint64_t ordered = 0;
        std::uint64_t issued = 0;
        std::uint64_t failed = 0;  ///< validations
    };
    /// Since this ledger was made; not kept.
    counts totals() const noexcept { return totals_; }
    std::size_t size() const noexcept { return buckets_.size(); }
    const ca_limits& limits() const noexcept { return limits_; }

    static constexpr int shards = ledger_shards;
    /// The shards that were changed since the last call: to be saved.
    shard_set take_changed() noexcept { return buckets_.take_changed(); }
    /// Those in which such an order and the validation of its names stand.
    shard_set shards_of(const std::vector<identifier>& names, order_kind) const;
    /// {KEY: milliseconds at which the bucket is full, …, "lease": token}
    boost::json::object to_json(int shard) const;
    /// Take what a store has, when a process starts: what was taken before is added to it. If both have a bucket, the larger debt
    /// wins; never more than an empty bucket has.
    /// Returns how many entries were left out for damage. Marks nothing as changed.
    int read(int shard, const boost::json::object&, wall_time now);

    /// The same before the shard is saved, which others may have done since: what this process took is added to what they did. The
    /// caller holds lease `token` of the shard, a number that no other save of it has, and saves `to_json(shard)`: who finds its
    /// own number there knows that a save arrived, whatever it was told. Between two saves a process does not see what others
    /// take, so a limit may be passed by that.
    int merge(int shard, const boost::json::object& stored, std::uint64_t token, wall_time now);
    /// What was merged last is in the store.
    void saved(int shard) { own_.arrived(shard); }

private:
    struct use {
        std::string key;
        const ca_limit* limit;
        bool reserved;     ///< a share is kept for renewals
        std::string what;  ///< for texts: "certificates for example.com"
        std::string_view name;
    };
    using bucket = basic_token_bucket<wall_time>;

    bool is_exempt(order_kind kind) const noexcept { return kind.replaces && limits_.replacements_exempt; }
    std::vector<use> order_uses(order_kind) const;
    std::vector<use> certificate_uses(const std::vector<identifier>& names, order_kind) const;
    use set_use(const std::vector<identifier>& names) const;
    std::vector<use> validation_uses(const std::vector<identifier>& names) const;
    use account_use() const;
    const ca_limit* limit_of(std::string_view key) const noexcept;
    static bucket full_bucket(const ca_limit&);
    bucket load(const use&, wall_time now) const;
    void store(const std::string& key, const bucket&, wall_time now);
    void note_own(const std::string& key, const bucket&, int tokens);
    bool is_bucket_of(int shard, std::string_view key, const boost::json::value&) const;
    wall_time with_own(std::string_view key, wall_time stored, wall_time now) const;
    void take(const std::vector<use>&, wall_time now);
    void give_back(const std::vector<use>&, wall_time now);
    verdict judge(const std::vector<use>&, bool renewal, wall_time now) const;
    void notice(wall_time now);

    ca_limits limits_;
    std::string account_;
    ending_map<wall_time> buckets_;
    own_takes own_;
    std::array<std::int64_t, shards> tokens_{};  ///< of the leases that the shards were saved under last; 0 = none
    counts totals_;
    wall_time newest_ = wall_time::min();
};

}  // namespace evercert
