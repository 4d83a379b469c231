#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <iostream>

#include "catch.hpp"
#include "http_load.hpp"
#include "memory_use.hpp"

using namespace evercert;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t clients_max = 10'000;

/// Of the answer that goes on for as long as its client takes it.
const std::string& block() {
    static const std::string text(4'000, 'x');
    return text;
}

asio::awaitable<void> write_endlessly(body_writer& out) {
    for (;;)
        co_await out.write(block());
}

struct busy_handlers {
    std::size_t in_body = 0;
    std::size_t in_answer = 0;

    asio::awaitable<response> answer(request asked) {
        if (asked.target == "/endless") {
            ++in_answer;
            co_return response::stream(write_endlessly);
        }
        if (asked.target == "/body")
            ++in_body;
        const auto text = co_await asked.body.text();
        co_return response{"served"};
    }
};

server_options room_for_all() {
    server_options options;
    options.connections.connections_max = clients_max + 100;
    options.connections.connections_per_address_max = 0;
    options.handshakes.per_address_max = 0;
    // So that all of them are there at once, also where opening them takes its time.
    options.head_timeout = options.body_timeout = options.write_timeout = options.rate_grace = 120s;
    return options;
}

/// How long others wait for their answers, who come with a connection of their own each.
asio::awaitable<std::vector<duration>> visit(test::http_load& site, bool over_tls) {
    std::vector<duration> waited;
    for (int i = 0; i < 100; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        auto connection = co_await site.connect(over_tls);
        co_await write_all(
            *connection, std::string_view{"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"});
        std::array<std::byte, 1000> buffer;
        const auto size = co_await read_some(*connection, buffer);
        const std::string_view answer{reinterpret_cast<const char*>(buffer.data()), size};
        if (answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("served"))
            waited.push_back(std::chrono::steady_clock::now() - begin);
    }
    std::sort(waited.begin(), waited.end());
    co_return waited;
}

struct expectation {
    const char* kinds;
    bool over_tls;
    std::size_t clients;
    double kilobytes_max;  ///< resident, of one
};

double kilobytes_each(std::size_t before, std::size_t after, std::size_t clients) {
    return after > before ? static_cast<double>(after - before) / 1024 / static_cast<double>(clients) : 0.0;
}

}  // namespace

TEST_CASE("ten thousand slow clients hold a bounded amount of memory each, and nobody else waits for them") {
    // Over TLS it is their handshakes that take the time of the test.
    const auto wanted = GENERATE(
        expectation{"head", false, clients_max, 6}, expectation{"body", false, clients_max, 24},
        expectation{"read", false, clients_max, 40}, expectation{"head,body,read", true, 3'000, 60});
    const auto clients = wanted.clients;
    const char* const program = std::getenv("EVERCERT_SLOW_CLIENTS");
    REQUIRE(program);
    busy_handlers handlers;
    test::http_load site{[&](request asked) { return handlers.answer(std::move(asked)); }, room_for_all()};
    const auto warm = site.run(visit(site, wanted.over_tls));
    REQUIRE(warm.size() == 100);
    const auto resident = test::resident_memory(), kernel = test::kernel_socket_memory();

    const auto begin = std::chrono::steady_clock::now();
    test::temporary_folder folder;
    const auto& port = wanted.over_tls ? site.secure : site.plain;
    std::vector<std::string> command{program, std::to_string(port.port), std::to_string(clients), wanted.kinds};
    if (wanted.over_tls)
        command.insert(command.end(), {site.root_file(), "a.test"});
    test::process crowd{command, {}, folder / "crowd.log"};
    site.until("all of them are there", [&] {
        if (!crowd.is_running())
            throw std::runtime_error{"slow_clients ended: " + crowd.log()};
        return crowd.log().find("ready\n") != std::string::npos && site.server.connections() == clients;
    });
    const std::string kinds = wanted.kinds;
    const auto share = [&](const char* kind) {
        const auto all = static_cast<std::size_t>(std::count(kinds.begin(), kinds.end(), ',')) + 1;
        return kinds.find(kind) == kinds.npos ? 0 : clients / all;
    };
    site.until("each is where it wants to be", [&] {
        return handlers.in_body >= share("body") && handlers.in_answer >= share("read");
    });

    const auto waited = site.run(visit(site, wanted.over_tls));
    REQUIRE(waited.size() == 100);
    CHECK(waited.back() < 2s);
    const auto each = kilobytes_each(resident, test::resident_memory(), clients);
    const auto milliseconds = [](duration d) { return std::chrono::duration<double, std::milli>{d}.count(); };
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << clients << " slow clients (" << wanted.kinds << (wanted.over_tls ? ", TLS" : "") << "): " << each
              << " kB of the server each, " << kilobytes_each(kernel, test::kernel_socket_memory(), clients)
              << " kB of the kernel; others wait " << milliseconds(waited[50]) << " ms (median), "
              << milliseconds(waited.back()) << " ms (longest); all were there after " << took.count() << " s"
              << std::endl;
    if (test::memory_can_be_measured)
        CHECK(each < wanted.kilobytes_max);

    crowd.signal(SIGTERM);
    CHECK(crowd.wait(10s) == 0);
    // All of them were there to the end.
    CHECK(crowd.log().find("connected " + std::to_string(clients) + "\n") != std::string::npos);
    site.until("they have left", [&] { return site.server.connections() == 0; });
}
