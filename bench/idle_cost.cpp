// What a manager costs that has nothing to do: CPU while it waits, memory a name, and what one look at its status
// takes. Its certificates come from a store that makes them up as they are loaded.

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <CLI/CLI.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/chrono.h>
#include <malloc.h>

#include <evercert/evercert.hpp>
#include <evercert/testing/acme_server.hpp>
#include <evercert/testing/simulated_network.hpp>
#include <evercert/testing/simulated_time.hpp>

#include "issuing.hpp"
#include "ledger/ledger.hpp"
#include "manager/records.hpp"
#include "renewal/renewal_queue.hpp"

namespace {

using namespace evercert;
using namespace std::chrono_literals;

struct settings {
    std::size_t names = 100'000;
    std::string directory_url;
    std::string ca_file;
    bool no_renewal_info = false;
    int seconds = 30;
    std::shared_ptr<evercert::clock> clock = system_clock();
};

std::size_t in_use() {
    const auto info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
}

double cpu_milliseconds() {
    rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    const auto of = [](const timeval& t) {
        return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_usec) / 1e3;
    };
    return of(used.ru_utime) + of(used.ru_stime);
}

/// Has a certificate for each name, whose next poll is somewhere in the 6 hours to come. All have the chain and the key
/// of one, which nobody looks into before a client asks.
class made_up_store final : public store {
public:
    explicit made_up_store(const settings& s) : count_{s.names}, directory_url_{s.directory_url} {
        const auto now = std::chrono::floor<std::chrono::seconds>(s.clock->wall());
        const bench::issuing ca{{now - 24h, now + 89 * 24h}};
        one_ = ca.certificate_for("host.example.com", private_key::generate());
        loaded_at_ = now;
    }

    asio::awaitable<std::optional<std::string>> load(std::string key) override {
        std::optional<std::string> value;
        if (key.starts_with(certificates_prefix)) {
            ++loaded_;
            value = boost::json::serialize(to_json(record_of(key.substr(certificates_prefix.size()))));
        }
        co_return value;
    }
    asio::awaitable<std::vector<std::string>> list(std::string prefix) override {
        std::vector<std::string> keys;
        if (prefix == certificates_prefix)
            for (std::size_t i = 0; i < count_; ++i)
                keys.push_back(prefix + bench::name_of(i));
        co_return keys;
    }
    asio::awaitable<void> save(std::string, std::string, lease) override {
        ++saved_;
        co_return;
    }
    asio::awaitable<void> remove(std::string) override { co_return; }
    asio::awaitable<lease> lock(std::string key, std::chrono::seconds) override {
        co_return lease{key, 1, wall_time::max()};
    }
    asio::awaitable<void> unlock(lease) override { co_return; }

    bool all_loaded() const { return loaded_ == count_; }
    std::size_t saved() const { return saved_; }

private:
    certificate_record record_of(const std::string& name) const {
        const std::vector<identifier> names{identifier{name}};
        certificate_record record{
            names,
            std::make_shared<const held_certificate>(
                one_.chain, one_.key, names, one_.valid.not_before, one_.valid.not_after),
            draw_for(name)};
        record.directory_url = directory_url_;
        // What the driver's CA suggests, too, so that nothing moves.
        const auto today = std::chrono::floor<std::chrono::days>(loaded_at_);
        record.window = suggested_window{today + 58 * 24h, today + 60 * 24h};
        record.poll_at = loaded_at_ + std::chrono::duration_cast<duration>(6h * record.draw);
        return record;
    }

    std::size_t count_;
    std::string directory_url_;
    bench::issued one_{{}, {}, {}, {}};
    wall_time loaded_at_;
    std::size_t loaded_ = 0;
    std::size_t saved_ = 0;
};

void row(std::string_view what, double value, std::string_view unit) {
    std::cout << fmt::format("{}\t{:.3f}\t{}", what, value, unit) << std::endl;
}

/// The parts alone, with as many entries as there are names.
void measure_parts(std::size_t names) {
    const auto now = system_clock()->wall();
    const auto each = static_cast<double>(names);
    const auto measured = [&](const char* what, auto& part, auto fill) {
        const auto before = in_use();
        for (std::size_t i = 0; i < names; ++i)
            fill(part, i);
        row(what, static_cast<double>(in_use() - before) / each, "bytes");
    };
    renewal_queue queue;
    measured("schedule", queue, [&](renewal_queue& of, std::size_t i) {
        const auto key = certificate_key({identifier{bench::name_of(i)}});
        for (const auto list : {renewal_queue::list::acts, renewal_queue::list::polls})
            of.plan(key, list, now + std::chrono::seconds{i * 7919 % names});
    });
    // Unbounded here, so that the bytes are those of an entry.
    ledger spent{known_limits(acme::lets_encrypt), 2 * names + 2};
    measured("ledger", spent, [&](ledger& of, std::size_t i) { of.ordered({identifier{bench::name_of(i)}}, {}, now); });
}

