#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <asio/any_io_executor.hpp>

#include <evercert/manager_options.hpp>

#include "base/log.hpp"
#include "base/seeded.hpp"
#include "base/task_group.hpp"
#include "manager/event_bus.hpp"
#include "manager/state.hpp"
#include "manager/vault.hpp"

namespace evercert {

/// What every part of a manager works with. All of it outlives the parts.
struct manager_context {
    asio::any_io_executor strand;
    const manager_options& options;
    task_group& tasks;
    state& all;
    vault& safe;
    event_bus& events;
    logger log;
    seeded& draws;

    wall_time now() const { return options.clock->wall(); }

    /// What failures and the ledger are counted by: a clock that was stepped does not end them until it is believed.
    /// Not to be called within `state::with_failures` and `with_ledger`.
    wall_time counted_time() const {
        return all.counted_time({options.clock->wall(), options.clock->steady()}, options.clock_tolerance);
    }

    /// The kind of key that is preferred.
    key_kind preferred() const { return kind_of(options.key_types.front()); }
    /// The keys of this kind that are wanted; nothing if none is.
    std::optional<key_type> wanted(key_kind kind) const {
        for (const auto type : options.key_types)
            if (kind_of(type) == kind)
                return type;
        return std::nullopt;
    }

    /// What changed without anybody who waits for it to be saved.
    void save_soon(const std::string& key) const {
        safe.mark_unsaved(key);
        tasks.spawn(safe.save_rest());
    }

    /// The failures that changed: what a crash loses of them is found out again.
    void save_failures() const {
        const auto changed = all.with_failures([](failure_book& book) { return book.take_changed(); });
        for (int shard = 0; shard < failure_book::shards; ++shard)
            if (changed.test(static_cast<std::size_t>(shard)))
                safe.mark_unsaved_lazily(failures_key(options.directory_url, shard));
    }

    /// An event of this time; `fill` completes it. Nothing is made if nobody listens.
    template <typename Fill>
    void tell(event_type type, const std::vector<identifier>& names, Fill fill) const {
        if (!events.anybody())
            return;
        manager_event event;
        event.type = type;
        event.at = now();
        event.names = names;
        fill(event);
        events.publish(std::move(event));
    }
    void tell(event_type type, const std::vector<identifier>& names) const {
        tell(type, names, [](manager_event&) {});
    }
};

}  // namespace evercert
