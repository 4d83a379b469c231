#pragma once

#include <chrono>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include <evercert/clock.hpp>
#include <evercert/failure_class.hpp>
#include <evercert/identifier.hpp>

#include "base/failure.hpp"
#include "ledger/ending_map.hpp"
#include "ledger/failure_record.hpp"

namespace evercert {

/// Why certificates could not be obtained and when to try again, by key: a certificate's store key, or
/// "admission/NAME" for a name that the application refused. Survives restarts. A pure value on wall time; not synchronized.
///
/// Failures in a row are counted until one succeeds, or until nothing was tried for as long as the class' longest wait
/// after the next attempt was due: then they begin anew.
///
/// A clock that steps back does not make a record last: one from further in the future than `step_back_max` is no longer in
/// force, and the next change brings all of them back to now.
class failure_book {
public:
    /// Beyond `entries_max`, or if a shard has more text than a store takes, the one that ends first is forgotten.
    failure_book(std::size_t entries_max, retry_options delays);

    /// What is noted from now on is this account's. What another one was told is forgotten.
    void set_account(const std::string& tag);

    /// The record in force: `retry_at` is in the future. Null if there is none. Valid until the next change.
    const failure_record* find(std::string_view key, wall_time now) const;
    /// Whether in force or not.
    const failure_record* last(std::string_view key) const { return records_.find(key); }

    /// Note a failure and plan the next attempt: by the class' delay, or by `retry_after` if that is longer, lengthened by up to
    /// a tenth by `draw` in [0, 1). What was cancelled is not noted; the result then says to try at once. `retry_after` is the
    /// failure's own unless given.
    failure_record remember(
        std::string_view key, const failure&, wall_time now, double draw,
        std::optional<std::chrono::seconds> retry_after = {});
    failure_record remember(
        std::string_view key, std::exception_ptr, wall_time now, double draw,
        std::optional<std::chrono::seconds> retry_after = {});

    /// Note a decision that holds until then, whatever the delays say.
    void refuse(std::string_view key, const failure&, wall_time now, wall_time until);

    /// Of which set the last failure is: a key says one name alone. Nothing for one name, or without a record.
    void note_names(std::string_view key, const std::vector<identifier>& names);
    /// The keys of the failed sets that have this name in them.
    std::vector<std::string> keys_with(const identifier& name) const;

    /// After a success. True if there was something to forget.
    bool forget(std::string_view key);
    std::size_t size() const noexcept { return records_.size(); }
    /// Those that begin so, without it.
    std::vector<std::string> keys(std::string_view prefix) const;

    /// The wall clock was stepped: records from the future begin now. `remember` sees a step back by itself.
    void clock_stepped(wall_time now);

    static constexpr int shards = ledger_shards;
    static int shard_of(std::string_view key) noexcept { return shard_of_key(key); }
    /// The shards that were changed since the last call: to be saved.
    shard_set take_changed() noexcept { return records_.take_changed(); }

    /// {KEY: RECORD, …}
    boost::json::object to_json(int shard) const;
    /// Take what a store has, when a process starts: of two records for a key the later failure stays. What is damaged is left out or brought
    /// within bounds. Returns how many records were left out for damage. Marks nothing as changed.
    int read(int shard, const boost::json::object&, wall_time now);

    /// The same before the shard is saved, which others may have done since. What this process changed since it was saved last stays, a
    /// success that made it forget a record, too; and what the others forgot is forgotten, unless `stored` is absent. The caller keeps
    /// others from saving it meanwhile, and saves `to_json(shard)`.
    int merge(int shard, const boost::json::object* stored, wall_time now);
    /// What was merged last is in the store.
    void saved(int shard);
    /// No store has any of it.
    void saved_nowhere();

    /// A CA may ask for so long a wait; weeks are real.
    static constexpr std::chrono::days retry_after_max{31};
    /// How far ahead of the clock a record may be: clocks are corrected by hours, and time zones taken for UTC.
    static constexpr std::chrono::days step_back_max{1};

    /// A store key.
    static constexpr std::size_t key_size_max = 512;

private:
    void put(std::string_view key, failure_record, wall_time ends);
    void note_own(std::string_view key);
    void clock_moved(wall_time now);
    bool is_another_account(const failure_record&) const;
    wall_time end_of(const failure_record&) const;
    int failures_before(std::string_view key, wall_time now) const;

    retry_options delays_;
    std::string account_;
    ending_map<failure_record> records_;
    /// The keys that were changed here since they were saved; whether they are being saved.
    std::map<std::string, bool, std::less<>> own_;
    wall_time newest_ = wall_time::min();
};

}  // namespace evercert
