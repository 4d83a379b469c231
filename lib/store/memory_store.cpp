#include <map>
#include <mutex>

#include <asio/this_coro.hpp>

#include <evercert/error.hpp>
#include <evercert/store.hpp>

#include "store/lease_table.hpp"
#include "store/wait_for_lease.hpp"

namespace evercert {
namespace {

class memory_store_type final : public store {
public:
    explicit memory_store_type(std::shared_ptr<clock> time) : clock_{std::move(time)} {}

    asio::awaitable<std::optional<std::string>> load(std::string key) override {
        const std::lock_guard lock{mutex_};
        std::optional<std::string> value;
        if (const auto at = values_.find(key); at != values_.end())
            value = at->second;
        co_return value;
    }

    asio::awaitable<void> save(std::string key, std::string value, lease under) override {
        const std::lock_guard lock{mutex_};
        check_fence(leases_, under);
        values_[std::move(key)] = std::move(value);
        co_return;
    }

    asio::awaitable<void> remove(std::string key) override {
        const std::lock_guard lock{mutex_};
        values_.erase(key);
        co_return;
    }

    asio::awaitable<std::vector<std::string>> list(std::string prefix) override {
        const std::lock_guard lock{mutex_};
        std::vector<std::string> keys;
        for (auto at = values_.lower_bound(prefix); at != values_.end() && at->first.starts_with(prefix); ++at)
            keys.push_back(at->first);
        co_return keys;
    }

    asio::awaitable<lease> lock(std::string key, std::chrono::seconds length) override {
        return wait_for_lease(leases_, mutex_, clock_, std::move(key), length);
    }

    asio::awaitable<void> unlock(lease given) override {
        const std::lock_guard lock{mutex_};
        leases_.unlock(given);
        co_return;
    }

private:
    std::shared_ptr<clock> clock_;
    std::mutex mutex_;
    std::map<std::string, std::string, std::less<>> values_;
    lease_table leases_;
};

}  // namespace

asio::awaitable<void> store::save(std::string key, std::string value) {
    return save(std::move(key), std::move(value), lease{});
}

std::shared_ptr<store> memory_store(std::shared_ptr<clock> time) {
    return std::make_shared<memory_store_type>(std::move(time));
}

}  // namespace evercert
