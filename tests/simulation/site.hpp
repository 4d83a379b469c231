#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <evercert/manager.hpp>
#include <evercert/testing/simulated_disk.hpp>
#include <evercert/testing/world.hpp>

#include "accounting.hpp"
#include "base/task_group.hpp"
#include "ca_problems.hpp"
#include "faults.hpp"
#include "findings.hpp"
#include "options.hpp"
#include "replacement_promise.hpp"
#include "turns.hpp"

namespace simulation {

/// The CA, the server with its manager, its clients, and what is counted of them.
class site {
public:
    explicit site(const options&);
    ~site();

    /// How a server's process ends.
    enum class end_type {
        stop,       ///< in peace
        kill,       ///< kill -9
        power_cut,  ///< of the machine, in the middle of some operation of the disk
    };
    /// The manager ends and another one begins on what the disk has.
    void restart(end_type);
    /// The same in peace, and meanwhile somebody deletes the certificate of this name.
    void restart_without(const std::string& name);

    /// Something is wrong that excuses an expired certificate, until it ends.
    void trouble_begins(std::string_view what);
    void trouble_ends(std::string_view what, aftermath = {});

    /// The CA wants everything replaced at one moment, when all managers may know of it.
    void bring_windows_forward();
    /// The CA wants all that there is replaced until `end`.
    void want_all_replaced(wall_time end);
    /// Everything, now. How many there were.
    int revoke_all();
    /// Nobody can learn from the CA what it wants replaced.
    void windows_are_strange(bool);

    /// Until the next call, whatever becomes of the power.
    void fail_disk(evercert::testing::simulated_disk::fault, std::uint64_t after = 0);

    /// Clients with names that are none of ours.
    void ask_strangers(std::uint64_t count);
    /// Thousands of them over each day, to the end.
    void expect_strangers();

    /// How long recovery may take.
    recovery after(aftermath) const;

    /// What went wrong. `end` adds what only the end shows.
    const findings& found() const { return found_; }
    const turns& order_of_turns() const { return turns_; }
    const replacement_promise& promised_end() const { return promised_end_; }
    void check_kept();
    /// What failed until now may be tried again at any time.
    void forget_promises() { promises_.forget(); }
    /// Whatever shows at any time. It looks each day by itself.
    void look();
    void end();

    const options how;
    evercert::testing::world world;
    evercert::testing::world::machine& authority;
    evercert::testing::world::machine& validator;  ///< of the CA, with an address of its own
    evercert::testing::world::machine& server;
    evercert::testing::simulated_disk disk;

    /// After a trouble the retries of what failed in it go on for a while.
    static constexpr duration calm_enough = std::chrono::hours{12};

private:
    struct issue {
        std::string name;
        wall_time at;
    };
    std::uint64_t issued_ = 0;
    std::map<std::string, issue> unpublished_;  ///< serial → of what the CA issued
    std::set<std::size_t> accounts_;            ///< that the CA issued for

public:
    evercert::testing::acme_server ca;
    /// What it answers instead of answers.
    ca_problems problems{[this](int n, const std::string& resource, const ca_problem& what) {
        ca.faults().fail_every(n, resource, what.status, what.type, what.detail, what.retry_after);
    }};
    accounting account;
    std::vector<std::string> names;
    std::uint64_t renewed = 0;
    std::uint64_t accounts_forgotten = 0;
    int unreadable = 0;  ///< troubles for which nobody can read what the CA issues, for longer than a manager waits
    int disk_fails = 0;  ///< troubles of the disk; what it kept shows when it works again
    std::uint64_t asked = 0, refused = 0;
    std::uint64_t decided = 0;  ///< how often the application was asked for its admission
    /// Why clients got no certificate: the name of the CA's limit that the ledger would not pass, or "new_hosts" of ours.
    std::map<std::string, std::uint64_t, std::less<>> held_by;
    /// The names that the application admits and that came, with a certificate or not.
    const std::set<std::string>& guests() const { return guests_; }

    std::uint64_t issued() const { return issued_; }

private:
    evercert::testing::acme_server_options ca_options();
    /// False if the store cannot be opened.
    bool start();
    void stop(end_type);
    std::shared_ptr<evercert::store> open_store();
    void heard(const evercert::manager_event&);
    void take_turn(const std::string& name);
    void note_turn(const std::string& name, const evercert::manager_event&);
    void find(check by, std::string_view text);
    void ordered(const evercert::testing::placed_order&);
    void look_each_day();
    void look_at_plans();
    void look_at_replacements();
    /// When the manager says that a mass replacement ends.
    void look_at_promised_end();
    void late_replacement(duration late);
    /// So long nothing was wrong, and the CA's windows said what it wants; negative if not.
    duration quiet_for();
    /// And so long that must be until nothing that was wrong holds up a replacement.
    duration quiet_enough() const;
    /// The store gets a certificate before clients do.
    void note_saving(const std::string& name, const evercert::manager_event&);
    /// A failure is remembered until then.
    void promise(const std::string& name, const evercert::manager_event&);

    static asio::awaitable<void> serve(site&);
    static asio::awaitable<void> listen(site&, evercert::event_stream);
    static asio::awaitable<void> visit(site&, std::string name, bool again);
    static asio::awaitable<void> ask_once(site&, std::string name);
    static asio::awaitable<void> ask_strangers_each_day(site&);
    std::string stranger();
    static asio::awaitable<bool> decide(site&, evercert::identifier name);
    void add_names();
    void add_guests();
    void count_held(const std::string& why);
    bool remove_certificate(const std::string& name);
    void begin_again();
    asio::awaitable<bool> ask(std::string name);
    /// What a client got, or that it got nothing, is what it has to be for a name of ours.
    void check_served(const std::string& name, const evercert::certificate_ptr&);
    bool is_popular(const std::string& name) const;

    turns turns_;
    replacement_promise promised_end_;
    wall_time replacing_since_ = {};       ///< everything that there was then, as the CA wanted it last
    std::optional<span> brought_forward_;  ///< all windows, last
    std::optional<span> revoked_;          ///< the windows of what was revoked last
    /// Name → since when and until when the CA wants its certificate replaced.
    std::map<std::string, span> to_replace_;
    int strange_windows_ = 0;
    wall_time windows_seen_since_ = {};
    std::shared_ptr<evercert::disk> process_;
    evercert::testing::simulated_disk::fault disk_fault_ = evercert::testing::simulated_disk::fault::none;
    std::optional<evercert::manager> manager_;
    std::optional<evercert::task_group> tasks_;
    evercert::task_group clients_;
    struct validity {
        wall_time not_before, not_after;
    };
    /// What was published last and what was unsaved when the manager ended, by name: nothing earlier may be served.
    std::map<std::string, validity> newest_;
    std::set<std::string> unsaved_;
    std::set<std::string> guests_;
    std::set<std::string> fresh_;  ///< names whose new certificate no store was asked to take yet
    findings found_;
    order_pace pace_;
    promises promises_;
    renewal_times times_;
    std::uint64_t limits_seen_ = 0, careless_seen_ = 0;
};

}  // namespace simulation
