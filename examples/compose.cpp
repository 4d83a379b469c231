// A server in a larger application: serve() beside a loop of one's own, a watcher of the manager's state, and one stop
// that ends them all.
//
//     compose SECONDS DIRECTORY_URL CA_FILE HTTP_PORT HTTPS_PORT NAME

#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/evercert.hpp>

namespace {

struct game {
    explicit game(asio::io_context& io) : tick{io} {}
    asio::steady_timer tick;
    int ticks = 0;
};

// The application's own loop: it ends when its work is done, and takes the server with it.
asio::awaitable<void> play(game& state, evercert::manager& manager, std::chrono::milliseconds length) {
    const auto end = std::chrono::steady_clock::now() + length;
    while (std::chrono::steady_clock::now() < end) {
        ++state.ticks;
        state.tick.expires_after(std::chrono::milliseconds{50});
        co_await state.tick.async_wait(asio::use_awaitable);
    }
    manager.stop();
}

// Every change of the manager's state, until it stops.
asio::awaitable<void> watch(evercert::manager& manager) {
    try {
        for (;;) {
            co_await manager.watch().receive();
            std::cout << "state: " << manager.marshal().size() << " bytes\n";
        }
    } catch (const evercert::error& e) {
        if (e.code() != evercert::errc::stopped)
            throw;
    }
}

// serve() returns after stop(); anything else it throws ends the program through io.run().
asio::awaitable<void> serve(evercert::manager& manager) {
    co_await manager.serve();
    std::cout << "served\n";
}

evercert::manager_options options(char** argv) {
    evercert::manager_options options;
    options.directory_url = argv[2];
    options.http.ca_file = argv[3];
    options.server.http_port = static_cast<std::uint16_t>(std::atoi(argv[4]));
    options.server.https_port = static_cast<std::uint16_t>(std::atoi(argv[5]));
    options.server.addresses = {asio::ip::address_v4::loopback()};
    return options;
}

asio::awaitable<evercert::response> score(game& state, evercert::request) {
    co_return evercert::response{"ticks: " + std::to_string(state.ticks) + "\n"};
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 7) {
        std::cerr << "usage: compose SECONDS DIRECTORY_URL CA_FILE HTTP_PORT HTTPS_PORT NAME\n";
        return 2;
    }
    asio::io_context io;
    game state{io};
    evercert::manager manager{io, options(argv)};
    manager.set_hosts({argv[6]});
    // The handler captures; the coroutine that it calls takes parameters.
    manager.handle("/", [&state](evercert::request asked) { return score(state, std::move(asked)); });

    const auto length = std::chrono::milliseconds{static_cast<int>(std::atof(argv[1]) * 1000)};
    asio::co_spawn(io, serve(manager), evercert::rethrow);
    asio::co_spawn(io, watch(manager), evercert::rethrow);
    asio::co_spawn(io, play(state, manager, length), evercert::rethrow);
    io.run();
    std::cout << "ended after " << state.ticks << " ticks\n";
} catch (const std::exception& e) {
    std::cerr << "compose: " << e.what() << '\n';
    return 1;
}
