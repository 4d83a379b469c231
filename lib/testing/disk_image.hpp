#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace evercert::testing {

/// What is on a simulated disk, as programs see it and as it is durable: no faults, no processes. Not thread-safe.
class disk_image {
public:
    /// Draws 64 bits; none = the worst case.
    using random_source = std::function<std::uint64_t()>;

    struct node;
    using node_ptr = std::shared_ptr<node>;
    using names = std::map<std::string, node_ptr>;

    /// A file or a folder, whatever its names.
    struct node {
        bool is_folder = false;
        std::uint64_t locked_by = 0;  ///< an open file; 0 = nobody

        std::string content, durable_content;
        struct change {
            std::uint64_t at;
            std::string bytes;
            bool clears = false;
        };
        std::deque<change> unsynced;

        names inside, durable_inside;
    };

    disk_image();

    const node_ptr& root() const { return root_; }

    void write(node& file, std::uint64_t at, std::string_view content);
    void clear(node& file);
    void sync_file(node& file);
    /// The kernel gives up on what is not durable yet.
    static void lose_unsynced(node& file) { file.unsynced.clear(); }

    /// Give the node the name; none = nothing has the name any more.
    void set_name(const node_ptr& folder, const std::string& name, node_ptr what);
    void move_name(const node_ptr& from, const std::string& old_name, const node_ptr& to, const std::string& name);
    void sync_folder(const node_ptr& folder);

    /// What is not durable is drawn; nobody holds a lock.
    void lose_power(const random_source&);
    void end_locks();

private:
    /// `folder[name] = what`, and then `left[left_name]` gone if `left` is there.
    struct naming {
        node_ptr folder;
        std::string name;
        node_ptr what;
        node_ptr left;
        std::string left_name;
        bool is_named = false;  ///< the first half is durable

        void make_named();
        void make_left();
        bool is_done() const { return is_named && !left; }
    };

    void record(naming);
    static void apply(std::string& to, const node::change&);
    static void record(node& file, node::change);

    node_ptr root_;
    std::deque<naming> unsynced_;  ///< in the order in which they happened
};

}  // namespace evercert::testing
