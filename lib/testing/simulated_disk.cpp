#include <algorithm>
#include <utility>

#include <evercert/error.hpp>

#include "testing/simulated_machine.hpp"

namespace evercert::testing {
namespace {

void throw_if(const std::error_code& failed, const std::string& path) {
    if (failed)
        throw std::system_error{failed, path};
}

void collect(const disk_image::node& folder, const std::string& path, std::vector<std::string>& found) {
    for (const auto& [name, what] : folder.inside)
        if (what->is_folder)
            collect(*what, path + '/' + name, found);
        else
            found.push_back(path + '/' + name);
}

}  // namespace

std::vector<std::string> path_segments(const std::string& path) {
    std::vector<std::string> segments;
    for (std::size_t at = 0; at < path.size();) {
        const auto end = std::min(path.find('/', at), path.size());
        if (auto segment = path.substr(at, end - at); !segment.empty() && segment != ".")
            segments.push_back(std::move(segment));
        at = end + 1;
    }
    return segments;
}

// The machine.

std::error_code simulated_disk::machine::refusal(const process_state& by, need what) const {
    if (!lives(by))
        return std::make_error_code(std::errc::io_error);
    const auto now = operations >= wrong_from ? wrong : fault::none;
    if (now == fault::broken)
        return std::make_error_code(std::errc::io_error);
    if (now == fault::read_only && what != need::nothing)
        return std::make_error_code(std::errc::read_only_file_system);
    if (now == fault::full && what == need::room)
        return std::make_error_code(std::errc::no_space_on_device);
    return {};
}

void simulated_disk::machine::happened() {
    ++operations;
    if (off_at && operations >= *off_at)
        turn_off();
}

void simulated_disk::machine::turn_off() {
    off = true;
    if (const auto then = std::exchange(when_off, {}))
        then();
}

void simulated_disk::machine::end(process_state& one) {
    one.killed = true;
    for (const auto& [number, file] : one.locked)
        if (file->locked_by == number)
            file->locked_by = 0;
    one.locked.clear();
}

disk_image::node_ptr simulated_disk::machine::find(const std::string& path, std::error_code& failed) const {
    auto at = image.root();
    for (const auto& segment : path_segments(path)) {
        if (!at->is_folder) {
            failed = std::make_error_code(std::errc::not_a_directory);
            return nullptr;
        }
        const auto next = at->inside.find(segment);
        if (next == at->inside.end()) {
            failed = std::make_error_code(std::errc::no_such_file_or_directory);
            return nullptr;
        }
        at = next->second;
    }
    return at;
}

// The disk.

simulated_disk::simulated_disk(random_source random) : machine_{std::make_shared<machine>(std::move(random))} {
    create_folder("/tmp");
}

simulated_disk::~simulated_disk() = default;

std::shared_ptr<disk> simulated_disk::process() {
    const std::lock_guard lock{machine_->mutex};
    auto self = std::make_shared<machine::process_state>();
    self->id = ++machine_->processes;
    self->generation = machine_->generation;
    return make_simulated_process(machine_, std::move(self));
}

void simulated_disk::kill(const std::shared_ptr<disk>& process) {
    const auto self = simulated_process_of(machine_, process);
    if (!self)
        throw error{errc::invalid_options, "simulated_disk::kill: it is not a process of this machine"};
    const std::lock_guard lock{machine_->mutex};
    machine_->end(*self);
}

void simulated_disk::crash_after(std::uint64_t n, std::function<void()> then) {
    const std::lock_guard lock{machine_->mutex};
    machine_->off_at = machine_->operations + n;
    machine_->when_off = std::move(then);
    if (n == 0)
        machine_->turn_off();
}

bool simulated_disk::is_off() const {
    const std::lock_guard lock{machine_->mutex};
    return machine_->off;
}

void simulated_disk::restart(outage what) {
    const std::lock_guard lock{machine_->mutex};
    if (what == outage::power)
        machine_->image.lose_power(machine_->random);
    machine_->image.end_locks();
    ++machine_->generation;
    machine_->off = false;
    machine_->off_at.reset();
    machine_->when_off = {};
    machine_->wrong = fault::none;
}

std::uint64_t simulated_disk::operations() const {
    const std::lock_guard lock{machine_->mutex};
    return machine_->operations;
}

void simulated_disk::fail(fault what, std::uint64_t after) {
    const std::lock_guard lock{machine_->mutex};
    machine_->wrong = what;
    machine_->wrong_from = machine_->operations + after;
}

void simulated_disk::room(std::optional<std::uint64_t> bytes) {
    const std::lock_guard lock{machine_->mutex};
    machine_->room_left = bytes;
}

void simulated_disk::has_locks(bool has) {
    const std::lock_guard lock{machine_->mutex};
    machine_->has_locks = has;
}

void simulated_disk::has_links(bool has) {
    const std::lock_guard lock{machine_->mutex};
    machine_->has_links = has;
}

void simulated_disk::create_folder(const std::string& path) {
    const std::lock_guard lock{machine_->mutex};
    auto at = machine_->image.root();
    for (const auto& segment : path_segments(path)) {
        if (!at->inside.contains(segment)) {
            auto made = std::make_shared<disk_image::node>();
            made->is_folder = true;
            at->inside.emplace(segment, made);
            at->durable_inside.insert_or_assign(segment, std::move(made));
        }
        at = at->inside.at(segment);
        if (!at->is_folder)
            throw_if(std::make_error_code(std::errc::not_a_directory), path);
    }
}

void simulated_disk::put(const std::string& path, std::string content) {
    const std::lock_guard lock{machine_->mutex};
    const auto segments = path_segments(path);
    const auto slash = path.rfind('/');
    std::error_code failed;
    const auto folder = machine_->find(slash == path.npos ? "" : path.substr(0, slash), failed);
    if (segments.empty() || (folder && !folder->is_folder))
        failed = std::make_error_code(std::errc::is_a_directory);
    throw_if(failed, path);
    machine_->image.sync_folder(folder);
    auto made = std::make_shared<disk_image::node>();
    made->content = made->durable_content = std::move(content);
    folder->inside.insert_or_assign(segments.back(), made);
    folder->durable_inside.insert_or_assign(segments.back(), std::move(made));
}

std::optional<std::string> simulated_disk::content(const std::string& path) const {
    const std::lock_guard lock{machine_->mutex};
    std::error_code failed;
    const auto found = machine_->find(path, failed);
    if (failed == std::errc::no_such_file_or_directory)
        return {};
    if (found && found->is_folder)
        failed = std::make_error_code(std::errc::is_a_directory);
    throw_if(failed, path);
    return found->content;
}

std::vector<std::string> simulated_disk::files(const std::string& path) const {
    const std::lock_guard lock{machine_->mutex};
    std::error_code failed;
    const auto found = machine_->find(path, failed);
    throw_if(failed, path);
    std::string above;
    for (const auto& segment : path_segments(path))
        above += '/' + segment;
    std::vector<std::string> files;
    collect(*found, above, files);
    std::sort(files.begin(), files.end());
    return files;
}

}  // namespace evercert::testing
