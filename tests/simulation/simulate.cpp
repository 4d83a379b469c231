#include <chrono>
#include <exception>
#include <fstream>
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

/// Restarts spread over the time, then the end.
void live(site& on, evercert::duration length) {
    const auto end = on.world.time().elapsed() + length;
    while (on.how.restarts_per_year > 0) {
        const auto next =
            std::chrono::duration_cast<evercert::duration>(year / on.how.restarts_per_year * 2 * on.world.draw_share());
        if (on.world.time().elapsed() + next >= end)
            break;
        on.world.time().pass(next);
        // With faults a process rarely ends in peace.
        const auto draw = on.how.faults == fault_level::none ? 0 : on.world.draw() % 3;
        on.restart(static_cast<site::end_type>(draw));
    }
    if (on.world.time().elapsed() < end)
        on.world.time().pass(end - on.world.time().elapsed());
    on.end();
}

outcome simulate(const options& how, std::ostream* trace) {
    const auto started = std::chrono::steady_clock::now();
    site on{how};
    if (trace)
        on.world.trace([trace](evercert::wall_time at, std::string_view what) {
            *trace << evercert::to_rfc3339(at) << ' ' << what << '\n';
        });
    const auto length = std::chrono::duration_cast<evercert::duration>(year * how.years);
    plan_faults(on, length);
    live(on, length);
    const auto seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();

    const auto end = on.account.at(on.world.time().now());
    const auto whole = [](evercert::duration of) { return of / std::chrono::seconds{1}; };
    std::cerr << "recovery after a trouble may take " << whole(on.recovery().length) << " s: " << on.recovery().made_of
              << '\n';
    if (end.first)
        std::cerr << "first unexcused: " << evercert::to_rfc3339(*end.first) << "; worst: " << end.worst << '\n';
    for (const auto& each : on.losses())
        std::cerr << "lost state: " << each << '\n';
    for (const auto& each : on.ca.latest_limit_violations())
        std::cerr << "limit: " << each << '\n';
    outcome result;
    result.exit_status =
        exit_status(end, on.ca.limit_violations(), on.lost() + on.abandoned() + on.order_of_turns().out_of_turn());
    result.line = fmt::format(
        R"({{"seed":{},"years":{},"names":{},"issued":{},"renewed":{},"orders":{},"polls":{},"asked":{},"refused":{},)"
        R"("expired_seconds":{},"unexcused_expired_seconds":{},"limit_violations":{},"lost_state":{},"abandoned":{},"turns":{},"out_of_turn":{},"hash":"{}",)"
        R"("excused_share":{:.2f},"moments":{},"wall_seconds":{:.2f}}})",
        how.seed, how.years, how.names, on.issued(), on.renewed, on.ca.count("newOrder"), on.ca.count("renewalInfo"),
        on.asked, on.refused, whole(end.expired), whole(end.unexcused), on.ca.limit_violations(), on.lost(),
        on.abandoned(), on.order_of_turns().checked(), on.order_of_turns().out_of_turn(), on.world.hash(),
        end.excused_share, on.world.time().moments(), seconds);
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
    app.add_flag("--tls", how.tls, "TLS to the CA, which takes most of the time then");
    app.add_option("--trace", trace_path, "write what happens to this file");
    CLI11_PARSE(app, argc, argv);
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
