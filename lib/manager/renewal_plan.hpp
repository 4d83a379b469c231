#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/event.hpp"
#include "manager/context.hpp"
#include "renewal/renewal_queue.hpp"
#include "renewal/replacement_plan.hpp"
#include "renewal/replacement_queue.hpp"
#include "renewal/schedule.hpp"

namespace evercert {

/// When something is to be done for which certificate: what `plan_next` says of each, in two lists, since polls and
/// renewals wait for different limiters; and the line of the renewals that are due. Thread-bound to the manager's strand, but
/// for what says otherwise.
class renewal_plan {
public:
    explicit renewal_plan(const manager_context& context)
        : context_{context}, acts_{context.strand}, polls_{context.strand}, lined_up_{context.strand} {}

    /// Plan, or plan anew, by the record that the state has now.
    void plan(const std::string& key);
    /// The same, and not before `after_failure` from now: whatever is wrong, nothing spins.
    void plan_after_failure(const std::string& key) { plan_later(key, after_failure); }
    void plan_later(const std::string& key, duration delay);
    /// When there are others.
    void plan_all();
    /// When the clock was stepped: what was planned by the wrong time may come too late. That is what was due by it, what was
    /// put off by it and what failed by it; the rest goes by times of its own.
    void clock_turned();
    /// The host list changed: plan what may be renewed now, and what may not any more if that is due. The rest is found out when it
    /// is due, so that nobody walks through all certificates.
    void plan_hosts();

    /// The earliest of a list; it stays there.
    std::optional<renewal_queue::entry> next(renewal_queue::list which) const { return queue_.next(which); }

    /// It is due: it waits for the limits with this rank, and is looked at again at `again`.
    void line_up(const std::string& key, const replacement_rank&, wall_time again);
    /// Who goes first among those who wait.
    std::optional<std::string> first_in_line(replacement_queue::of which) const;
    /// How many wait. From any thread.
    std::size_t waiting() const;
    /// What becomes of those who wait, and the first of them. From any thread.
    struct forecast {
        std::size_t waiting = 0;
        replacement_estimate estimate;
        std::vector<std::string> first;
    };
    forecast look_ahead(const replacement_paces&) const;
    /// So many of those who wait are named.
    static constexpr std::size_t named_max = 10;

    /// Off the lists: it is worked on, or gone.
    void take(const std::string& key);
    /// The CA is about to be asked when to renew it, and is not asked again before `polled`. What is to be done for it goes on
    /// meanwhile: the question may wait for long.
    void take_poll(const std::string& key);
    /// It has been asked: plan anew.
    void polled(const std::string& key);
    /// Notified when something was planned that comes before all others of the list. Who sleeps until the earliest may so wake
    /// to find that it went elsewhere, but not too late.
    event& earlier(renewal_queue::list which) { return which == renewal_queue::list::acts ? acts_ : polls_; }
    /// Notified when one more waits.
    event& lined_up() { return lined_up_; }

    static constexpr std::chrono::seconds after_failure{1};

private:
    template <typename Keys>
    void plan_each(const Keys& keys);
    std::vector<std::string> in_line() const;
    void plan_not_before(const std::string& key, wall_time);
    void put(const std::string& key, renewal_queue::list, wall_time);

    const manager_context& context_;
    renewal_queue queue_;
    mutable std::mutex mutex_;
    replacement_queue line_;               ///< under the mutex
    host_policy hosts_;                    ///< as it was planned with
    std::set<std::string> held_back_;      ///< not renewed, for a name that is not admitted
    std::set<std::string> being_polled_;   ///< between `take_poll` and `polled`
    std::set<std::string> put_off_;        ///< by `plan_later`, from the time that it was then
    wall_time latest_ = wall_time::min();  ///< that anything was planned at, since the clock was stepped last
    event acts_;
    event polls_;
    event lined_up_;
};

/// The key that the certificate's successor is kept under: its own, but the preferred kind's if its own is wanted no more.
std::string renewed_under(const manager_context&, const std::string& key);
/// What decides on the next act for a certificate. From any thread.
renewal_facts facts_of(const manager_context&, const std::string& key, const certificate_record&);
/// At which listeners who were told so much are told that it ends: as its last twentieth begins, and at its end.
std::optional<wall_time> next_end(const held_certificate&, certificate_record::notice told);
inline std::optional<wall_time> next_notice(const certificate_record& record) {
    return next_end(*record.certificate, record.told);
}

}  // namespace evercert
