#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/testing/world.hpp>

#include "base/seeded.hpp"
#include "base/task_group.hpp"
#include "base/wall_time.hpp"
#include "http/client.hpp"
#include "testing/temporary_file.hpp"

namespace evercert::testing {

namespace {

// As in world.cpp: one use of the seed does not move another's draws.
enum use : std::uint64_t { manager_use = 3, disk_use };

/// Programs that are cancelled unwind at once, but for what they still wait for.
constexpr duration end_limit = std::chrono::minutes{10};

/// On a network that needs no TLS for a CA's sake, clients of servers speak it all the same: the certificate is what they
/// come for.
class tls_network final : public network {
public:
    explicit tls_network(std::shared_ptr<network> next) : next_{std::move(next)} {}

    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host) override {
        return next_->resolve(std::move(host));
    }
    asio::awaitable<std::unique_ptr<stream>> connect(endpoint to) override { return next_->connect(to); }
    std::unique_ptr<listener> listen(asio::any_io_executor executor, endpoint at) override {
        return next_->listen(std::move(executor), at);
    }

private:
    std::shared_ptr<network> next_;
};

asio::awaitable<response> ask(std::shared_ptr<http_client> with, request what) {
    co_return co_await with->send(std::move(what));
}

}  // namespace

struct world::machine::parts {
    explicit parts(world& in)
        : programs{in.executor(), [this](std::exception_ptr why) { failed(std::move(why)); }},
          visits{in.executor(), [](std::exception_ptr why) { std::rethrow_exception(std::move(why)); }} {}

    /// What a process still says when it is dead already is nobody's concern.
    void failed(std::exception_ptr why) const {
        if (!dying)
            std::rethrow_exception(std::move(why));
    }

    static asio::awaitable<void> visit(machine&, std::string url, const acme_server&, duration interval, visit_log&);
    static asio::awaitable<void> visit_once(machine&, std::string url, const acme_server&, visit_log&);

    std::list<program> what;
    bool dying = false;
    task_group programs;
    task_group visits;
    std::list<visit_log> logs;
    std::string roots;  ///< that `client` trusts
    std::shared_ptr<http_client> client;
};

world::machine::machine(world& of, std::string name, asio::ip::address address)
    : world_{&of},
      name_{std::move(name)},
      address_{std::move(address)},
      clock_{of.time_.make_clock()},
      network_{of.network_->join({address_}, clock_)},
      disk_{[draws = seeded{mixed({of.options_.seed, disk_use, address_.to_v4().to_uint()})}]() mutable {
          return draws.next();
      }},
      blocking_{of.time_},
      process_{disk_.process()},
      parts_{std::make_unique<parts>(of)} {
    of.network_->name(name_, {address_});
    disk_.create_folder("/var/lib");
}

world::machine::~machine() = default;

acme_server_options world::machine::ca_options() const {
    acme_server_options options;
    options.api = {address_, 443};
    options.validation_address = {};
    options.clock = clock_;
    options.network = network_;
    return options;
}

acme_server_options world::machine::ca_options(const machine& validator) const {
    auto options = ca_options();
    options.validation_network = validator.network_;
    return options;
}

evercert::manager_options world::machine::manager_options(const acme_server& ca) const {
    evercert::manager_options options;
    options.directory_url = ca.directory_url();
    options.http.ca_file = ca.api_root_file();
    options.challenges = {challenge_type::http_01, challenge_type::tls_alpn_01};
    options.server.addresses = {address_};
    options.clock = clock_;
    options.network = network_;
    options.disk = process_;
    options.blocking_executor = blocking_.get_executor();
    options.seed = mixed({world_->options_.seed, manager_use, address_.to_v4().to_uint()});
    return options;
}

evercert::file_store_options world::machine::file_store_options() const {
    evercert::file_store_options options;
    options.clock = clock_;
    options.disk = process_;
    options.blocking_executor = blocking_.get_executor();
    return options;
}

void world::machine::run(program what) {
    parts_->what.push_back(std::move(what));
    parts_->programs.spawn(parts_->what.back()());
}

void world::machine::restart(simulated_disk::outage how, duration off) {
    world_->note(name_ + (how == simulated_disk::outage::power ? " loses its power" : " is killed"));
    disk_.restart(how);
    world_->network_->reset(address_);
    parts_->dying = true;
    parts_->programs.cancel();
    end([this] { return parts_->programs.size() == 0; });
    parts_->dying = false;
    process_ = disk_.process();
    world_->time_.pass(off);
    for (const auto& each : parts_->what)
        parts_->programs.spawn(each());
}

void world::machine::cut_off(duration length, cut_type how) {
    auto& network = *world_->network_;
    network.cut(address_, how);
    world_->time_.call_at(world_->time_.elapsed() + length, [&network, self = address_] { network.heal(self); });
}

void world::machine::cut_off(const machine& from, duration length, cut_type how) {
    auto& network = *world_->network_;
    const auto other = from.address_;
    network.cut(address_, other, how);
    world_->time_.call_at(
        world_->time_.elapsed() + length, [&network, self = address_, other] { network.heal(self, other); });
}

void world::machine::cancel() {
    parts_->programs.close();
    parts_->visits.close();
    parts_->what.clear();
}

void world::machine::stop() {
    cancel();
    end([this] { return parts_->programs.size() + parts_->visits.size() == 0; });
}

void world::machine::end(const std::function<bool()>& ended) {
    if (!world_->time_.run_until(ended, end_limit))
        throw error{
            errc::timed_out, "what runs on " + name_ + " goes on " + to_text(end_limit) + " after its cancellation"};
}

asio::awaitable<response> world::machine::send(request what, const acme_server& trusted) {
    auto roots = trusted.issuing_root_pem();
    if (!parts_->client || parts_->roots != roots) {
        const temporary_file file{roots};
        http_client_options options;
        options.ca_file = file.path();
        options.idle_connections_max = 0;
        parts_->client =
            std::make_shared<http_client>(options, clock_, std::make_shared<tls_network>(network_), logger{});
        parts_->roots = std::move(roots);
    }
    return ask(parts_->client, std::move(what));
}

const visit_log& world::machine::visit(std::string url, const acme_server& trusted, duration interval) {
    auto& log = parts_->logs.emplace_back();
    parts_->visits.spawn(parts::visit(*this, std::move(url), trusted, interval, log));
    return log;
}

asio::awaitable<void> world::machine::parts::visit(
    machine& self, std::string url, const acme_server& trusted, duration interval, visit_log& log) {
    for (;;) {
        co_await visit_once(self, url, trusted, log);
        co_await self.clock_->sleep_for(interval);
    }
}

asio::awaitable<void> world::machine::parts::visit_once(
    machine& self, std::string url, const acme_server& trusted, visit_log& log) {
    std::string failure;
    const char* noted = " got no answer from ";
    try {
        request what{"GET", url};
        const auto answer = co_await self.send(std::move(what), trusted);
        ++log.answers[answer.status];
    } catch (const error& why) {
        const bool untrusted = why.code() == errc::peer_untrusted;
        ++(untrusted ? log.untrusted : log.unanswered);
        noted = untrusted ? " does not trust " : noted;
        failure = why.what();
    }
    ++log.made;
    if (failure.empty())
        co_return;
    self.world_->note(self.name_ + noted + url);
    if (log.failures.size() < visit_log::failures_max)
        log.failures.push_back(fmt::format("{} {}: {}", to_rfc3339(self.world_->time_.now()), url, failure));
}

}  // namespace evercert::testing
