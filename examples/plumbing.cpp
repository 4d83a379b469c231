// One certificate, every step of RFC 8555 in the open: what evercert::manager does behind its back.
//
//   plumbing https://localhost:14000/dir ca.pem example.com 5002 > chain.pem
//
// The CA must reach this program as http://example.com:80/; port 5002 is where Pebble asks.

#include <cstdlib>
#include <fstream>
#include <iostream>

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <evercert/acme/client.hpp>
#include <evercert/csr.hpp>
#include <evercert/rethrow.hpp>

using asio::ip::tcp;
namespace acme = evercert::acme;

/// The smallest server that the CA's validation is content with (RFC 8555, section 8.3): whatever it asks for, the
/// answer is the one key authorization that it wants to see.
asio::awaitable<void> answer(tcp::socket socket, std::string key_authorization) {
    std::string request;
    auto buffer = asio::dynamic_buffer(request, 16 << 10);
    co_await asio::async_read_until(socket, buffer, "\r\n\r\n", asio::use_awaitable);
    std::string reply =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + std::to_string(key_authorization.size()) +
        "\r\n\r\n" + key_authorization;
    co_await asio::async_write(socket, asio::buffer(reply), asio::use_awaitable);
}

asio::awaitable<void> answer_http_01(tcp::acceptor& acceptor, std::string key_authorization) {
    for (;;) {
        auto socket = co_await acceptor.async_accept(asio::use_awaitable);
        auto executor = acceptor.get_executor();
        // Detached: a client that leaves in the middle is nobody's error.
        asio::co_spawn(executor, answer(std::move(socket), key_authorization), asio::detached);
    }
}

asio::awaitable<void> obtain(acme::client& ca, evercert::identifier name, tcp::acceptor& http) {
    auto directory = co_await ca.directory();
    std::cerr << "directory: terms of service at " << directory.terms_of_service.value_or("none") << "\n";

    std::vector<std::string> contact;
    auto account = co_await ca.new_account(contact, true);
    std::cerr << "account: " << account.url << "\n";

    std::vector<evercert::identifier> names{name};
    auto order = co_await ca.new_order(names);
    std::cerr << "order: " << order.url << " is " << to_string(order.status) << "\n";

    for (const auto& url : order.authorizations) {
        auto authorization = co_await ca.authorization(url);
        const auto* challenge = authorization.find("http-01");
        if (!challenge)
            throw evercert::error{evercert::errc::challenge_unsupported, "the CA offers no http-01"};
        auto key_authorization = ca.key_authorization(challenge->token);
        asio::co_spawn(http.get_executor(), answer_http_01(http, key_authorization), evercert::rethrow);
        co_await ca.challenge_ready(challenge->url);
        co_await ca.wait_authorization(url);
        std::cerr << "authorization: " << url << " is valid\n";
    }

    auto key = evercert::private_key::generate();
    order = co_await ca.wait_order(order.url);
    order = co_await ca.finalize(order, evercert::make_csr(key, names));
    std::cerr << "finalize: the order is " << to_string(order.status) << "\n";
    order = co_await ca.wait_order(order.url);

    auto chain = co_await ca.certificate(order.certificate);
    std::ofstream{name.value() + ".key"} << key.to_pem();
    std::cout << chain.pem;
    std::cerr << "certificate: on standard output; its key is in " << name.value() << ".key\n";
}

int main(int argc, char** argv) {
    if (argc != 5) {
        std::cerr << "usage: plumbing DIRECTORY_URL CA_FILE NAME HTTP_PORT\n";
        return EXIT_FAILURE;
    }
    try {
        acme::client_options options;
        options.directory_url = argv[1];
        options.http.ca_file = argv[2];
        acme::client ca{evercert::private_key::generate(), options};

        asio::io_context io;
        tcp::acceptor http{io, {tcp::v4(), static_cast<asio::ip::port_type>(std::stoi(argv[4]))}};
        asio::co_spawn(io, obtain(ca, argv[3], http), [&io](std::exception_ptr failed) {
            io.stop();
            evercert::rethrow(failed);
        });
        io.run();
    } catch (const std::exception& failed) {
        std::cerr << "plumbing: " << failed.what() << "\n";
        return EXIT_FAILURE;
    }
}
