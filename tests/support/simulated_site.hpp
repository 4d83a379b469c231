#pragma once

#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <evercert/evercert.hpp>
#include <evercert/testing/acme_server.hpp>

#include "memory_network.hpp"
#include "run.hpp"
#include "simulated_time.hpp"
#include "temp_folder.hpp"

namespace test {

/// A CA and a server with a manager in one io_context, on a network in memory and in simulated time. The manager has its
/// own limits' defaults and a store that outlives it. Its clock is another one than the CA's.
class simulated_site {
public:
    using change = std::function<void(evercert::manager_options&)>;
    using ca_change = std::function<void(evercert::testing::acme_server_options&)>;

    explicit simulated_site(change adjust = {}, ca_change adjust_ca = {}) : adjust_{std::move(adjust)} {
        ca = make_ca(adjust_ca);
        store = evercert::memory_store(clock);
        make_manager();
    }
    ~simulated_site() {
        stop();
        ca.reset();
        time.pass(std::chrono::seconds{1});
    }

    std::unique_ptr<evercert::testing::acme_server> make_ca(const ca_change& adjust = {}) {
        evercert::testing::acme_server_options options;
        options.clock = ca_clock;
        options.network = net;
        if (adjust)
            adjust(options);
        return std::make_unique<evercert::testing::acme_server>(io.get_executor(), std::move(options));
    }

    /// A manager that is not running yet; what it is told goes into `told`.
    void make_manager() {
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
    void start() {
        serving_.emplace(io.get_executor(), manager->serve());
        run(manager->listening());
    }
    void stop() {
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
    /// serve() is cancelled; the manager stays, and `start()` goes on with it once `serving()` says that it has ended.
    void cancel_serving() { serving_->cancel(); }
    bool serving() const { return serving_ && !serving_->ended(); }
    void restart(change adjust) {
        adjust_ = std::move(adjust);
        restart();
    }
    void restart() {
        stop();
        make_manager();
        start();
    }

    template <typename T>
    T run(asio::awaitable<T> work) {
        return time.run(std::move(work));
    }
    void pass(evercert::duration length) { time.pass(length); }
    template <typename Condition>
    bool until(Condition done, evercert::duration limit) {
        return time.run_until(std::move(done), limit);
    }

    evercert::certificate_ptr cert(evercert::identifier name) { return run(manager->cert(std::move(name))); }
    /// What a client that asks for this name gets; null and `refusal` if it is refused.
    evercert::certificate_ptr ask(std::string server_name) {
        return ask(evercert::client_hello{std::move(server_name), {}});
    }
    evercert::certificate_ptr ask(evercert::client_hello hello) {
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
    /// One every `interval`.
    void ask_for(std::string server_name, evercert::duration length, evercert::duration interval) {
        for (evercert::duration asked{}; asked < length; asked += interval) {
            ask(server_name);
            pass(interval);
        }
    }
    evercert::certificate_status status(const evercert::identifier& name) { return manager->status(name).value(); }

    /// All that was told so far.
    const std::vector<evercert::manager_event>& heard() {
        hear();
        return told;
    }
    int heard(evercert::event_type type) {
        int n = 0;
        for (const auto& one : heard())
            n += one.type == type;
        return n;
    }
    /// Forget what was told so far.
    void forget_events() {
        hear();
        told.clear();
    }
    int logged(evercert::log_level level, std::string_view part) const {
        int n = 0;
        if (const auto at = lines.find(level); at != lines.end())
            for (const auto& line : at->second)
                n += line.find(part) != std::string::npos;
        return n;
    }
    /// Requests to the CA of any kind.
    int requests() const {
        int n = 0;
        for (const auto* each :
             {"directory", "newNonce", "newAccount", "newOrder", "account", "orders", "order", "finalize",
              "authorization", "challenge", "certificate", "renewalInfo"})
            n += ca->count(each);
        return n;
    }

    temp_folder folder;
    asio::io_context io;
    simulated_time time{io};
    std::shared_ptr<simulated_time::machine_clock> clock = time.make_clock();
    std::shared_ptr<simulated_time::machine_clock> ca_clock = time.make_clock();
    std::shared_ptr<memory_network> net = std::make_shared<memory_network>();
    std::unique_ptr<evercert::testing::acme_server> ca;
    std::shared_ptr<evercert::store> store;
    std::function<void(evercert::manager&)> before_start;
    std::optional<evercert::manager> manager;
    std::vector<evercert::manager_event> told;
    std::map<evercert::log_level, std::vector<std::string>> lines;
    std::error_code refusal;
    std::string refusal_text;

private:
    void hear() {
        while (auto one = listener_->try_next())
            told.push_back(std::move(*one));
    }

    change adjust_;
    std::optional<started<void>> serving_;
    std::optional<evercert::event_stream> listener_;
};

}  // namespace test
