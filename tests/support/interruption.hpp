#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <asio/post.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <evercert/clock.hpp>
#include <evercert/network.hpp>
#include <evercert/store.hpp>

#include "forwarding_stream.hpp"

namespace test {

/// Counts what evercert waits for at its seams, and interrupts it at one of them: a wait counts as it begins, those
/// that bring something also between their end and the moment at which the coroutine goes on.
class interruption {
public:
    /// Call this at the nth wait from now.
    void at(int n, std::function<void()> then) {
        count_ = 0;
        at_ = n;
        then_ = std::move(then);
    }
    void pass(const char* what) {
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

/// What is interrupted between the end of `work` and its caller.
template <typename T>
asio::awaitable<T> interruptible(std::shared_ptr<interruption> cut, const char* what, asio::awaitable<T> work) {
    cut->pass(what);
    T value = co_await std::move(work);
    cut->pass(what);
    const auto executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
    co_return value;
}

inline asio::awaitable<void> interruptible(
    std::shared_ptr<interruption> cut, const char* what, asio::awaitable<void> work) {
    cut->pass(what);
    co_await std::move(work);
    cut->pass(what);
    const auto executor = co_await asio::this_coro::executor;
    co_await asio::post(executor, asio::use_awaitable);
}

class interrupted_clock final : public evercert::clock {
public:
    explicit interrupted_clock(std::shared_ptr<interruption> cut) : cut_{std::move(cut)} {}

    evercert::wall_time wall() const override { return next_->wall(); }
    evercert::steady_time steady() const override { return next_->steady(); }
    asio::awaitable<void> sleep_for(evercert::duration length) override {
        // Longer ones are deadlines of something that counts itself.
        if (length < std::chrono::seconds{5})
            cut_->pass("sleep");
        return next_->sleep_for(length);
    }

private:
    std::shared_ptr<interruption> cut_;
    std::shared_ptr<evercert::clock> next_ = evercert::system_clock();
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
    explicit interrupted_network(std::shared_ptr<interruption> cut) : cut_{std::move(cut)} {}

    asio::awaitable<std::vector<asio::ip::address>> resolve(std::string host) override {
        return interruptible(cut_, "resolve", next_->resolve(std::move(host)));
    }
    asio::awaitable<std::unique_ptr<evercert::stream>> connect(evercert::endpoint to) override {
        return interruptible(cut_, "connect", open(cut_, next_->connect(std::move(to))));
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
    std::shared_ptr<evercert::network> next_ = evercert::system_network();
};

class interrupted_store : public evercert::store {
public:
    interrupted_store(std::shared_ptr<interruption> cut, std::shared_ptr<evercert::store> next)
        : cut_{std::move(cut)}, next_{std::move(next)} {}

    asio::awaitable<std::optional<std::string>> load(std::string key) override {
        return interruptible(cut_, "load", next_->load(std::move(key)));
    }
    asio::awaitable<void> save(std::string key, std::string value, evercert::lease under) override {
        return interruptible(cut_, "save", next_->save(std::move(key), std::move(value), std::move(under)));
    }
    asio::awaitable<void> remove(std::string key) override {
        return interruptible(cut_, "remove", next_->remove(std::move(key)));
    }
    asio::awaitable<std::vector<std::string>> list(std::string prefix) override {
        return interruptible(cut_, "list", next_->list(std::move(prefix)));
    }
    /// Not between its end and its caller: a lock that is granted must reach who asked for it.
    asio::awaitable<evercert::lease> lock(std::string key, std::chrono::seconds length) override {
        cut_->pass("lock");
        return next_->lock(std::move(key), length);
    }
    asio::awaitable<void> unlock(evercert::lease given) override {
        return interruptible(cut_, "unlock", next_->unlock(std::move(given)));
    }
    void settle() override { next_->settle(); }

private:
    std::shared_ptr<interruption> cut_;
    std::shared_ptr<evercert::store> next_;
};

}  // namespace test
