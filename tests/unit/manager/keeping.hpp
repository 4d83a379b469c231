#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <evercert/acme/client.hpp>
#include <evercert/file_store.hpp>

#include "base/within.hpp"
#include "catch.hpp"
#include "certificates.hpp"
#include "manager/state.hpp"
#include "process.hpp"
#include "run.hpp"

namespace test {

/// Where a manager keeps things, and the next one finds them.
class keeping {
public:
    enum class kind { folder, cache_file, memory };

    explicit keeping(kind what) : what{what} { reopen(); }

    /// As a new process does.
    void reopen() {
        if (what == kind::folder) {
            evercert::file_store_options options;
            options.lock_poll = std::chrono::milliseconds{1};
            store = evercert::file_store(folder_ / "store", options);
        } else if (what == kind::memory && !store) {
            store = evercert::memory_store();
        }
    }
    void close() {
        if (what == kind::folder)
            store.reset();
    }
    std::string cache() const { return folder_ / "cache"; }

    void fill(const evercert::state_items& items) {
        if (what == kind::cache_file)
            return write_file(cache(), evercert::write_document(items));
        for (const auto& [key, value] : items)
            run_io(io_, store->save(key, boost::json::serialize(value)));
    }
    std::optional<boost::json::object> item(const std::string& key) {
        if (what == kind::cache_file) {
            const auto items = evercert::read_document(read_all());
            const auto at = items.find(key);
            return at == items.end() ? std::nullopt : std::optional{at->second};
        }
        const auto value = run_io(io_, store->load(key));
        return value ? std::optional{boost::json::parse(*value).as_object()} : std::nullopt;
    }

    std::optional<evercert::account_record> account(const std::string& directory_url) {
        const auto value = item(evercert::account_key(directory_url));
        return value ? std::optional{evercert::read_account(*value)} : std::nullopt;
    }

    /// Nobody holds the lock, and nothing half done lies about.
    void check_tidy(const std::string& lock) {
        std::set<std::string> left;
        if (what == kind::cache_file) {
            for (const auto& file : std::filesystem::directory_iterator{folder_.path()})
                left.insert(file.path().filename().string());
            left.erase("cache");
            left.erase("cache.previous");
            CHECK(left == std::set<std::string>{});
            return;
        }
        const auto time = evercert::system_clock();
        auto locked = evercert::within(
            *time, std::chrono::seconds{10}, "locking " + lock, store->lock(lock, std::chrono::seconds{10}));
        evercert::lease held;
        CHECK_NOTHROW(held = run_io(io_, std::move(locked)));
        run_io(io_, store->unlock(held));
        if (what == kind::memory)
            return;
        for (const auto* inside : {"locks", "writing"})
            for (const auto& file : std::filesystem::directory_iterator{folder_ / "store" + "/" + inside})
                left.insert(file.path().filename().string());
        CHECK(left == std::set<std::string>{".tokens"});
    }

private:
    asio::io_context io_;  // outlives the store's threads

public:
    const kind what;
    std::shared_ptr<evercert::store> store;

private:
    std::string read_all() const { return std::filesystem::exists(cache()) ? read_file(cache()) : std::string{}; }

    temporary_folder folder_;
};

/// A state whose certificate for `name` is due.
inline evercert::state_items due(const std::string& name, evercert::wall_time now = evercert::system_clock()->wall()) {
    const std::vector<evercert::identifier> names{*evercert::identifier::parse(name)};
    const auto old = authority{now - std::chrono::days{100}}.issue(
        names, {now - std::chrono::days{80}, now + std::chrono::days{10}});
    evercert::state all{std::string{evercert::acme::lets_encrypt}};
    all.set_certificate(
        evercert::certificate_key(names), {names, std::make_shared<const evercert::held_certificate>(old), 0.5});
    auto items = all.items();
    std::erase_if(items, [](const auto& one) { return !one.first.starts_with("certificates/"); });
    return items;
}

}  // namespace test
