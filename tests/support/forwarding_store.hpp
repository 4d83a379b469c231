#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <evercert/store.hpp>

namespace test {

/// A store that does what another one does: a test overrides what is to go wrong.
class forwarding_store : public evercert::store {
public:
    explicit forwarding_store(std::shared_ptr<evercert::store> next) : next{std::move(next)} {}

    asio::awaitable<std::optional<std::string>> load(std::string key) override { return next->load(std::move(key)); }
    asio::awaitable<void> save(std::string key, std::string value, evercert::lease under) override {
        return next->save(std::move(key), std::move(value), std::move(under));
    }
    asio::awaitable<void> remove(std::string key) override { return next->remove(std::move(key)); }
    asio::awaitable<std::vector<std::string>> list(std::string prefix) override {
        return next->list(std::move(prefix));
    }
    asio::awaitable<evercert::lease> lock(std::string key, std::chrono::seconds length) override {
        return next->lock(std::move(key), length);
    }
    asio::awaitable<void> unlock(evercert::lease given) override { return next->unlock(std::move(given)); }

    const std::shared_ptr<evercert::store> next;
};

}  // namespace test
