#include "faults.hpp"

#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "site.hpp"

namespace simulation {

namespace {

using namespace std::chrono_literals;
using namespace evercert;
using testing::cut_type;

/// One thing that goes wrong, from its beginning to its end.
struct trouble {
    std::string what;
    std::function<void()> end = [] {};
    bool excuses = true;  ///< false: nothing that a manager may let a certificate expire for
    aftermath leaves = {};
};

/// What can go wrong, how often in a year, and for how long. Means of real life where there are any, and enough of the rest
/// that a year sees most of it.
struct kind {
    double usual, hostile;
    duration least, most;
    trouble (*begin)(site&);
};

template <std::size_t N>
std::string one_of(site& on, const std::array<const char*, N>& choices) {
    return choices[on.world.draw() % N];
}

duration between(site& on, duration least, duration most) {
    // Short ones are the most: the logarithm is even.
    const auto ratio = static_cast<double>(most.count()) / static_cast<double>(least.count());
    return std::chrono::duration_cast<duration>(least * std::pow(ratio, on.world.draw_share()));
}

trouble ca_down(site& on) {
    const bool silent = on.world.draw() % 2 == 0;
    const auto at = on.authority.address();
    on.world.network().cut(at, silent ? cut_type::silent : cut_type::refused);
    return {
        silent ? "the CA does not answer" : "the CA refuses connections", [&on, at] { on.world.network().heal(at); }};
}

std::string retry_after(site& on) {
    // Half of the answers have none.
    const auto draw = on.world.draw();
    return draw % 2 == 0
        ? ""
        : std::to_string(60 + draw % static_cast<std::uint64_t>(retry_after_longest(on.how.faults) / 1s - 60));
}

/// A problem instead of answers, until its own end, whatever others begin and end meanwhile.
std::function<void()> fail(site& on, int n, const std::string& resource, const ca_problem& how) {
    const auto mine = on.problems.begin(resource, n, how);
    return [&on, mine] { on.problems.end(mine); };
}

trouble ca_fails(site& on) {
    const auto status = one_of<4>(on, {"500", "502", "503", "504"});
    const int n = 1 + static_cast<int>(on.world.draw() % 3);
    const ca_problem how{std::stoi(status), n == 1 ? "" : "serverInternal", "out of order", retry_after(on)};
    return {
        fmt::format("every {}. request to the CA is answered {}", n, status),
        fail(on, n, "", how),
        true,
        {.retry_after = true}};
}

trouble too_many_requests(site& on) {
    const auto what = one_of<3>(on, {"newOrder", "finalize", "challenge"});
    const auto wait = retry_after(on);
    return {
        fmt::format("{} is answered 429, Retry-After: {}", what, wait),
        fail(on, 1, what, {429, "rateLimited", "too many", wait}),
        true,
        {.retry_after = true}};
}

trouble bad_nonces(site& on) {
    const int n = 2 + static_cast<int>(on.world.draw() % 4);
    on.ca.bad_nonce_every(n);
    return {fmt::format("every {}. nonce is bad", n), [&on] { on.ca.bad_nonce_every(0); }, false};
}

/// RFC 8555, section 6.7, and RFC 9773, section 7; but for those that have faults of their own.
constexpr std::array problem_types{
    "accountDoesNotExist", "alreadyReplaced", "alreadyRevoked", "badCSR", "badPublicKey", "badRevocationReason",
    "badSignatureAlgorithm", "caa", "compound", "connection", "dns", "externalAccountRequired", "incorrectResponse",
    "invalidContact", "malformed", "orderNotReady", "serverInternal", "tls", "unauthorized", "unsupportedContact",
    "userActionRequired",
    // That a CA will not issue for the name is remembered for days: only where much is excused.
    "rejectedIdentifier", "unsupportedIdentifier"};
constexpr std::size_t name_refusals = 2;

trouble problems(site& on) {
    const auto kinds = problem_types.size() - (worst_aftermath(on.how.faults).refused_names ? 0 : name_refusals);
    const auto drawn = on.world.draw() % kinds;
    const std::string type = problem_types[drawn];
    const auto what = one_of<4>(on, {"newOrder", "finalize", "challenge", "authorization"});
    const int status = type == "serverInternal" ? 500 : type == "alreadyReplaced" ? 409 : 403;
    return {
        fmt::format("{} is answered {}", what, type),
        fail(on, 1, what, {status, type, "no", ""}),
        true,
        {.refused_names = drawn >= problem_types.size() - name_refusals}};
}

trouble hangs(site& on) {
    on.ca.faults().hang_orders(true);
    ++on.unreadable;
    return {"orders stay in processing", [&on] {
                on.ca.faults().hang_orders(false);
                --on.unreadable;
            }};
}

trouble answers_lost(site& on) {
    const auto what = one_of<4>(on, {"finalize", "newOrder", "challenge", "certificate"});
    const int n = 1 + static_cast<int>(on.world.draw() % 3);
    on.ca.faults().lose_every(n, what);
    const int unreadable = n == 1 && what == "certificate" ? 1 : 0;
    on.unreadable += unreadable;
    return {fmt::format("every {}. answer to {} is lost", n, what), [&on, what, unreadable] {
                on.ca.faults().lose_every(0, what);
                on.unreadable -= unreadable;
            }};
}

trouble validations_fail(site& on) {
    const auto type = one_of<4>(on, {"connection", "dns", "unauthorized", "caa"});
    const int n = 1 + static_cast<int>(on.world.draw() % 3);
    on.ca.faults().fail_validations(n, type, "no");
    return {
        fmt::format("every {}. validation fails: {}", n, type), [&on] { on.ca.faults().fail_validations(0, "dns"); }};
}

/// Validations arrive all the same.
trouble partition(site& on) {
    const auto a = on.authority.address(), b = on.server.address();
    on.world.network().cut(a, b, cut_type::silent);
    return {"CA and server do not reach one another", [&on, a, b] { on.world.network().heal(a, b); }};
}

/// The CA's answers arrive all the same.
trouble validator_cut(site& on) {
    const auto a = on.validator.address(), b = on.server.address();
    const bool silent = on.world.draw() % 2 == 0;
    on.world.network().cut(a, b, silent ? cut_type::silent : cut_type::refused);
    return {silent ? "validations do not arrive" : "validations are refused on their way", [&on, a, b] {
                on.world.network().heal(a, b);
            }};
}

trouble bad_network(site& on) {
    testing::network_conditions how;
    how.latency = 300ms;
    how.jitter = 500ms;
    how.loss = 0.2;
    how.resets = 0.2;
    how.segment = 200;
    on.world.network().conditions(how);
    return {"the network is bad", [&on] { on.world.network().conditions({}); }};
}

trouble strange_windows(site& on) {
    auto& faults = on.ca.faults();
    switch (on.world.draw() % 5) {
    case 0: faults.renewal_info_body("{\"suggestedWindow\":{\"start\":\"yesterday\"}}"); break;
    case 1: faults.renewal_info_body("<html>busy</html>"); break;
    case 2: faults.shift_renewal_windows(-std::chrono::days{400}); break;
    case 3: faults.shift_renewal_windows(std::chrono::days{400}); break;
    default: faults.stale_renewal_info(true); break;
    }
    on.windows_are_strange(true);
    return {
        "renewal information is wrong",
        [&on, &faults] {
            faults.renewal_info_body("");
            faults.shift_renewal_windows({});
            faults.stale_renewal_info(false);
            on.windows_are_strange(false);
        },
        false};
}

trouble revoked(site& on) {
    return {fmt::format("{} certificates are revoked", on.revoke_all()), [] {}, false};
}

trouble brought_forward(site& on) {
    on.bring_windows_forward();
    return {"the CA wants all certificates replaced at one moment", [] {}, false};
}

trouble account_forgotten(site& on) {
    on.ca.faults().forget_accounts();
    ++on.accounts_forgotten;
    return {"the CA forgets its accounts"};
}

trouble new_root(site& on) {
    on.ca.faults().replace_issuer();
    return {"the CA has a new root", [] {}, false};
}

trouble clock_stepped(site& on) {
    const auto length = between(
        on, 1min,
        on.how.faults == fault_level::hostile ? duration{std::chrono::days{3000}} : duration{std::chrono::days{2}});
    const auto by = on.world.draw() % 2 == 0 ? length : -length;
    on.server.clock()->step(by);
    return {
        fmt::format("the clock is {:.1f} h wrong", std::chrono::duration<double, std::ratio<3600>>{by}.count()),
        [&on, by] { on.server.clock()->step(-by); }};
}

trouble suspended(site& on) {
    const auto length = between(on, 1min, std::chrono::days{3});
    on.server.clock()->suspend(length);
    const auto what =
        fmt::format("the server sleeps for {:.1f} h", std::chrono::duration<double, std::ratio<3600>>{length}.count());
    // As long as it sleeps, which may be longer for another suspension; the kind's own length says nothing.
    on.trouble_begins(what);
    on.world.time().call_at(on.server.clock()->resumes_at(), [&on, what] { on.trouble_ends(what); });
    return {"the server is suspended", [] {}, false};
}

/// The manager reads again what it could not read at its start.
void disk_works(site& on) {
    --on.disk_fails;
    on.forget_promises();  // what could not be saved yet
    on.world.time().call_at(on.world.time().elapsed() + 5min, [&on] { on.check_kept(); });
}

trouble disk_fails(site& on) {
    using fault = testing::simulated_disk::fault;
    const auto draw = on.world.draw() % 3;
    const auto how = draw == 0 ? fault::full : draw == 1 ? fault::read_only : fault::broken;
    on.fail_disk(how, on.world.draw() % 20);
    ++on.disk_fails;
    return {
        draw == 0       ? "the disk is full"
            : draw == 1 ? "the disk is read-only"
                        : "the disk is broken",
        [&on] {
            on.fail_disk(fault::none);
            disk_works(on);
        },
        true,
        {.disk_alone = true}};
}

trouble disk_slow(site& on) {
    // Each piece of work: beyond `store_timeout` it is a store that hangs.
    const auto takes = between(on, 10ms, 1min);
    on.server.blocking().takes(takes);
    ++on.disk_fails;
    return {
        fmt::format("the disk takes {:.1f} s", std::chrono::duration<double>{takes}.count()),
        [&on] {
            on.server.blocking().takes({});
            disk_works(on);
        },
        true,
        {.disk_alone = true}};
}

trouble strangers(site& on) {
    on.ask_strangers(on.how.sort.admits ? 50 : 300);
    return {"strangers ask for names that are not ours", [] {}, false};
}

constexpr std::array kinds{
    kind{3, 10, 1h, std::chrono::days{14}, ca_down},
    kind{3, 10, 10min, std::chrono::days{3}, ca_fails},
    kind{2, 8, 10min, std::chrono::days{3}, too_many_requests},
    kind{4, 12, 1h, std::chrono::days{7}, bad_nonces},
    kind{2, 8, 1h, std::chrono::days{3}, problems},
    kind{2, 6, 1h, std::chrono::days{2}, hangs},
    kind{4, 12, 1h, std::chrono::days{3}, answers_lost},
    kind{3, 8, 1h, std::chrono::days{5}, validations_fail},
    kind{2, 6, 1h, std::chrono::days{7}, partition},
    kind{2, 6, 1h, std::chrono::days{5}, validator_cut},
    kind{4, 12, 1h, std::chrono::days{3}, bad_network},
    kind{2, 8, 1h, std::chrono::days{20}, strange_windows},
    kind{0.3, 2, 1s, 1s, revoked},
    kind{1, 3, 1s, 1s, brought_forward},
    kind{0.2, 1, 1s, 1s, account_forgotten},
    kind{0.3, 1, 1s, 1s, new_root},
    kind{3, 10, 10min, std::chrono::days{3}, clock_stepped},
    kind{2, 8, 1s, 1s, suspended},
    kind{3, 10, 1h, std::chrono::days{5}, disk_fails},
    kind{2, 6, 1h, std::chrono::days{3}, disk_slow},
    kind{12, 12, 1s, 1s, strangers},
};

/// Until the next of a kind: such things come without memory.
duration waiting(site& on, double per_year) {
    const auto years = -std::log(1 - on.world.draw_share()) / per_year;
    return std::chrono::duration_cast<duration>(std::chrono::duration<double, std::ratio<31'556'952>>{years});
}

void plan(site& on, const kind& of, duration at, duration until) {
    at += waiting(on, on.how.faults == fault_level::hostile ? of.hostile : of.usual);
    if (at > until)
        return;
    on.world.time().call_at(at, [&on, of, until] {
        auto now = std::make_shared<trouble>(of.begin(on));
        if (now->excuses)
            on.trouble_begins(now->what);
        else
            on.world.note("begins: " + now->what);
        const auto ends = on.world.time().elapsed() + between(on, of.least, of.most);
        on.world.time().call_at(ends, [&on, of, until, now] {
            now->end();
            if (now->excuses)
                on.trouble_ends(now->what, now->leaves);
            else
                on.world.note("ends: " + now->what);
            // The next of this kind begins after this one's end.
            plan(on, of, on.world.time().elapsed(), until);
        });
    });
}

}  // namespace

aftermath worst_aftermath(fault_level level) noexcept {
    return {.refused_names = level == fault_level::hostile, .retry_after = level != fault_level::none};
}

bool provoked(fault_level level, failure_class kind, aftermath left) noexcept {
    switch (kind) {
    case failure_class::cancelled: return false;
    case failure_class::name_refused: return left.refused_names;
    default: return level != fault_level::none;
    }
}

duration retry_after_longest(fault_level level) noexcept {
    switch (level) {
    case fault_level::none: return {};
    case fault_level::usual: return 6h;
    default: return std::chrono::days{3};
    }
}

void plan_faults(site& on, duration length) {
    if (on.how.faults == fault_level::none)
        return;
    const auto now = on.world.time().elapsed();
    for (const auto& each : kinds)
        plan(on, each, now, now + length);
    if (on.how.faults != fault_level::hostile)
        return;
    on.expect_strangers();
    // As CAs have announced it, while longer ones are out.
    constexpr std::array<std::pair<double, int>, 3> shorter{{{0.3, 64}, {0.5, 45}, {0.85, 6}}};
    for (const auto& [share, days] : shorter)
        if (days < on.how.lifetime_days)
            on.world.time().call_at(now + std::chrono::duration_cast<duration>(length * share), [&on, days = days] {
                on.world.note(fmt::format("certificates last {} days from now on", days));
                on.ca.faults().lifetime(std::chrono::days{days});
            });
}

}  // namespace simulation
