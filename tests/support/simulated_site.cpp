#include "simulated_site.hpp"

#include <cstdlib>
#include <iostream>

namespace test {

simulated_site::simulated_site(change adjust, ca_change adjust_ca)
    : clock{time.make_clock()},
      ca_clock{time.make_clock()},
      net{std::make_shared<memory_network>()},
      adjust_{std::move(adjust)} {
    ca = make_ca(adjust_ca);
    store = evercert::memory_store(clock);
    make_manager();
}

simulated_site::~simulated_site() {
    stop();
    ca.reset();
    time.pass(std::chrono::seconds{1});
}

std::unique_ptr<evercert::testing::acme_server> simulated_site::make_ca(const ca_change& adjust) {
    evercert::testing::acme_server_options options;
    options.clock = ca_clock;
    options.network = net;
    if (adjust)
        adjust(options);
    return std::make_unique<evercert::testing::acme_server>(io.get_executor(), std::move(options));
}

void simulated_site::make_manager() {
    evercert::manager_options options;
    options.directory_url = ca->directory_url();
    options.http.ca_file = ca->api_root_file();
    options.server.addresses = {asio::ip::address_v4::loopback()};
    options.store = store;
    options.clock = clock;
    options.network = net;
    options.blocking_executor = io.get_executor();
    options.log.level = evercert::log_level::debug;
    options.log.sink = [this](evercert::log_level level, std::string_view text) {
        if (std::getenv("EVERCERT_TEST_LOG"))
            std::cerr << clock->wall().time_since_epoch() / std::chrono::seconds{1} << ' ' << text << std::endl;
        lines[level].emplace_back(text);
    };
    if (adjust_)
        adjust_(options);
    manager.emplace(io, std::move(options));
    if (before_start)
        before_start(*manager);
    listener_.emplace(manager->events());
}

void simulated_site::start() {
    serving_.emplace(io.get_executor(), manager->serve());
    run(manager->listening());
}

void simulated_site::stop() {
    if (!manager)
        return;
    manager->stop();
    if (serving_)
        run(serving_->join());
    serving_.reset();
    hear();
    manager.reset();
    time.pass(std::chrono::seconds{1});
}

void simulated_site::cancel_serving() { serving_->cancel(); }

bool simulated_site::serving() const { return serving_ && !serving_->ended(); }

void simulated_site::restart(change adjust) {
    adjust_ = std::move(adjust);
    restart();
}

void simulated_site::restart() {
    stop();
    make_manager();
    start();
}

void simulated_site::pass(evercert::duration length) { time.pass(length); }

bool simulated_site::until(const std::function<bool()>& done, evercert::duration limit) {
    return time.run_until(done, limit);
}

evercert::certificate_ptr simulated_site::cert(evercert::identifier name) {
    return run(manager->cert(std::move(name)));
}

evercert::certificate_ptr simulated_site::ask(std::string server_name) {
    return ask(evercert::client_hello{std::move(server_name), {}});
}

evercert::certificate_ptr simulated_site::ask(evercert::client_hello hello) {
    refusal = {};
    try {
        return run(manager->get_certificate(std::move(hello)));
    } catch (const std::system_error& e) {
        refusal = e.code();
        refusal_text = e.what();
    } catch (const std::exception& e) {
        refusal_text = e.what();
    }
    return nullptr;
}

void simulated_site::ask_for(std::string server_name, evercert::duration length, evercert::duration interval) {
    for (evercert::duration asked{}; asked < length; asked += interval) {
        ask(server_name);
        pass(interval);
    }
}

evercert::certificate_status simulated_site::status(const evercert::identifier& name) {
    return manager->status(name).value();
}

const std::vector<evercert::manager_event>& simulated_site::heard() {
    hear();
    return told;
}

int simulated_site::heard(evercert::event_type type) {
    int n = 0;
    for (const auto& one : heard())
        n += one.type == type;
    return n;
}

void simulated_site::forget_events() {
    hear();
    told.clear();
}

int simulated_site::logged(evercert::log_level level, std::string_view part) const {
    int n = 0;
    if (const auto at = lines.find(level); at != lines.end())
        for (const auto& line : at->second)
            n += line.find(part) != std::string::npos;
    return n;
}

int simulated_site::requests() const {
    int n = 0;
    for (const auto* each :
         {"directory", "newNonce", "newAccount", "newOrder", "account", "orders", "order", "finalize", "authorization",
          "challenge", "certificate", "renewalInfo"})
        n += ca->count(each);
    return n;
}

void simulated_site::hear() {
    while (auto one = listener_->try_next())
        told.push_back(std::move(*one));
}

}  // namespace test
