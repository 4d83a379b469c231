#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "store/file_folder.hpp"
#include "store/file_place.hpp"

namespace evercert {

/// The values of a `file_store`: files, written so that they are whole after any crash. All of it blocks.
/// Thread-safe, and safe beside other processes.
class file_tree {
public:
    /// Creates the folder if its parent exists, checks that it can be trusted and written to, and removes what killed
    /// processes left.
    file_tree(std::shared_ptr<disk>, std::string root, std::size_t keys_max);

    const std::string& root() const { return root_; }

    std::optional<std::string> load(const std::string& key) const;
    void remove(const std::string& key) const;
    std::vector<std::string> list(const std::string& prefix) const;

    /// A value that is on the disk, under another name yet, which is removed unless it becomes the real one.
    class pending {
    public:
        pending(pending&&) = default;
        ~pending();
        /// Keep the generation before and put this in its place: a few system calls, which wait for the
        /// disk only where a JSON file takes the place of a PEM file or the other way round.
        void commit();
        /// Make that durable.
        void sync() const;

    private:
        friend file_tree;
        pending(const file_tree&, const file_place&, bool is_pem, std::string_view content);
        void create(const file_tree&);
        void discard(const std::string& name) const;
        bool keep_previous() const;
        std::string previous_name() const { return fresh_ + "-previous"; }
        bool set_aside(const std::string& name, const std::string& as) const;

        file_folder writing_, previous_, folder_;
        std::string name_;
        bool is_pem_;
        std::unique_ptr<disk_file> file_;  ///< its lock says that somebody is at work
        std::string fresh_;
    };
    /// Throws `errc::store_failed` for a value that is not a JSON object or too large.
    pending write(const std::string& key, const std::string& value) const;

private:
    struct walk;
    std::string key_inside(const file_folder&, const std::string& name) const;
    file_folder create_path(file_folder from, const std::vector<std::string>& folders) const;
    void collect(const file_folder&, const std::string& path, walk&) const;

    file_folder open_root() const { return file_folder::open(*disk_, root_); }

    std::shared_ptr<disk> disk_;
    std::string root_;
    std::size_t keys_max_;
    mutable std::mutex durable_mutex_;
    mutable std::set<std::string> durable_;         ///< folders that we saw synced into the one above
    mutable std::atomic<std::uint64_t> serial_{0};  ///< of the files that are written
};

}  // namespace evercert
