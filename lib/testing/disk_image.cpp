#include "testing/disk_image.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include <evercert/testing/simulated_disk.hpp>

namespace evercert::testing {
namespace {

/// What a draw makes of a write that was not synced.
void tear(const disk_image::node::change& write, std::string& to, const disk_image::random_source& random) {
    const auto put = [&to](std::uint64_t at, std::string_view bytes) {
        to.resize(std::max<std::size_t>(to.size(), at + bytes.size()));
        to.replace(at, bytes.size(), bytes);
    };
    switch (random() % 4) {
    case 0: return;
    case 1: return put(write.at, write.bytes);
    case 2: return put(write.at, std::string_view{write.bytes}.substr(0, random() % (write.bytes.size() + 1)));
    default:
        // The length may arrive where a block did not.
        to.resize(std::max<std::size_t>(to.size(), write.at + write.bytes.size()));
        for (std::size_t at = 0; at < write.bytes.size(); at += simulated_disk::block_size)
            if (random() % 2 == 0)
                put(write.at + at, std::string_view{write.bytes}.substr(at, simulated_disk::block_size));
    }
}

void for_each(const disk_image::node_ptr& from, const std::function<void(disk_image::node&)>& what) {
    what(*from);
    for (const auto& [name, below] : from->inside)
        for_each(below, what);
}

}  // namespace

disk_image::disk_image() : root_{std::make_shared<node>()} { root_->is_folder = true; }

// Contents.

void disk_image::apply(std::string& to, const node::change& change) {
    if (change.clears) {
        to.clear();
        return;
    }
    to.resize(std::max<std::size_t>(to.size(), change.at + change.bytes.size()));
    to.replace(change.at, change.bytes.size(), change.bytes);
}

void disk_image::record(node& file, node::change change) {
    apply(file.content, change);
    file.unsynced.push_back(std::move(change));
    if (file.unsynced.size() > simulated_disk::unsynced_max) {
        apply(file.durable_content, file.unsynced.front());
        file.unsynced.pop_front();
    }
}

void disk_image::write(node& file, std::uint64_t at, std::string_view content) {
    record(file, {at, std::string{content}});
}

void disk_image::clear(node& file) { record(file, {0, {}, true}); }

void disk_image::sync_file(node& file) {
    for (const auto& change : file.unsynced)
        apply(file.durable_content, change);
    file.unsynced.clear();
}

// Names.

void disk_image::naming::make_named() {
    if (std::exchange(is_named, true))
        return;
    if (what)
        folder->durable_inside.insert_or_assign(name, what);
    else
        folder->durable_inside.erase(name);
}

void disk_image::naming::make_left() {
    if (left)
        left->durable_inside.erase(left_name);
    left.reset();
}

void disk_image::record(naming one) {
    unsynced_.push_back(std::move(one));
    if (unsynced_.size() > simulated_disk::unsynced_max) {
        unsynced_.front().make_named();
        unsynced_.front().make_left();
        unsynced_.pop_front();
    }
}

void disk_image::set_name(const node_ptr& folder, const std::string& name, node_ptr what) {
    if (what)
        folder->inside.insert_or_assign(name, what);
    else
        folder->inside.erase(name);
    record({folder, name, std::move(what), nullptr, {}});
}

void disk_image::move_name(
    const node_ptr& from, const std::string& old_name, const node_ptr& to, const std::string& name) {
    auto what = from->inside.at(old_name);
    from->inside.erase(old_name);
    to->inside.insert_or_assign(name, what);
    record({to, name, std::move(what), from, old_name});
}

/// What left this folder is durable where it went: no file system loses both names. It writes all of that folder then,
/// since names must not become durable in another order than they were given.
void disk_image::sync_folder(const node_ptr& folder) {
    std::vector<node_ptr> synced{folder};
    for (std::size_t i = 0; i < synced.size(); ++i)
        for (const auto& one : unsynced_)
            if (one.left == synced[i] && std::find(synced.begin(), synced.end(), one.folder) == synced.end())
                synced.push_back(one.folder);
    const auto is_synced = [&](const node_ptr& one) {
        return std::find(synced.begin(), synced.end(), one) != synced.end();
    };
    for (auto& one : unsynced_) {
        if (is_synced(one.folder))
            one.make_named();
        if (one.left && is_synced(one.left))
            one.make_left();
    }
    std::erase_if(unsynced_, [](const naming& one) { return one.is_done(); });
}

// Outages.

void disk_image::lose_power(const random_source& random) {
    const auto happens = [&] { return random && random() % 2 == 0; };
    for (auto& one : unsynced_) {
        if (!one.is_named && !happens())
            continue;
        one.make_named();
        if (one.left == one.folder || happens())
            one.make_left();
    }
    unsynced_.clear();
    const std::function<void(node&)> find = [&](node& one) {
        one.inside = one.durable_inside;
        for (const auto& change : one.unsynced)
            if (random) {
                if (!change.clears)
                    tear(change, one.durable_content, random);
                else if (happens())
                    one.durable_content.clear();
            }
        one.unsynced.clear();
        one.content = one.durable_content;
        one.locked_by = 0;
        for (const auto& [name, below] : one.inside)
            find(*below);
    };
    find(*root_);
}

void disk_image::end_locks() {
    for_each(root_, [](node& one) { one.locked_by = 0; });
}

}  // namespace evercert::testing
