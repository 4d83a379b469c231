#include "shop.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <span>
#include <system_error>
#include <utility>
#include <variant>

#include <asio/error.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/this_coro.hpp>

namespace shop {

namespace {

using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

// Prices are asked for so often, and again after a failure: soon at first, then after twice as long each time.
constexpr evercert::duration interval = 1h;
constexpr evercert::duration first_wait = 1s, longest_wait = 10min;
/// One try.
constexpr evercert::duration answer_limit = 10s;
constexpr std::size_t prices_max = 4096;

/// `a() || b()` ends both when one of them has ended, and swallows what they throw: so they return it.
asio::awaitable<std::exception_ptr> end_of(asio::awaitable<void> work) {
    std::exception_ptr thrown;
    try {
        co_await std::move(work);
    } catch (...) {
        thrown = std::current_exception();
    }
    co_return thrown;
}

asio::awaitable<std::string> read_to_end(evercert::stream& from) {
    std::string all;
    std::array<char, 512> piece;
    for (;;) {
        const auto done = from.try_read(std::as_writable_bytes(std::span{piece}));
        if (done.error == asio::error::eof)
            co_return all;
        if (done.error && done.error != asio::error::would_block)
            throw std::system_error{done.error};
        all.append(piece.data(), done.size);
        if (all.size() > prices_max)
            throw std::system_error{std::make_error_code(std::errc::message_size)};
        if (done.error)
            co_await from.wait_readable();
    }
}

}  // namespace

application::application(asio::any_io_executor executor, settings wanted)
    : settings_{std::move(wanted)}, manager_{std::move(executor), settings_.certificates} {
    manager_.set_hosts({settings_.name});
    manager_.cache_file(settings_.state_file);
    manager_.handle("/prices", [this](evercert::request asked) { return answer(std::move(asked)); });
}

asio::awaitable<void> application::serve() {
    const auto ended = co_await (end_of(manager_.serve()) || end_of(keep_prices()));
    if (const auto thrown = ended.index() == 0 ? std::get<0>(ended) : std::get<1>(ended))
        std::rethrow_exception(thrown);
}

asio::awaitable<evercert::response> application::answer(evercert::request) {
    if (prices_.empty())
        co_return evercert::response{503};
    evercert::response answer{prices_};
    answer.fields.set("Age", std::to_string((settings_.certificates.clock->steady() - fetched_) / 1s));
    co_return answer;
}

asio::awaitable<void> application::keep_prices() {
    const auto clock = settings_.certificates.clock;
    for (auto wait = first_wait;;) {
        auto asked = co_await (fetch_prices() || clock->sleep_for(answer_limit));
        auto* const prices = std::get_if<0>(&asked);
        if (prices && *prices) {
            prices_ = std::move(**prices);
            fetched_ = clock->steady();
            wait = first_wait;
            co_await clock->sleep_for(interval);
        } else {
            co_await clock->sleep_for(wait);
            wait = std::min(2 * wait, longest_wait);
        }
    }
}

asio::awaitable<std::optional<std::string>> application::fetch_prices() {
    const auto network = settings_.certificates.network;
    std::optional<std::string> prices;
    try {
        const auto addresses = co_await network->resolve(settings_.warehouse);
        evercert::endpoint to{addresses.front(), warehouse_port};
        const auto connection = co_await network->connect(to);
        prices = co_await read_to_end(*connection);
    } catch (const std::system_error&) {
        // Nothing: it is tried again.
    }
    co_return prices;
}

asio::awaitable<void> run(settings wanted) {
    const auto executor = co_await asio::this_coro::executor;
    application shop{executor, std::move(wanted)};
    co_await shop.serve();
}

asio::awaitable<void> run_warehouse(
    std::shared_ptr<evercert::network> network, asio::ip::address at, std::string prices) {
    const auto executor = co_await asio::this_coro::executor;
    const auto listener = network->listen(executor, evercert::endpoint{at, warehouse_port});
    for (;;) {
        // What is so short fits into the connection at once, and closing it is the end.
        const auto connection = co_await listener->accept(executor);
        connection->try_write(std::as_bytes(std::span{prices}));
    }
}

}  // namespace shop
