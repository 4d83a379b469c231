#include <algorithm>

#include "testing/simulated_machine.hpp"

namespace evercert::testing {
namespace {

using machine = simulated_disk::machine;
using need = machine::need;
using node_ptr = disk_image::node_ptr;

/// Who acts on what; every call of the three interfaces below begins and ends here.
struct handle {
    /// Do `work()` as one look or operation, or say why not.
    template <typename Work>
    auto act(need what, std::error_code& failed, Work work) const {
        const std::lock_guard lock{on->mutex};
        failed = on->refusal(*self, what);
        decltype(work()) result{};
        if (failed)
            return result;
        result = work();
        if (!failed && what != need::nothing)
            on->happened();
        return result;
    }

    std::shared_ptr<machine> on;
    std::shared_ptr<machine::process_state> self;
};

std::error_code code(std::errc what) { return std::make_error_code(what); }

class open_file final : public disk_file {
public:
    open_file(handle of, node_ptr file, file_use use, std::uint64_t number)
        : of_{std::move(of)}, file_{std::move(file)}, use_{use}, number_{number} {}
    ~open_file() override {
        const std::lock_guard lock{of_.on->mutex};
        unlock();
    }
    const node_ptr& file() const { return file_; }

    std::size_t read(std::uint64_t at, std::span<char> into, std::error_code& failed) override {
        return of_.act(need::nothing, failed, [&] {
            const auto& content = file_->content;
            return at < content.size() ? content.copy(into.data(), into.size(), at) : 0;
        });
    }
    std::size_t write(std::uint64_t at, std::string_view content, std::error_code& failed) override {
        return of_.act(need::room, failed, [&]() -> std::size_t {
            const auto end = file_->content.size();
            const auto room = of_.on->room_left ? end + *of_.on->room_left : UINT64_MAX;
            auto size = std::min(content.size(), simulated_disk::write_max);
            size = std::min<std::uint64_t>(size, room > at ? room - at : 0);
            if (use_ == file_use::read)
                failed = code(std::errc::bad_file_descriptor);
            else if (size == 0 && !content.empty())
                failed = code(std::errc::no_space_on_device);
            if (failed)
                return 0;
            if (of_.on->room_left && at + size > end)
                *of_.on->room_left -= at + size - end;
            of_.on->image.write(*file_, at, content.substr(0, size));
            return size;
        });
    }
    file_info info(std::error_code& failed) override {
        return of_.act(need::nothing, failed, [&] {
            file_info result;
            result.size = file_->content.size();
            return result;
        });
    }
    void clear(std::error_code& failed) override {
        of_.act(need::change, failed, [&] {
            of_.on->image.clear(*file_);
            return true;
        });
    }
    void sync(std::error_code& failed) override {
        of_.act(need::room, failed, [&] {
            of_.on->image.sync_file(*file_);
            return true;
        });
        const std::lock_guard lock{of_.on->mutex};
        if (failed == std::errc::io_error && of_.on->lives(*of_.self))
            disk_image::lose_unsynced(*file_);
    }
    void close(std::error_code& failed) override {
        of_.act(need::nothing, failed, [&] {
            unlock();
            return true;
        });
    }
    bool try_lock(std::error_code& failed) override {
        return of_.act(need::nothing, failed, [&] {
            if (!of_.on->has_locks)
                failed = code(std::errc::no_lock_available);
            if (failed || (file_->locked_by != 0 && file_->locked_by != number_))
                return false;
            file_->locked_by = number_;
            of_.self->locked.insert_or_assign(number_, file_);
            return true;
        });
    }

private:
    void unlock() {
        if (of_.self->locked.erase(number_) != 0 && file_->locked_by == number_)
            file_->locked_by = 0;
    }

    handle of_;
    node_ptr file_;
    file_use use_;
    std::uint64_t number_;
};

class open_folder_type final : public disk_folder {
public:
    open_folder_type(handle of, node_ptr folder) : of_{std::move(of)}, folder_{std::move(folder)} {}

    std::unique_ptr<disk_folder> open_folder(const std::string& name, std::error_code& failed) override {
        return of_.act(need::nothing, failed, [&]() -> std::unique_ptr<disk_folder> {
            const auto found = find(name, failed);
            if (found && !found->is_folder)
                failed = code(std::errc::not_a_directory);
            return failed ? nullptr : std::make_unique<open_folder_type>(of_, found);
        });
    }
    void create_folder(const std::string& name, std::error_code& failed) override {
        bool there = false;
        {
            const std::lock_guard lock{of_.on->mutex};
            there = folder_->inside.contains(name);
        }
        // As mkdir(2), which looks first.
        of_.act(there ? need::nothing : need::room, failed, [&] {
            if (there)
                failed = code(std::errc::file_exists);
            else
                make(name, true);
            return true;
        });
    }
    std::unique_ptr<disk_file> open_file(const std::string& name, file_use use, std::error_code& failed) override {
        bool there = false;
        {
            const std::lock_guard lock{of_.on->mutex};
            there = folder_->inside.contains(name);
        }
        const bool creates = use != file_use::read && !there;
        return of_.act(creates ? need::room : need::nothing, failed, [&]() -> std::unique_ptr<disk_file> {
            if (use == file_use::create && there)
                failed = code(std::errc::file_exists);
            const auto found = failed ? nullptr : creates ? make(name, false) : find(name, failed);
            if (found && found->is_folder)
                failed = code(std::errc::is_a_directory);
            return failed ? nullptr : std::make_unique<testing::open_file>(of_, found, use, ++of_.on->open_files);
        });
    }

