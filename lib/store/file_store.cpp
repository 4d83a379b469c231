#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <fmt/format.h>

#include <evercert/error.hpp>
#include <evercert/file_store.hpp>

#include "base/check_time.hpp"
#include "base/worker.hpp"
#include "store/file_locks.hpp"
#include "store/file_tree.hpp"

namespace evercert {
namespace {

/// What the threads work on. They keep it, and never the store, whose end waits for them.
struct shared_files {
    shared_files(std::string root, const file_store_options& options)
        : tree{options.disk, std::move(root), options.keys_max}, locks{options.disk, tree.root(), options.clock} {}

    file_tree tree;
    file_locks locks;
};

class file_store_type final : public store {
public:
    file_store_type(std::string root, const file_store_options& options)
        : files_{std::make_shared<shared_files>(std::move(root), options)},
          clock_{options.clock},
          lock_poll_{options.lock_poll},
          reading_{options.blocking_executor},
          listing_{options.blocking_executor},
          writing_{options.blocking_executor} {}
    ~file_store_type() override { settle(); }

    asio::awaitable<std::optional<std::string>> load(std::string key) override {
        auto work = [files = files_, key = std::move(key)] { return files->tree.load(key); };
        return reading_.run(std::move(work));
    }

    asio::awaitable<void> save(std::string key, std::string value, lease under) override {
        auto work = [files = files_, key = std::move(key), value = std::move(value), under = std::move(under)] {
            auto fresh = files->tree.write(key, value);
            files->locks.while_held(under, [&fresh] { fresh.commit(); });
            fresh.sync();
        };
        return writing_.run(std::move(work));
    }

    asio::awaitable<void> remove(std::string key) override {
        auto work = [files = files_, key = std::move(key)] { files->tree.remove(key); };
        return writing_.run(std::move(work));
    }

    asio::awaitable<std::vector<std::string>> list(std::string prefix) override {
        auto work = [files = files_, prefix = std::move(prefix)] { return files->tree.list(prefix); };
        return listing_.run(std::move(work));
    }

    asio::awaitable<lease> lock(std::string key, std::chrono::seconds length) override {
        for (;;) {
            const asio::cancellation_state ours = co_await asio::this_coro::cancellation_state;
            auto attempt = [files = files_, key, length] { return files->locks.try_lock(key, length); };
            auto granted = co_await writing_.run(std::move(attempt));
            if (granted.token != 0 && ours.cancelled() == asio::cancellation_type::none)
                co_return granted;
            if (granted.token != 0) {
                // Nobody is there to get it.
                co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
                co_await unlock(std::move(granted));
                throw std::system_error{asio::error::operation_aborted};
            }
            co_await clock_->sleep_for(lock_poll_);
        }
    }

    asio::awaitable<void> unlock(lease given) override {
        auto work = [files = files_, given = std::move(given)] { files->locks.unlock(given); };
        return writing_.run(std::move(work));
    }

    void settle() override {
        reading_.drain();
        listing_.drain();
        writing_.drain();
    }

private:
    std::shared_ptr<shared_files> files_;
    std::shared_ptr<clock> clock_;
    duration lock_poll_;
    // Each has a thread of its own: a client whose certificate is read waits neither for a disk that syncs nor for a folder of
    // many thousand names.
    worker reading_;
    worker listing_;
    worker writing_;
};

void check(const std::string& folder, const file_store_options& options) {
    const auto require = [](bool fulfilled, const char* text) {
        if (!fulfilled)
            throw error{errc::invalid_options, text};
    };
    require(
        !folder.empty() && folder.find('\0') == folder.npos, "file_store: name a folder, such as /var/lib/evercert");
    require(options.clock != nullptr, "file_store_options::clock must not be null");
    require(options.disk != nullptr, "file_store_options::disk must not be null");
    check_time(options.lock_poll, "file_store_options::lock_poll");
    require(options.keys_max > 0, "file_store_options::keys_max must be 1 or more");
}

}  // namespace

std::shared_ptr<store> file_store(std::string folder, file_store_options options) {
    check(folder, options);
    return std::make_shared<file_store_type>(std::move(folder), options);
}

}  // namespace evercert
