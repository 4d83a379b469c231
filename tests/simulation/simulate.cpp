#include <chrono>
#include <exception>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/wall_time.hpp"
#include "faults.hpp"
#include "site.hpp"

namespace {

using namespace simulation;

constexpr std::chrono::duration<double> year{31'556'952};

struct outcome {
    std::string line;
    int exit_status = 0;
};

/// A site is looked after: nobody deletes certificates before it has run in.
constexpr evercert::duration deletes_after = std::chrono::days{20};
/// After each nth restart, and so often in a row: more than the CA issues for the same names within some days.
constexpr std::uint64_t deletes_every = 6;
constexpr int deletes_in_a_row = 7;

/// As people do who know nothing better than to delete a certificate and start again: until they meet the CA's limit.
void delete_again_and_again(site& on, const std::function<bool()>& is_over) {
    const auto name = on.names[on.world.draw() % on.names.size()];
    for (int i = 0; i < deletes_in_a_row && !is_over(); ++i) {
        on.restart_without(name);
        on.world.time().run_until(is_over, std::chrono::hours{3});
    }
}

/// Restarts spread over the time, then the end.
void live(site& on, evercert::duration length) {
    auto& time = on.world.time();
    const auto end = time.elapsed() + length;
    const auto is_over = [&] { return on.how.until_failure && on.found().first(); };
    while (on.how.restarts_per_year > 0) {
        const auto next =
            std::chrono::duration_cast<evercert::duration>(year / on.how.restarts_per_year * 2 * on.world.draw_share());
        if (time.elapsed() + next >= end || time.run_until(is_over, next))
            break;
        // With faults a process rarely ends in peace.
        const auto draw = on.how.faults == fault_level::none ? 0 : on.world.draw() % 3;
        on.restart(static_cast<site::end_type>(draw));
        if (on.how.sort.deletes && time.elapsed() > deletes_after && end - time.elapsed() > deletes_after &&
            on.world.draw() % deletes_every == 0)
            delete_again_and_again(on, is_over);
    }
    if (!is_over() && time.elapsed() < end)
        time.run_until(is_over, end - time.elapsed());
    on.end();
}

outcome simulate(const options& how, std::ostream* trace) {
    const auto started = std::chrono::steady_clock::now();
    site on{how};
    if (trace)
        on.world.trace([trace](evercert::wall_time at, std::string_view what) {
            *trace << evercert::to_rfc3339(at) << ' ' << what << '\n';
        });
    const auto begin = on.world.time().now();
    const auto length = std::chrono::duration_cast<evercert::duration>(year * how.years);
    plan_faults(on, length);
    live(on, length);
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

    const auto end = on.account.at(on.world.time().now());
    const auto whole = [](evercert::duration of) { return of / std::chrono::seconds{1}; };
    const auto ordinary = on.after({}), disk = on.after({.disk_alone = true}),
               longest = on.after(worst_aftermath(how.faults));
    std::cerr << "recovery after a trouble may take " << whole(ordinary.length) << " s: " << ordinary.made_of << '\n'
              << "after one of the disk alone, " << whole(disk.length) << " s: " << disk.made_of << '\n'
              << "and after those that say how long to stay away, " << whole(longest.length)
              << " s: " << longest.made_of << '\n';
    const auto& found = on.found();
    for (const auto& each : found.texts())
        std::cerr << each << '\n';
    std::string first;
    if (found.first())
        first = fmt::format(
            R"("first_failure":"{}","failed_after_days":{:.1f},"caught_by":"{}",)",
            evercert::to_rfc3339(found.first()->at),
            std::chrono::duration<double, std::ratio<86'400>>{found.first()->at - begin}.count(),
            to_string(found.first()->by));
    outcome result;
    result.exit_status = found.first() ? 1 : 0;
    result.line = fmt::format(
        R"({{"seed":{},"years":{},"names":{},"issued":{},"renewed":{},"orders":{},"polls":{},"asked":{},"refused":{},)"
        R"("expired_seconds":{},"unexcused_expired_seconds":{},"limit_violations":{},"lost_state":{},"abandoned":{},)"
        R"("careless_requests":{},"order_rate":{},"early_orders":{},"moved_renewals":{},"turns":{},"out_of_turn":{},"not_replaced":{},"promises":{},"late_replacements":{},"guests":{},"decided":{},)"
        R"("held_by_domain":{},"held_by_set":{},"held_by_failures":{},"held_by_new_hosts":{},{})"
        R"("hash":"{}","excused_share":{:.2f},"moments":{},"wall_seconds":{:.2f}}})",
        how.seed, how.years, how.names, on.issued(), on.renewed, on.ca.count("newOrder"), on.ca.count("renewalInfo"),
        on.asked, on.refused, whole(end.expired), whole(end.unexcused), on.ca.limit_violations(),
        found.count(check::lost_state), found.count(check::abandoned), on.ca.protocol_violations(),
        found.count(check::order_rate), found.count(check::early_order), found.count(check::moved_renewal),
        on.order_of_turns().checked(), on.order_of_turns().out_of_turn(), found.count(check::not_replaced),
        on.promised_end().checked(), found.count(check::late_replacement), on.guests().size(), on.decided,
        on.held_by["certificates_per_domain"], on.held_by["certificates_per_name_set"],
        on.held_by["failed_authorizations"], on.held_by["new_hosts"], first, on.world.hash(), end.excused_share,
        on.world.time().moments(), seconds);
    return result;
}

}  // namespace

int main(int argc, char** argv) {
    options how;
    std::string trace_path;
    CLI::App app{"Runs a server with its certificate manager through years of what CAs, networks, disks and clocks do, "
                 "in seconds."};
    app.add_option("--seed", how.seed, "what everything follows from");
    app.add_option("--years", how.years)->check(CLI::Range(0.001, 100.0));
    app.add_option("--names", how.names)->check(CLI::Range(1, 100'000));
    app.add_option("--lifetime", how.lifetime_days, "days that certificates last")->check(CLI::Range(1, 398));
    app.add_option("--faults", how.faults, "none, usual or hostile")
        ->transform(CLI::CheckedTransformer(std::map<std::string, fault_level>{
            {"none", fault_level::none}, {"usual", fault_level::usual}, {"hostile", fault_level::hostile}}));
    app.add_option("--restarts", how.restarts_per_year, "restarts a year")->check(CLI::Range(0.0, 10'000.0));
    app.add_option("--poll-hours", how.poll_hours, "how often the CA wants to be asked for renewal information")
        ->check(CLI::Range(1.0, 720.0));
    app.add_option("--order-minutes", how.order_minutes, "the manager's own limit: one order in so many minutes")
        ->check(CLI::Range(0.1, 600.0));
    app.add_flag("--until-failure", how.until_failure, "end with the first thing that fails");
    app.add_flag("--tls", how.tls, "TLS to the CA, which takes most of the time then");
    app.add_option("--trace", trace_path, "write what happens to this file");
    CLI11_PARSE(app, argc, argv);
    how.sort = sort_of(how.seed, how.faults);
    try {
        std::unique_ptr<std::ofstream> trace;
        if (!trace_path.empty()) {
            trace = std::make_unique<std::ofstream>(trace_path);
            if (!*trace)
                throw std::runtime_error{"cannot write to " + trace_path};
        }
        const auto result = simulate(how, trace.get());
        std::cout << result.line << std::endl;
        return result.exit_status;
    } catch (const std::exception& why) {
        std::cerr << "simulate: " << why.what() << '\n';
        return 2;
    }
}
