#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <evercert/evercert.hpp>

asio::awaitable<evercert::response> hello(evercert::request) { co_return evercert::response{"Hello, TLS!\n"}; }

int main() {
    asio::io_context io;
    evercert::manager manager{io, {.email = "ops@example.com"}};  // Let's Encrypt unless told otherwise
    manager.set_hosts({"example.com", "www.example.com"});
    manager.cache_file("evercert.cache");
    manager.handle("/", hello);
    asio::co_spawn(io, manager.serve(), evercert::rethrow);  // :80 redirects, :443 serves
    io.run();
}
