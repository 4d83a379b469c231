#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/strand.hpp>

#include <evercert/acme/client.hpp>
#include <evercert/error.hpp>
#include <evercert/rethrow.hpp>
#include <evercert/testing/acme_server.hpp>

#include "catch.hpp"

using namespace evercert;

namespace {

/// Orders whose validations find nobody, until the CA is gone.
asio::awaitable<void> order_for_ever(acme::client_options options, std::atomic<int>& orders) {
    acme::client client{private_key::generate(), options};
    try {
        co_await client.new_account({}, true);
        for (;;) {
            const std::vector<identifier> names{"a.test"};
            const auto order = co_await client.new_order(names);
            const auto authorization = co_await client.authorization(order.authorizations.at(0));
            co_await client.challenge_ready(authorization.challenges.at(0).url);
            ++orders;
        }
    } catch (const error&) {
        // The CA has stopped.
    }
}

}  // namespace

TEST_CASE("a CA on several threads serves, is asked from others, and is destroyed in the middle of it") {
    asio::io_context io{4};
    testing::acme_server_options wanted;
    wanted.http_port = 1;
    auto ca = std::make_unique<testing::acme_server>(io.get_executor(), wanted);
    acme::client_options options;
    options.directory_url = ca->directory_url();
    options.http.ca_file = ca->api_root_file();

    std::atomic<int> orders = 0;
    for (int i = 0; i < 4; ++i)
        asio::co_spawn(asio::make_strand(io), order_for_ever(options, orders), evercert::rethrow);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&io] { io.run(); });

    bool as_expected = true;
    while (orders < 100) {
        ca->validation_ports(1, 1);
        ca->bad_nonce_every(orders % 2 == 0 ? 0 : 7);
        as_expected &= ca->revoked().empty() && ca->certificates_issued() == 0;
        std::this_thread::yield();
    }
    CHECK(ca->count("challenge") >= 100);
    ca.reset();
    for (auto& thread : threads)
        thread.join();
    CHECK(as_expected);
}
