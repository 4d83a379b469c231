#pragma once

#include <cstdlib>
#include <iostream>

#include <asio/detached.hpp>

#include <evercert/evercert.hpp>
#include <evercert/testing/acme_server.hpp>

#include "catch.hpp"
#include "descriptors.hpp"
#include "interruption.hpp"
#include "keeping.hpp"
#include "run.hpp"

/// Managers that come and go, each in an io_context of its own, on one thread with the CA that outlives them.
namespace test {

/// What the CA was asked for.
struct ca_counts {
    int accounts, orders, finalized, issued;
    ca_counts operator-(const ca_counts& before) const {
        return {
            accounts - before.accounts, orders - before.orders, finalized - before.finalized, issued - before.issued};
    }
};

class lasting_ca {
public:
    explicit lasting_ca(std::chrono::milliseconds issuance_delay = {}) {
        evercert::testing::acme_server_options options;
        options.challenges = {"http-01"};
        options.issuance_delay = issuance_delay;
        options.network = std::make_shared<interrupted_network>(connections_);
        server.emplace(io.get_executor(), std::move(options));
    }
    ca_counts counts() const {
        return {
            server->count("newAccount"), server->count("newOrder"), server->count("finalize"),
            server->certificates_issued()};
    }
    /// Until every connection to it and from it has ended, for those who are gone: what was sent has arrived then, however late
    /// a busy kernel delivers it.
    void settle() {
        const auto last = std::chrono::steady_clock::now() + limit_default;
        while (io.poll() > 0 || connections_->streams > 0) {
            if (std::chrono::steady_clock::now() > last)
                throw std::logic_error{"a connection of the CA's stays open"};
            io.run_one_for(std::chrono::milliseconds{1});
        }
    }

    asio::io_context io;
    std::optional<evercert::testing::acme_server> server;

private:
    const std::shared_ptr<interruption> connections_ = std::make_shared<interruption>();  // counts them
};

/// An io_context that runs by turns with the CA's, until what runs in it has ended or is interrupted. A turn of its own is one
/// handler, and a coroutine that goes on takes one: between two of them all are where they wait, whatever they wait for.
class stage {
public:
    explicit stage(lasting_ca& ca) : ca{ca} {}

    template <typename T>
    std::shared_ptr<result<T>> start(asio::awaitable<T> work) {
        auto outcome = std::make_shared<result<T>>();
        asio::co_spawn(io, run_into(outcome, std::move(work)), asio::detached);
        io.restart();
        return outcome;
    }
    template <typename T>
    T run(asio::awaitable<T> work) {
        const auto outcome = start(std::move(work));
        until([&] { return outcome->ended(); });
        return outcome->take();
    }
    template <typename Condition>
    void until(Condition holds) {
        const auto last = std::chrono::steady_clock::now() + limit_default;
        while (!holds()) {
            if (killed_)
                throw std::runtime_error{"killed"};
            if (counted(io.poll_one()) + ca.io.poll() == 0)
                counted(io.run_one_for(std::chrono::milliseconds{1}));
            if (std::chrono::steady_clock::now() > last)
                throw std::logic_error{"it did not come about"};
        }
    }

    /// Nothing is left to do.
    void finish() {
        until([&] { return io.stopped(); });
    }
    /// The process is killed: nothing of it runs any more.
    void kill() {
        killed_ = true;
        io.stop();
    }
    bool killed() const { return killed_; }

    lasting_ca& ca;
    std::function<void(std::string_view)> on_line;  // what is destroyed with the io_context may still log
    std::string latest;                             ///< line of the log
    interruption cut;  ///< counts the handlers, and has the latest line at the one that it stepped in after
    const std::shared_ptr<interruption> connections = std::make_shared<interruption>();
    asio::io_context io;

private:
    std::size_t counted(std::size_t handlers) {
        if (handlers > 0)
            cut.pass(latest);
        return handlers;
    }

    bool killed_ = false;
};

/// One manager, from its start to its end or to its interruption.
class life : public stage {
public:
    life(lasting_ca& at, keeping& kept) : stage{at} {
        evercert::manager_options options;
        options.directory_url = ca.server->directory_url();
        options.http.ca_file = ca.server->api_root_file();
        options.server.addresses = {asio::ip::address_v4::loopback()};
        options.server.http_port = 0;
        options.server.https_port = 0;
        options.orders = {std::chrono::seconds{0}, 1};
        options.new_hosts = {std::chrono::seconds{0}, 1};
        options.order_ceiling = {};
        options.challenges = {evercert::challenge_type::http_01};
        options.limits = evercert::ca_limits{};
        options.network = std::make_shared<interrupted_network>(connections);
        options.store = kept.store;
        options.log.level = evercert::log_level::debug;
        options.log.sink = [this](evercert::log_level, std::string_view text) {
            if (std::getenv("EVERCERT_TEST_LOG"))
                std::cerr << text << std::endl;
            latest = text;
            if (on_line)
                on_line(text);
        };
        manager.emplace(io, std::move(options));
        if (kept.what == keeping::kind::cache_file)
            manager->cache_file(kept.cache());
    }

    void serve() {
        serving_ = start(manager->serve());
        run(manager->listening());
        const auto http = manager->http_endpoints(), https = manager->https_endpoints();
        if (!http.empty() && !https.empty())
            ca.server->validation_ports(http[0].port, https[0].port);
    }
    /// serve() returns, and nothing is left to do.
    void end() {
        manager->stop();
        until([&] { return !serving_ || serving_->ended(); });
        finish();
        manager.reset();
        CHECK(connections->streams == 0);
    }

    std::optional<evercert::manager> manager;

private:
    std::shared_ptr<result<void>> serving_;
};

/// What a life is for.
enum class deed { obtain, renew };

/// Serve, register, and have a certificate of this CA's for `name`.
inline void live(life& self, const std::string& name, deed what) {
    self.serve();
    if (!self.manager->registered())
        self.run(self.manager->register_account("ops@a.test"));
    const auto wanted = *evercert::identifier::parse(name);
    if (what == deed::obtain) {
        self.run(self.manager->cert(wanted));
        return;
    }
    const auto fresh = [&] {
        const auto found = self.manager->find(wanted);
        return found && found->not_after() > evercert::system_clock()->wall() + std::chrono::days{30};
    };
    self.until([&] { return fresh() || self.cut.happened(); });
}

/// What must be true after one life that was cut short and one whole one, however the first ended. `cut`: what the CA had
/// seen when it ended.
inline void check_whole(keeping& kept, const std::string& name, const ca_counts& cut, const ca_counts& all) {
    const auto found = kept.item("certificates/" + name);
    REQUIRE(found);
    // A pending order may stay if the end came between the two saves: it has the same key, so nobody asks for it again.
    const auto pending = kept.item("orders/" + name);
    CHECK((!pending || pending->at("key") == found->at("key")));
    const std::string chain{found->at("chain").as_string()}, key{found->at("key").as_string()};
    CHECK_NOTHROW(evercert::certificate{chain, evercert::private_key::from_pem(key)});
    CHECK(all.issued == 1);
    CHECK(all.finalized == 1);
    CHECK(all.orders <= 2);
    if (cut.finalized == 1)
        CHECK(all.orders == cut.orders);
}

}  // namespace test
