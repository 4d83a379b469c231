#include <algorithm>
#include <csignal>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <evercert/network.hpp>
#include <evercert/rethrow.hpp>
#include <evercert/tls_context.hpp>
#include <evercert/tls_stream.hpp>

#include "catch.hpp"
#include "example_programs.hpp"
#include "pebble.hpp"
#include "process.hpp"
#include "run.hpp"

using namespace std::chrono_literals;
using namespace std::string_literals;
using Catch::Matchers::ContainsSubstring;

namespace {

constexpr auto patience = 60s;

unsigned number(std::string_view bytes, std::size_t at, std::size_t size) {
    unsigned value = 0;
    for (const char byte : bytes.substr(at, size))
        value = value << 8U | static_cast<unsigned char>(byte);
    return value;
}

/// The game's protocol, from the client's side.
class client {
public:
    client(std::unique_ptr<evercert::stream> below, const evercert::tls_client_context& context)
        : tls_{std::move(below), context, "game.test", {}} {}

    static asio::awaitable<std::unique_ptr<client>> connect(
        std::uint16_t port, std::shared_ptr<evercert::tls_client_context> context) {
        evercert::endpoint at;
        at.address = asio::ip::address_v4::loopback();
        at.port = port;
        const auto network = evercert::system_network();
        auto below = co_await network->connect(at);
        auto made = std::make_unique<client>(std::move(below), *context);
        co_await made->tls_.handshake();
        co_return made;
    }
    asio::awaitable<void> send(std::string bytes) {
        co_await asio::async_write(tls_, asio::buffer(bytes), asio::use_awaitable);
    }
    /// The next message, without its length; "" at a proper end.
    asio::awaitable<std::string> receive() {
        std::string length(2, '\0');
        std::error_code ended;
        co_await asio::async_read(tls_, asio::buffer(length), asio::redirect_error(asio::use_awaitable, ended));
        if (ended == asio::error::eof)
            co_return std::string{};
        if (ended)
            throw std::system_error{ended};
        std::string message(number(length, 0, 2), '\0');
        co_await asio::async_read(tls_, asio::buffer(message), asio::use_awaitable);
        co_return message;
    }
    /// What comes before the end, whatever else is sent.
    asio::awaitable<std::string> last_message() {
        std::string last;
        for (;;) {
            auto next = co_await receive();
            if (next.empty())
                co_return last;
            last = std::move(next);
        }
    }

private:
    evercert::tls_stream tls_;
};

std::string steer(int x, int y) { return "\x00\x03S"s + static_cast<char>(x) + static_cast<char>(y); }

/// What one of many players knows of the others.
struct sight {
    unsigned me = 0;
    unsigned ticks = 0;
    unsigned dropped = 0;
    std::string goodbye;
    bool ended = false;
    std::map<unsigned, unsigned> first_seen_at;  ///< player -> position
    std::map<unsigned, bool> moved;

    void take(std::string_view message) {
        switch (message.front()) {
        case 'W': me = number(message, 1, 4); break;
        case 'T':
            ++ticks;
            dropped = number(message, 5, 4);
            break;
        case 'P':
            for (std::size_t at = 1; at + 8 <= message.size(); at += 8) {
                const auto who = number(message, at, 4), where = number(message, at + 4, 4);
                if (first_seen_at.emplace(who, where).first->second != where)
                    moved[who] = true;
            }
            break;
        default: goodbye = message.substr(1);
        }
    }
};

asio::awaitable<void> play(
    std::uint16_t port, std::shared_ptr<evercert::tls_client_context> context, std::shared_ptr<sight> sees) {
    const auto self = co_await client::connect(port, context);
    const auto welcome = co_await self->receive();
    sees->take(welcome);
    // Diagonally, so that nobody stands still but in a corner.
    const int x = sees->me % 2 == 0 ? 1 : -1;
    const int y = sees->me % 4 < 2 ? 1 : -1;
    co_await self->send(steer(x, y));
    for (;;) {
        const auto message = co_await self->receive();
        if (message.empty())
            break;
        sees->take(message);
    }
    sees->ended = true;
}

struct fixture {
    test::pebble ca;
    test::temporary_folder folder;
    asio::io_context io;
    std::shared_ptr<evercert::tls_client_context> trusting = trust();
    std::vector<std::shared_ptr<sight>> players;

