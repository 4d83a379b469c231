#include "store/one_file_store.hpp"

#include <mutex>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>

#include "base/event.hpp"
#include "store/durable_file.hpp"
#include "store/lease_table.hpp"
#include "store/wait_for_lease.hpp"

namespace evercert {
namespace {

class one_file_store_type final : public one_file_store, public std::enable_shared_from_this<one_file_store_type> {
public:
    one_file_store_type(
        asio::any_io_executor executor, std::shared_ptr<worker> blocking, std::shared_ptr<clock> time,
        std::shared_ptr<disk> on, std::string path, state_items items)
        : worker_{std::move(blocking)},
          clock_{std::move(time)},
          disk_{std::move(on)},
          path_{std::move(path)},
          items_{std::move(items)},
          written_{std::move(executor)} {}

    state_items items() const override {
        const std::lock_guard lock{mutex_};
        return items_;
    }

    asio::awaitable<std::optional<std::string>> load(std::string key) override {
        const std::lock_guard lock{mutex_};
        std::optional<std::string> value;
        if (const auto at = items_.find(key); at != items_.end())
            value = boost::json::serialize(at->second);
        co_return value;
    }

    asio::awaitable<void> save(std::string key, std::string value, lease under) override {
        auto parsed = boost::json::parse(value).as_object();
        {
            const std::lock_guard lock{mutex_};
            check_fence(leases_, under);
            items_[std::move(key)] = std::move(parsed);
            ++wanted_;
        }
        co_await write(wanted_);
    }

    asio::awaitable<void> remove(std::string key) override {
        {
            const std::lock_guard lock{mutex_};
            // If there is none, the write that took it away may have failed.
            wanted_ += items_.erase(key);
        }
        co_await write(wanted_);
    }

    asio::awaitable<std::vector<std::string>> list(std::string prefix) override {
        const std::lock_guard lock{mutex_};
        std::vector<std::string> keys;
        for (auto at = items_.lower_bound(prefix); at != items_.end() && at->first.starts_with(prefix); ++at)
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
    /// Held by the one who writes.
    class pen {
    public:
        explicit pen(one_file_store_type& of) : of_{of} { of_.writing_ = true; }
        ~pen() {
            of_.writing_ = false;
            of_.written_.notify_all();
        }
        pen(const pen&) = delete;

    private:
        one_file_store_type& of_;
    };

    /// Returns when generation `mine` or a later one is in the file. One writes at a time; those who wait are
    /// served by one more write together.
    asio::awaitable<void> write(std::uint64_t mine) {
        const auto self = shared_from_this();
        while (in_file_ < mine) {
            if (writing_) {
                co_await written_.wait();
                continue;
            }
            const pen taken{*this};
            const auto generation = wanted_;
            auto replace = [on = disk_, path = path_, content = write_document(items())] {
                replace_file(*on, path, content);
            };
            co_await worker_->run(std::move(replace));
            in_file_ = std::max(in_file_, generation);
        }
    }

    std::shared_ptr<worker> worker_;
    std::shared_ptr<clock> clock_;
    std::shared_ptr<disk> disk_;
    std::string path_;
    mutable std::mutex mutex_;
    state_items items_;
    lease_table leases_;
    event written_;
    bool writing_ = false;
    std::uint64_t wanted_ = 0;   ///< the generation in memory
    std::uint64_t in_file_ = 0;  ///< the generation in the file
};

}  // namespace

std::shared_ptr<one_file_store> one_file_store::open(
    asio::any_io_executor executor, std::shared_ptr<worker> blocking, std::shared_ptr<clock> time,
    std::shared_ptr<disk> on, std::string path) {
    const auto content = read_file(*on, path, document_size_max);
    check_replaceable(*on, path);
    state_items items;
    try {
        items = read_document(content.value_or(""));
    } catch (const error& e) {
        throw error{
            e.code(),
            fmt::format(
                "{}: {}. It is left as it is; {}.previous may hold the generation before", path, e.what(), path)};
    }
    return std::make_shared<one_file_store_type>(
        std::move(executor), std::move(blocking), std::move(time), std::move(on), std::move(path), std::move(items));
}

}  // namespace evercert
