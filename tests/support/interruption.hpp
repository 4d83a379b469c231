#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <evercert/network.hpp>

#include "forwarding_stream.hpp"

namespace test {

/// Counts what happens, such as waits at a seam or handlers of an io_context, and steps in at one of them.
class interruption {
public:
    /// Call this at the nth from now.
    void at(int n, std::function<void()> then) {
        count_ = 0;
        at_ = n;
        then_ = std::move(then);
    }
    void pass(std::string_view what) {
        if (++count_ != at_)
            return;
        where_ = what;
        std::exchange(then_, {})();
    }
    bool happened() const { return at_ > 0 && count_ >= at_; }
    const std::string& where() const { return where_; }

    int streams = 0;  ///< that are there

private:
    int count_ = 0;
    int at_ = 0;
    std::string where_;
    std::function<void()> then_;
};

class interrupted_stream final : public forwarding_stream {
public:
    interrupted_stream(std::shared_ptr<interruption> cut, std::unique_ptr<evercert::stream> next)
        : forwarding_stream{std::move(next)}, cut_{std::move(cut)} {
        ++cut_->streams;
    }
    ~interrupted_stream() override { --cut_->streams; }

    void start_wait(evercert::readiness what, evercert::wait_handler::pointer waiting) override {
        // The interruption may destroy this.
        const auto cut = cut_;
        next().start_wait(what, std::move(waiting));
        cut->pass(what == evercert::readiness::readable ? "read" : "write");
    }

private:
    std::shared_ptr<interruption> cut_;
};

class interrupted_listener final : public evercert::listener {
public:
    interrupted_listener(std::shared_ptr<interruption> cut, std::unique_ptr<evercert::listener> next)
        : cut_{std::move(cut)}, next_{std::move(next)} {}

    asio::awaitable<std::unique_ptr<evercert::stream>> accept(asio::any_io_executor executor) override {
        cut_->pass("accept");
        auto accepted = co_await next_->accept(std::move(executor));
        co_return std::make_unique<interrupted_stream>(cut_, std::move(accepted));
    }
    void close() noexcept override { next_->close(); }
    evercert::endpoint local_endpoint() const override { return next_->local_endpoint(); }

private:
    std::shared_ptr<interruption> cut_;
    std::unique_ptr<evercert::listener> next_;
};

class interrupted_network final : public evercert::network {
public:
    explicit interrupted_network(
        std::shared_ptr<interruption> cut, std::shared_ptr<evercert::network> next = evercert::system_network())
        : cut_{std::move(cut)}, next_{std::move(next)} {}

    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host) override {
        return next_->resolve(std::move(host));
    }
    asio::awaitable<std::unique_ptr<evercert::stream>> connect(evercert::endpoint to) override {
        return open(cut_, next_->connect(std::move(to)));
    }
    std::unique_ptr<evercert::listener> listen(asio::any_io_executor executor, evercert::endpoint at) override {
        return std::make_unique<interrupted_listener>(cut_, next_->listen(std::move(executor), std::move(at)));
    }

private:
    static asio::awaitable<std::unique_ptr<evercert::stream>> open(
        std::shared_ptr<interruption> cut, asio::awaitable<std::unique_ptr<evercert::stream>> work) {
        auto connected = co_await std::move(work);
        co_return std::make_unique<interrupted_stream>(std::move(cut), std::move(connected));
    }

    std::shared_ptr<interruption> cut_;
    std::shared_ptr<evercert::network> next_;
};

}  // namespace test