void measure_status(const manager& of, std::size_t names) {
    const auto each = static_cast<double>(names);
    const auto timed = [](auto work) {
        const auto begun = cpu_milliseconds();
        auto result = work();
        return std::pair{cpu_milliseconds() - begun, std::move(result)};
    };
    const auto before = in_use();
    const auto whole = timed([&] { return of.status(); });
    row("status()", whole.first, "ms");
    row("status(), a name", static_cast<double>(in_use() - before) / each, "bytes");
    const auto text = timed([&] { return to_json(whole.second); });
    row("to_json(status())", text.first, "ms");
    row("to_json(status()), a name", static_cast<double>(text.second.size()) / each, "bytes");
    constexpr std::size_t rounds = 1000;
    const auto single = timed([&] {
        std::size_t found = 0;
        for (std::size_t i = 0; i < rounds; ++i)
            found += of.status(identifier{bench::name_of(i * 7919 % names)}).has_value();
        return found;
    });
    if (single.second != rounds)
        throw error{errc::state_damaged, "not every name has a certificate"};
    row("status(name)", single.first * 1000 / rounds, "us");
}

asio::awaitable<void> sleep(std::chrono::milliseconds length) {
    asio::steady_timer timer{co_await asio::this_coro::executor, length};
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> measure(manager& of, std::shared_ptr<made_up_store> from, settings s, std::size_t before) {
    const auto begun = cpu_milliseconds();
    while (!from->all_loaded())
        co_await sleep(20ms);
    row("loading, a name", (cpu_milliseconds() - begun) * 1000 / static_cast<double>(s.names), "us");
    co_await sleep(2s);
    ::malloc_trim(0);
    row("manager, a name", static_cast<double>(in_use() - before) / static_cast<double>(s.names), "bytes");
    measure_status(of, s.names);
    ::malloc_trim(0);
    co_await sleep(1s);
    const auto saved = from->saved();
    const auto used = cpu_milliseconds();
    std::cout << "waits" << std::endl;
    co_await sleep(std::chrono::seconds{s.seconds});
    row("CPU of an hour", (cpu_milliseconds() - used) * 3600 / s.seconds, "ms");
    row("saves of an hour", static_cast<double>(from->saved() - saved) * 3600 / s.seconds, "");
    of.stop();
}

manager_options options_for(const settings& s, std::shared_ptr<store> from) {
    manager_options options;
    options.directory_url = s.directory_url;
    options.http.ca_file = s.ca_file;
    options.renewal_info = !s.no_renewal_info;
    options.store = std::move(from);
    options.clock = s.clock;
    options.log.level = log_level::warning;
    options.log.sink = log_to_stderr();
    return options;
}

/// An hour of simulated time. Questions for renewal information are answered by a CA in this process, on a network in memory:
/// its CPU is in the figure.
void run_simulated(settings s) {
    asio::io_context io;
    testing::simulated_time time{io};
    const auto net = testing::simulated_network::make(time, 1);
    const auto machine = [&](const char* address) {
        return net->join({asio::ip::make_address(address)}, time.make_clock());
    };
    testing::acme_server_options ca_options;
    ca_options.clock = time.make_clock();
    ca_options.network = machine("192.0.2.1");
    testing::acme_server ca{io.get_executor(), ca_options};
    net->name("*", {asio::ip::make_address("192.0.2.1")});
    s.clock = time.make_clock();
    s.directory_url = ca.directory_url();
    s.ca_file = ca.api_root_file();
    const auto today = std::chrono::floor<std::chrono::days>(s.clock->wall());
    ca.faults().renewal_info_body(fmt::format(
        R"({{"suggestedWindow":{{"start":"{:%FT%T}Z","end":"{:%FT%T}Z"}}}})", fmt::gmtime(today + 58 * 24h),
        fmt::gmtime(today + 60 * 24h)));

    const auto from = std::make_shared<made_up_store>(s);
    auto options = options_for(s, from);
    options.network = machine("192.0.2.2");
    options.blocking_executor = io.get_executor();
    manager idle{io, options};
    asio::co_spawn(io, idle.run(), rethrow);
    time.run_until([&] { return from->all_loaded(); }, 1h);
    time.pass(1min);
    const auto asked = ca.count("renewalInfo");
    const auto moments = time.moments();
    const auto used = cpu_milliseconds();
    time.pass(1h);
    row("CPU of an hour", cpu_milliseconds() - used, "ms");
    row("moments of an hour", static_cast<double>(time.moments() - moments), "");
    row("polls of an hour", ca.count("renewalInfo") - asked, "");
    idle.stop();
    ca.stop();
    time.pass(1min);
}

void run(const settings& s) {
    asio::io_context io;
    auto from = std::make_shared<made_up_store>(s);
    const auto before = in_use();
    manager idle{io, options_for(s, from)};
    asio::co_spawn(io, idle.run(), rethrow);
    asio::co_spawn(io, measure(idle, from, s, before), rethrow);
    io.run();
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app{"What a manager costs that has nothing to do."};
    settings s;
    bool parts = false, simulated = false;
    app.add_option("--names", s.names, "how many certificates, a name each")->check(CLI::Range(1, 1'000'000));
    app.add_option("--directory", s.directory_url, "the CA that answers questions for renewal information");
    app.add_option("--ca-file", s.ca_file, "the root of the CA's own HTTPS");
    app.add_flag("--no-renewal-info", s.no_renewal_info, "ask nothing");
    app.add_option("--seconds", s.seconds, "how long to wait")->check(CLI::Range(1, 3600));
    app.add_flag("--simulated", simulated, "an hour of simulated time, with a CA in this process");
    app.add_flag("--parts", parts, "the memory of the schedule and the ledger alone");
    CLI11_PARSE(app, argc, argv);
    if (parts)
        measure_parts(s.names);
    else if (simulated)
        run_simulated(s);
    else
        run(s);
    return EXIT_SUCCESS;
} catch (const std::exception& e) {
    std::cerr << "idle_cost: " << e.what() << '\n';
    return EXIT_FAILURE;
}
