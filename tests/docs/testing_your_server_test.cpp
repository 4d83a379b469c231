#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>

#include <evercert/manager.hpp>
#include <evercert/rethrow.hpp>
#include <evercert/testing/acme_server.hpp>

#include "catch.hpp"

// What docs/testing.md shows stands between the brackets.
// [snippet]
asio::awaitable<void> check_certificate(evercert::manager& manager, evercert::testing::acme_server& ca) {
    co_await manager.listening();
    ca.validation_ports(manager.http_endpoints().at(0).port, manager.https_endpoints().at(0).port);

    const auto certificate = co_await manager.cert("app.test");
    CHECK(certificate->covers("app.test"));
    CHECK(ca.count("newOrder") == 1);

    manager.stop();
    ca.stop();
}

TEST_CASE("the server gets a certificate for its name") {
    asio::io_context io;
    evercert::testing::acme_server ca{io.get_executor()};

    evercert::manager_options options;
    options.directory_url = ca.directory_url();
    options.http.ca_file = ca.api_root_file();
    options.server.addresses = {asio::ip::address_v4::loopback()};
    options.server.http_port = 0;  // the system chooses
    options.server.https_port = 0;
    evercert::manager manager{io, options};
    manager.set_hosts({"app.test"});

    asio::co_spawn(io, manager.serve(), evercert::rethrow);
    asio::co_spawn(io, check_certificate(manager, ca), evercert::rethrow);
    io.run();
}
// [/snippet]
