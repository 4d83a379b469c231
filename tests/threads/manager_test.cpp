#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <evercert/evercert.hpp>
#include <evercert/testing/acme_server.hpp>

#include "catch.hpp"
#include "certificates.hpp"
#include "local_site.hpp"

using namespace evercert;

namespace {

asio::awaitable<response> hello(request asked) { co_return response{asked.server_name}; }

/// An io_context that several threads run.
class crew {
public:
    explicit crew(int size) {
        for (int i = 0; i < size; ++i)
            threads_.emplace_back([this] { io.run(); });
    }
    ~crew() {
        work_.reset();
        for (auto& one : threads_)
            one.join();
    }

    template <typename T>
    std::future<T> start(asio::awaitable<T> work) {
        return asio::co_spawn(io, std::move(work), asio::use_future);
    }

    asio::io_context io;

private:
    asio::executor_work_guard<asio::io_context::executor_type> work_{io.get_executor()};
    std::vector<std::thread> threads_;
};

manager_options options_for(const testing::acme_server& ca) {
    manager_options options;
    options.directory_url = ca.directory_url();
    options.http.ca_file = ca.api_root_file();
    options.server.addresses = {asio::ip::address_v4::loopback()};
    options.server.http_port = 0;
    options.server.https_port = 0;
    options.orders = {std::chrono::seconds{0}, 1};
    options.new_hosts = {std::chrono::seconds{0}, 1};
    options.order_ceiling = {};
    return options;
}

}  // namespace

TEST_CASE("a manager serves, obtains and answers questions on many threads at once") {
    test::temporary_folder folder;
    crew all{4};
    testing::acme_server ca{all.io.get_executor()};
    test::write_file(folder / "root.pem", ca.issuing_root_pem());
    manager manager{all.io, options_for(ca)};
    manager.cache_file(folder / "cache");
    manager.handle("/", hello);
    auto served = all.start(manager.serve());
    all.start(manager.listening()).get();
    const auto port = manager.https_endpoints().at(0).port;
    ca.validation_ports(manager.http_endpoints().at(0).port, port);

    std::atomic<bool> done = false;
    std::thread asker{[&] {
        std::size_t size = 0;
        while (!done) {
            size += manager.marshal().size();
            manager.find("host1.test");
            manager.registered();
            manager.watch().try_receive();
            manager.allow_any_host();
            std::this_thread::yield();
        }
        CHECK(size > 0);
    }};
    std::vector<std::future<std::string>> clients;
    for (int round = 0; round < 4; ++round)
        for (int host = 0; host < 6; ++host)
            clients.push_back(
                all.start(test::local_site::get("host" + std::to_string(host) + ".test", port, folder / "root.pem")));
    for (std::size_t i = 0; i < clients.size(); ++i)
        CHECK(clients[i].get() == "host" + std::to_string(i % 6) + ".test");
    CHECK(ca.count("newOrder") == 6);

    done = true;
    asker.join();
    auto late = all.start(manager.cert("late.test"));
    manager.stop();
    served.get();
    try {
        late.get();
    } catch (const error& e) {
        CHECK(e.code() == errc::stopped);
    }
    ca.stop();
}

TEST_CASE("own certificates are added, replaced and removed while handshakes look for them on other threads") {
    crew all{2};
    const auto now = system_clock()->wall();
    test::authority of_mine{now - std::chrono::hours{1}};
    std::vector<certificate_ptr> owns;
    for (int i = 0; i < 4; ++i)
        owns.push_back(of_mine.issue({"own.test", "own" + std::to_string(i) + ".test"}));
    test::temporary_folder folder;
    test::write_file(folder / "both.pem", owns[0]->chain_pem() + owns[0]->key().to_pem());
    manager_options options;
    options.certificate_files_interval = std::chrono::seconds{1};
    manager manager{all.io, options};
    manager.set_hosts({});
    manager.add_certificate_files(folder / "both.pem", folder / "both.pem");
    auto running = all.start(manager.run());

    std::atomic<bool> done = false;
    std::atomic<int> found = 0;
    std::vector<std::thread> askers;
    for (int i = 0; i < 2; ++i)
        askers.emplace_back([&] {
            while (!done) {
                client_hello hello{"own.test", {}};
                found += all.start(manager.get_certificate(hello)).get() != nullptr;
                manager.find("own1.test");
                manager.status();
                manager.status("own2.test");
            }
        });
    for (int round = 0; round < 200; ++round) {
        const auto& own = owns[static_cast<std::size_t>(round) % owns.size()];
        manager.add_certificate(own->chain_pem(), own->key().to_pem());
        if (round % 10 == 9)
            manager.remove_certificate(own->names().back());
    }
    while (found < 100)
        std::this_thread::yield();
    done = true;
    for (auto& one : askers)
        one.join();
    CHECK(manager.find("own.test"));
    manager.stop();
    running.get();
}
