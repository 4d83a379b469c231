#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
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

    explicit simulated_site(change adjust = {}, ca_change adjust_ca = {});
    ~simulated_site();

    std::unique_ptr<evercert::testing::acme_server> make_ca(const ca_change& adjust = {});

    /// A manager that is not running yet; what it is told goes into `told`.
    void make_manager();
    void start();
    void stop();
    /// serve() is cancelled; the manager stays, and `start()` goes on with it once `serving()` says that it has ended.
    void cancel_serving();
    bool serving() const;
    void restart(change adjust);
    void restart();

    template <typename T>
    T run(asio::awaitable<T> work) {
        return time.run(std::move(work));
    }
    void pass(evercert::duration length);
    bool until(const std::function<bool()>& done, evercert::duration limit);

    evercert::certificate_ptr cert(evercert::identifier name);
    /// What a client that asks for this name gets; null and `refusal` if it is refused.
    evercert::certificate_ptr ask(std::string server_name);
    evercert::certificate_ptr ask(evercert::client_hello hello);
    /// One every `interval`.
    void ask_for(std::string server_name, evercert::duration length, evercert::duration interval);
    evercert::certificate_status status(const evercert::identifier& name);

    /// All that was told so far.
    const std::vector<evercert::manager_event>& heard();
    int heard(evercert::event_type type);
    /// Forget what was told so far.
    void forget_events();
    int logged(evercert::log_level level, std::string_view part) const;
    /// Requests to the CA of any kind.
    int requests() const;

    temp_folder folder;
    asio::io_context io;
    simulated_time time{io};
    std::shared_ptr<simulated_time::machine_clock> clock;
    std::shared_ptr<simulated_time::machine_clock> ca_clock;
    std::shared_ptr<memory_network> net;
    std::unique_ptr<evercert::testing::acme_server> ca;
    std::shared_ptr<evercert::store> store;
    std::function<void(evercert::manager&)> before_start;
    std::optional<evercert::manager> manager;
    std::vector<evercert::manager_event> told;
    std::map<evercert::log_level, std::vector<std::string>> lines;
    std::error_code refusal;
    std::string refusal_text;

private:
    void hear();

    change adjust_;
    std::optional<started<void>> serving_;
    std::optional<evercert::event_stream> listener_;
};

}  // namespace test
