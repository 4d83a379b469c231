#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <evercert/evercert.hpp>
#include <evercert/tls_acceptor.hpp>

// A TLS server on the sockets that it was started with:
//
//     inherits_sockets CHAIN_PEM KEY_PEM
//
// Writes a line for each, answers a client on each with "inherited", and ends. Without any it says so and ends with 2; if there
// is something wrong with them it says what, and ends with 1.

using namespace evercert;

namespace {

class one_certificate final : public certificate_source {
public:
    explicit one_certificate(certificate_ptr only) : only_{std::move(only)} {}
    asio::awaitable<certificate_ptr> get_certificate(client_hello) override { co_return only_; }

private:
    certificate_ptr only_;
};

std::string read_file(const char* path) {
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

asio::awaitable<void> answer(tls_acceptor& on, std::size_t clients) {
    const std::string said = "inherited";
    for (std::size_t i = 0; i < clients; ++i) {
        tls_stream client = co_await on.accept();
        co_await asio::async_write(client, asio::buffer(said), asio::use_awaitable);
        co_await client.async_shutdown(asio::use_awaitable);
    }
    co_await on.close();
}

}  // namespace

int main(int argc, char** argv) try {
    const auto sockets = inherited_sockets();
    if (sockets.empty() || argc != 3) {
        std::cout << "no sockets\n";
        return 2;
    }
    asio::io_context io;
    one_certificate source{
        std::make_shared<const certificate>(read_file(argv[1]), private_key::from_pem(read_file(argv[2])))};
    tls_acceptor acceptor{io, source};
    for (const int socket : sockets) {
        const bool is_closed_by_exec = (::fcntl(socket, F_GETFD) & FD_CLOEXEC) != 0;
        std::cout << "socket " << socket << " listens on " << to_string(acceptor.listen(socket))
                  << (is_closed_by_exec ? ", closed by exec" : "") << std::endl;
    }
    asio::co_spawn(io, answer(acceptor, sockets.size()), rethrow);
    io.run_for(std::chrono::minutes{1});
} catch (const std::exception& e) {
    std::cout << e.what() << '\n';
    return 1;
}
