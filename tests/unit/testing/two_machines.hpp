#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/error.hpp>
#include <asio/io_context.hpp>

#include <evercert/error.hpp>
#include <evercert/rethrow.hpp>
#include <evercert/testing/simulated_network.hpp>
#include <evercert/testing/simulated_time.hpp>

#include "catch.hpp"
#include "run.hpp"

namespace test {

using namespace evercert;
using namespace std::chrono_literals;
using evercert::testing::network_conditions;
using evercert::testing::simulated_network;
using evercert::testing::simulated_time;

/// What came, and when it came.
struct arrival {
    duration at;
    std::string text;
    friend bool operator==(const arrival&, const arrival&) = default;
    friend std::ostream& operator<<(std::ostream& out, const arrival& one) {
        return out << one.text << " at " << one.at / 1ms << " ms";
    }
};
using arrivals = std::vector<arrival>;

inline std::string name_of(const std::error_code& end) {
    return end == asio::error::eof ? "[eof]" : end == asio::error::connection_reset ? "[reset]" : end.message();
}

inline asio::awaitable<void> hear(stream& from, simulated_time& time, std::shared_ptr<arrivals> into) {
    std::array<std::byte, 4096> buffer;
    for (;;) {
        const auto done = from.try_read(buffer);
        if (done.error == asio::error::would_block) {
            co_await from.wait_readable();
            continue;
        }
        if (done.error) {
            into->push_back({time.elapsed(), name_of(done.error)});
            co_return;
        }
        into->push_back({time.elapsed(), {reinterpret_cast<const char*>(buffer.data()), done.size}});
    }
}

inline asio::awaitable<void> accept_into(listener& from, std::unique_ptr<stream>& into) {
    const auto executor = co_await asio::this_coro::executor;
    into = co_await from.accept(executor);
}

inline void say(stream& to, std::string_view text) {
    REQUIRE(to.try_write(std::as_bytes(std::span{text})).size == text.size());
}

inline std::string all_of(const arrivals& heard) {
    std::string all;
    for (const auto& each : heard)
        all += each.text;
    return all;
}

inline const auto client_address = asio::ip::make_address("10.0.0.1");
inline const auto server_address = asio::ip::make_address("10.0.0.2");
inline const endpoint web{server_address, 80};

/// Two machines and one connection between them, once it is opened.
struct two_machines {
    explicit two_machines(std::uint64_t seed = 1) : net{simulated_network::make(time, seed)} {}
    two_machines(std::uint64_t seed, const network_conditions& how) : two_machines{seed} { net->conditions(how); }

    std::error_code failure_to(const endpoint& to) { return time.run(test::failure_of(client->connect(to))); }

    void open() {
        if (!door)
            door = server->listen(io.get_executor(), web);
        test::started<> accepting{io.get_executor(), accept_into(*door, far)};
        near = time.run(client->connect(web));
        time.run_until([&] { return accepting.ended(); }, 1s);
        REQUIRE(far);
    }
    std::shared_ptr<arrivals> heard_by(stream& one) {
        auto all = std::make_shared<arrivals>();
        listening.emplace_back(io.get_executor(), hear(one, time, all));
        return all;
    }

    asio::io_context io;
    simulated_time time{io};
    std::shared_ptr<evercert::testing::simulated_clock> client_clock = time.make_clock(),
                                                        server_clock = time.make_clock();
    std::shared_ptr<simulated_network> net;
    std::shared_ptr<network> client = net->join({client_address}, client_clock);
    std::shared_ptr<network> server = net->join({server_address}, server_clock);
    std::unique_ptr<listener> door;
    std::unique_ptr<stream> near, far;
    std::vector<test::started<>> listening;
};

}  // namespace test
