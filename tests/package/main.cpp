// A program outside the tree: a CA and a server in one process, and a certificate from the one for the other. What it
// needs of evercert has to be installed.
#include <iostream>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <evercert/evercert.hpp>
#include <evercert/testing/acme_server.hpp>

asio::awaitable<void> obtain(evercert::manager& manager, evercert::testing::acme_server& ca, bool& obtained) {
    co_await manager.listening();
    ca.validation_ports(manager.http_endpoints().at(0).port, manager.https_endpoints().at(0).port);
    const auto certificate = co_await manager.cert("outside.test");
    std::cout << "obtained a certificate for " << evercert::to_string(certificate->names()) << '\n';
    obtained = true;
    manager.stop();
}

int main() {
    asio::io_context io;
    evercert::testing::acme_server ca{io.get_executor()};
    evercert::manager_options options;
    options.directory_url = ca.directory_url();
    options.http.ca_file = ca.api_root_file();
    options.server.addresses = {asio::ip::address_v4::loopback()};
    options.server.http_port = 0;
    options.server.https_port = 0;
    evercert::manager manager{io, options};
    manager.set_hosts({"outside.test"});

    bool obtained = false;
    asio::co_spawn(io, manager.serve(), [&](std::exception_ptr thrown) {
        ca.stop();
        evercert::rethrow(thrown);
    });
    asio::co_spawn(io, obtain(manager, ca, obtained), evercert::rethrow);
    io.run();
    return obtained ? 0 : 1;
}