    void rename(const std::string& from, disk_folder& to, const std::string& name, std::error_code& failed) override {
        if (is_same(from, to, name))
            return failed.clear();
        of_.act(need::room, failed, [&] {
            const auto& target = folder_of(to);
            find_file(from, failed);
            if (const auto old = target->inside.find(name); old != target->inside.end() && old->second->is_folder)
                failed = code(std::errc::is_a_directory);
            if (!failed)
                of_.on->image.move_name(folder_, from, target, name);
            return true;
        });
    }
    void link(const std::string& from, disk_folder& to, const std::string& name, std::error_code& failed) override {
        of_.act(need::room, failed, [&] {
            const auto& target = folder_of(to);
            auto found = find_file(from, failed);
            if (!failed && target->inside.contains(name))
                failed = code(std::errc::file_exists);
            if (!failed && !of_.on->has_links)
                failed = code(std::errc::operation_not_permitted);
            if (!failed)
                of_.on->image.set_name(target, name, std::move(found));
            return true;
        });
    }
    void remove(const std::string& name, std::error_code& failed) override {
        of_.act(need::change, failed, [&] {
            find_file(name, failed);
            if (!failed)
                of_.on->image.set_name(folder_, name, nullptr);
            return true;
        });
    }
    void sync(std::error_code& failed) override {
        of_.act(need::room, failed, [&] {
            of_.on->image.sync_folder(folder_);
            return true;
        });
    }

    bool has(const std::string& name, const disk_file& file) override {
        std::error_code failed;
        return of_.act(need::nothing, failed, [&] {
            const auto found = find(name, failed);
            return found && found == static_cast<const testing::open_file&>(file).file();
        });
    }
    std::vector<entry> entries(std::size_t entries_max, std::error_code& failed) override {
        return of_.act(need::nothing, failed, [&] {
            std::vector<entry> found;
            for (const auto& [name, what] : folder_->inside)
                if (!name.starts_with('.'))
                    found.push_back({name, what->is_folder});
            if (found.size() > entries_max)
                failed = code(std::errc::value_too_large);
            return found;
        });
    }
    folder_owner owner(std::error_code& failed) override {
        constexpr unsigned user = 1000;
        return of_.act(need::nothing, failed, [] { return folder_owner{user, 0700, user}; });
    }
    void check_writable(std::error_code& failed) override {
        const std::lock_guard lock{of_.on->mutex};
        failed = of_.on->refusal(*of_.self, need::change);
    }

private:
    static const node_ptr& folder_of(disk_folder& other) { return static_cast<open_folder_type&>(other).folder_; }
    node_ptr find(const std::string& name, std::error_code& failed) const {
        const auto at = folder_->inside.find(name);
        if (at != folder_->inside.end())
            return at->second;
        failed = code(std::errc::no_such_file_or_directory);
        return nullptr;
    }
    node_ptr find_file(const std::string& name, std::error_code& failed) const {
        auto found = find(name, failed);
        if (found && found->is_folder)
            failed = code(std::errc::is_a_directory);
        return found;
    }
    node_ptr make(const std::string& name, bool is_folder) {
        auto made = std::make_shared<disk_image::node>();
        made->is_folder = is_folder;
        of_.on->image.set_name(folder_, name, made);
        return made;
    }
    bool is_same(const std::string& from, disk_folder& to, const std::string& name) const {
        const std::lock_guard lock{of_.on->mutex};
        std::error_code ignored;
        const auto one = find(from, ignored);
        const auto at = folder_of(to)->inside.find(name);
        return of_.on->lives(*of_.self) && one && at != folder_of(to)->inside.end() && one == at->second;
    }

    handle of_;
    node_ptr folder_;
};

class process_disk final : public disk {
public:
    explicit process_disk(handle of) : of_{std::move(of)} {}
    const handle& get() const { return of_; }

    std::unique_ptr<disk_folder> open_folder(const std::string& path, std::error_code& failed) override {
        return of_.act(need::nothing, failed, [&]() -> std::unique_ptr<disk_folder> {
            const auto found = of_.on->find(path, failed);
            if (found && !found->is_folder)
                failed = code(std::errc::not_a_directory);
            return failed ? nullptr : std::make_unique<open_folder_type>(of_, found);
        });
    }
    void create_folder(const std::string& path, std::error_code& failed) override {
        const auto at = split(path);
        if (const auto above = open_folder(at.folder, failed))
            above->create_folder(at.name, failed);
    }
    std::unique_ptr<disk_file> open_file(const std::string& path, std::error_code& failed) override {
        const auto at = split(path);
        const auto above = open_folder(at.folder, failed);
        return above ? above->open_file(at.name, file_use::read, failed) : nullptr;
    }
    disk_user user() const override { return {of_.self->id, "simulated"}; }

private:
    struct split_path {
        std::string folder, name;
    };
    static split_path split(const std::string& path) {
        const auto segments = path_segments(path);
        split_path at;
        for (std::size_t i = 0; i + 1 < segments.size(); ++i)
            at.folder += '/' + segments[i];
        at.name = segments.empty() ? "." : segments.back();
        return at;
    }

    handle of_;
};

}  // namespace

std::shared_ptr<disk> make_simulated_process(
    std::shared_ptr<machine> on, std::shared_ptr<machine::process_state> self) {
    return std::make_shared<process_disk>(handle{std::move(on), std::move(self)});
}

std::shared_ptr<machine::process_state> simulated_process_of(
    const std::shared_ptr<machine>& on, const std::shared_ptr<disk>& process) {
    const auto* ours = dynamic_cast<const process_disk*>(process.get());
    return ours && ours->get().on == on ? ours->get().self : nullptr;
}

}  // namespace evercert::testing