    std::shared_ptr<evercert::tls_client_context> trust() {
        test::write_file(folder / "root.pem", ca.issuing_root_pem());
        return std::make_shared<evercert::tls_client_context>(folder / "root.pem", evercert::system_clock());
    }
    test::process start_server(std::vector<std::string> more) {
        more.insert(more.end(), {"--port", std::to_string(ca.tls_port()), "--host", "game.test", "--per-address", "0"});
        return test::start_example("game_server", ca, folder / "server.log", {ca.tls_port()}, more);
    }
    void add_players(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            players.push_back(std::make_shared<sight>());
            asio::co_spawn(io, play(ca.tls_port(), trusting, players.back()), evercert::rethrow);
        }
    }
    void run_until(const char* what, const std::function<bool(const sight&)>& holds_for_all) {
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (!std::ranges::all_of(players, [&](const auto& each) { return holds_for_all(*each); })) {
            if (std::chrono::steady_clock::now() > deadline)
                throw std::runtime_error{"waited in vain until "s + what};
            io.restart();
            io.run_for(10ms);
        }
    }
    template <typename T>
    T run(asio::awaitable<T> work) {
        return test::run_io(io, std::move(work), patience);
    }
    std::unique_ptr<client> connect() { return run(client::connect(ca.tls_port(), trusting)); }
};

}  // namespace

TEST_CASE("game_server lets hundreds of players see each other move, and says goodbye to them all before it ends") {
    constexpr std::size_t count = 300;
    const int signal = GENERATE(SIGTERM, SIGINT);
    fixture f;
    auto server = f.start_server({"--threads", "2", "--cells", "2", "--players", std::to_string(count)});
    f.add_players(count);
    f.run_until("everybody has seen everybody move", [](const sight& each) { return each.moved.size() == count; });

    // They share the processor with the server, which waits a second for each of them to take its goodbye.
    server.signal(signal);
    f.run_until("all players have had their goodbye", [](const sight& each) { return each.ended; });
    CHECK(server.wait(2s) == 0);
    for (const auto& each : f.players)
        CHECK(each->goodbye == "the server stops");
}

TEST_CASE("game_server refuses a message that is too long or none, says why, and goes on for the others") {
    fixture f;
    auto server = f.start_server({"--ticks", "100"});
    f.add_players(1);
    const std::vector<std::string> refused{
        "\x00\x00"s, "\x00\x41"s, "\xff\xff"s, "\x00\x03X\x01\x01"s, "\x00\x02S\x01"s};
    for (const auto& bad : refused) {
        const auto rude = f.connect();
        f.run(rude->send(bad));
        const auto last = f.run(rude->last_message());
        CHECK_THAT(
            last, ContainsSubstring("Gmessages are 1 to 64 bytes") || ContainsSubstring("Gthere is no such message"));
    }
    const unsigned ticks = f.players[0]->ticks;
    f.run_until("the other one has more ticks", [&](const sight& each) { return each.ticks > ticks + 5; });
}

TEST_CASE("game_server tells whoever comes when it is full") {
    fixture f;
    auto server = f.start_server({"--players", "2"});
    f.add_players(2);
    f.run_until("two are playing", [](const sight& each) { return each.ticks > 0; });
    const auto third = f.connect();
    CHECK(f.run(third->last_message()) == "Gthere is no room in the game");
}

TEST_CASE("game_server drops the ticks that a player is too slow for, tells it how many, and nobody else waits") {
    fixture f;
    auto server = f.start_server({"--ticks", "100", "--cells", "1"});
    const auto slow = f.connect();
    f.add_players(60);
    sight seen;
    // It reads a third of what the others do, so that the connection is never quite stuck.
    for (unsigned until = 3; seen.dropped == 0; until += 3) {
        REQUIRE(until < 6'000);
        f.run_until("others have their ticks", [&](const sight& each) { return each.ticks >= until; });
        for (const unsigned before = seen.ticks; seen.ticks == before;)
            seen.take(f.run(slow->receive()));
    }
    for (const auto& each : f.players)
        CHECK(each->dropped == 0);
    CHECK(server.is_running());
}
