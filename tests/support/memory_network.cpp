#include "memory_network.hpp"

#include <deque>
#include <system_error>
#include <utility>

#include <asio/error.hpp>
#include <asio/this_coro.hpp>

#include <evercert/error.hpp>

#include "base/event.hpp"
#include "base/memory_stream.hpp"

namespace test {

struct memory_network::knock {
    knock(asio::any_io_executor executor, evercert::endpoint from)
        : executor{executor}, from{from}, answered{executor} {}
    asio::any_io_executor executor;
    evercert::endpoint from;
    evercert::event answered;
    std::unique_ptr<evercert::stream> opened;
};

struct memory_network::place {
    explicit place(asio::any_io_executor executor) : knocked{std::move(executor)} {}
    evercert::event knocked;
    std::deque<std::shared_ptr<knock>> waiting;
    bool closed = false;
};

class memory_network::door final : public evercert::listener {
public:
    door(memory_network& of, asio::any_io_executor executor, evercert::endpoint at)
        : of_{of.weak_from_this()}, at_{at}, place_{std::make_shared<place>(std::move(executor))} {
        of.ports_.emplace(at.port, place_);
    }
    ~door() override { close(); }

    asio::awaitable<std::unique_ptr<evercert::stream>> accept(asio::any_io_executor executor) override {
        const auto here = place_;
        const auto at = at_;
        while (here->waiting.empty() && !here->closed)
            co_await here->knocked.wait();
        if (here->closed)
            throw std::system_error{asio::error::operation_aborted};
        const auto next = std::move(here->waiting.front());
        here->waiting.pop_front();
        evercert::memory_stream_options options;
        options.first = next->from;
        options.second = at;
        if (const auto of = of_.lock())
            options.capacity = of->capacity;
        auto pair = evercert::memory_stream_pair(next->executor, executor, options);
        next->opened = std::move(pair.first);
        next->answered.notify_all();
        co_return std::move(pair.second);
    }
    void close() noexcept override {
        if (std::exchange(place_->closed, true))
            return;
        if (const auto of = of_.lock())
            of->ports_.erase(at_.port);
        place_->knocked.notify_all();
        for (const auto& one : place_->waiting)
            one->answered.notify_all();
    }
    evercert::endpoint local_endpoint() const override { return at_; }

private:
    const std::weak_ptr<memory_network> of_;
    const evercert::endpoint at_;
    const std::shared_ptr<place> place_;
};

memory_network::memory_network() = default;
memory_network::~memory_network() = default;

asio::awaitable<std::vector<asio::ip::address>> memory_network::resolve(std::string) {
    co_return std::vector<asio::ip::address>(1, asio::ip::address_v4::loopback());
}

asio::awaitable<std::unique_ptr<evercert::stream>> memory_network::connect(evercert::endpoint to) {
    const auto executor = co_await asio::this_coro::executor;
    const auto listening = ports_.find(to.port);
    if (listening == ports_.end() || unreachable.contains(to.port)) {
        ++refused;
        throw evercert::error{evercert::errc::connect_failed, evercert::to_string(to) + " refused"};
    }
    ++connections;
    const auto at = listening->second;
    const auto mine = std::make_shared<knock>(executor, evercert::endpoint{to.address, next_port_++});
    at->waiting.push_back(mine);
    at->knocked.notify_all();
    while (!mine->opened && !at->closed)
        co_await mine->answered.wait();
    if (!mine->opened)
        throw evercert::error{evercert::errc::connect_failed, evercert::to_string(to) + " refused"};
    co_return std::move(mine->opened);
}

std::unique_ptr<evercert::listener> memory_network::listen(asio::any_io_executor executor, evercert::endpoint at) {
    while (at.port == 0 || (at.port >= 20'000 && ports_.contains(at.port)))
        at.port = next_port_++;
    if (ports_.contains(at.port))
        throw evercert::error{evercert::errc::listen_failed, evercert::to_string(at) + " is in use"};
    return std::make_unique<door>(*this, std::move(executor), at);
}

}  // namespace test
